// The head of an answer: how its body ends, whether its connection goes on, what passes, and what is no HTTP.
import { describe, expect, test } from "bun:test";
import {
  AnswerHead,
  AnswerRules,
  endOfAnswerHead,
  readAnswerHead,
} from "../../../src/core/http1/answer-head.ts";
import { Malformed } from "../../../src/core/http1/bytes.ts";

const RULES = new AnswerRules(["x-ten-instance"], "x-ten-error");

function read(lines: readonly string[], first = "HTTP/1.1 200 OK", lineEnd = "\r\n"): AnswerHead {
  const bytes = Buffer.from([first, ...lines, "", ""].join(lineEnd), "latin1");
  const head = new AnswerHead();
  readAnswerHead(head, bytes, endOfAnswerHead(bytes, 0), 20, RULES);
  return head;
}

function written(lines: readonly string[], first?: string, lineEnd?: string): string {
  const to = Buffer.alloc(10_000);
  return to.latin1Slice(0, read(lines, first, lineEnd).write(to, 0, false));
}

describe("a body ends (RFC 9112 section 6.3)", () => {
  test.each([
    [["Content-Length: 12"], "length"],
    [["Content-Length: 0"], "length"],
    [["Transfer-Encoding: Chunked"], "chunked"],
    [[], "close"],
  ] as const)("%j: %s", (lines, framing) => {
    expect(read(lines).framing(false)).toBe(framing);
    expect(read(lines).framing(true)).toBe("none");
    for (const status of [204, 304]) expect(read(lines, `HTTP/1.1 ${status} X`).framing(false)).toBe("none");
  });

  test("a length that is said twice alike counts once, and is written once", () => {
    expect(written(["Content-Length: 5", "A: 1", "Content-Length: 5"])).toBe(
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: 1\r\n",
    );
    expect(written(["Content-Length: 5, 5"]).replace(/ +\r/, "\r")).toBe(
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
    );
  });
});

test.each([
  ["Content-Length: 5", "Content-Length: 6"],
  ["Content-Length: 5, 6"],
  ...["", "+5", "-1", "0x5", "5 5", "5;", "1e3", "1234567890123456", "5,"].map((bad) => [
    `Content-Length: ${bad}`,
  ]),
  ["Content-Length: 5", "Transfer-Encoding: chunked"],
  ...["gzip", "gzip, chunked", "chunked, chunked", "identity", "", "xchunked"].map((bad) => [
    `Transfer-Encoding: ${bad}`,
  ]),
  ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
  ["A : 1"],
  [" folded"],
  ["A: \0"],
  ["no colon"],
  Array.from({ length: 21 }, () => "A: 1"),
])("%j is no HTTP", (...lines) => expect(() => read(lines)).toThrow(Malformed));

test.each([
  "HTTP/1.1 99 X",
  "HTTP/1.1 1000 X",
  "HTTP/2.0 200 X",
  "HTTP/1.1 200OK",
  "HTTP/1.1\t200 OK",
  "HTTP/1.1 2 0",
])("%j begins no answer", (first) => expect(() => read([], first)).toThrow(Malformed));

describe("a connection goes on (section 9.3)", () => {
  const goesOn = (lines: readonly string[], first?: string) => {
    const head = read(["Content-Length: 1", ...lines], first);
    return head.isPersistent(head.framing(false));
  };

  test("in HTTP/1.1 unless an option says close, in 1.0 only when one says keep-alive", () => {
    expect(goesOn([])).toBeTrue();
    expect(goesOn(["Connection: foo, CLOSE"])).toBeFalse();
    expect(goesOn(["Connection: keep-alive", "Connection: close"])).toBeFalse();
    expect(goesOn([], "HTTP/1.0 200 OK")).toBeFalse();
    expect(goesOn(["Connection: Keep-Alive"], "HTTP/1.0 200 OK")).toBeTrue();
  });

  test("for as long as Keep-Alive announces", () => {
    expect(read(["Keep-Alive: timeout=5, max=100"]).keepAliveMs).toBe(5_000);
    expect(read(["Keep-Alive: max=100,timeout=15"]).keepAliveMs).toBe(15_000);
    expect(read(["Keep-Alive: max=100"]).keepAliveMs).toBeUndefined();
  });
});

describe("what passes", () => {
  test("everything but what ends at each hop, what Connection names, and what only we may say", () => {
    const gone = [
      "Connection: X-Hop, keep-alive, content-length",
      "X-Hop: 1",
      "Keep-Alive: timeout=5",
      "TE: trailers",
      "Upgrade: h2c",
      "Proxy-Connection: keep-alive",
      "Proxy-Authenticate: Basic",
      "X-Ten-Instance: forged",
    ];
    const stays = ["Set-Cookie: a", "set-cookie: b", "Trailer: T", "X-Ten-Error: x", "Content-Length: 3"];
    expect(written([...gone, ...stays], "HTTP/1.0 200 Splendid")).toBe(
      ["HTTP/1.1 200 Splendid", ...stays, ""].join("\r\n"),
    );
    expect(read(stays).hasMarker).toBeTrue();
  });

  test("is written with whole line ends, however it came", () => {
    expect(written(["A: 1", "B: 2"], "HTTP/1.1  200   OK", "\n")).toBe("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n");
  });

  test("chunks are announced only to who knows them", () => {
    const to = Buffer.alloc(1_000);
    const head = read(["Transfer-Encoding: chunked", "A: 1"]);
    expect(to.latin1Slice(0, head.write(to, 0, true))).toBe("HTTP/1.1 200 OK\r\nA: 1\r\n");
    expect(to.latin1Slice(0, head.write(to, 0, false))).toContain("Transfer-Encoding: chunked\r\n");
  });

  test("only an event stream is one", () => {
    const isStream = (type: string) => read([`Content-Type: ${type}`]).isEventStream;
    expect(["text/event-stream", "Text/Event-Stream; charset=utf-8"].map(isStream)).toEqual([true, true]);
    expect(["text/event-streams", "text/html", "x-text/event-stream"].map(isStream)).toEqual([
      false,
      false,
      false,
    ]);
  });
});
