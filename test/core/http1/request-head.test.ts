// The head of a request: what is taken, what is refused with which status, and what goes on, byte for byte.
import { describe, expect, test } from "bun:test";
import { endOfHead, Malformed } from "../../../src/core/http1/bytes.ts";
import { type RequestHead, readRequestHead } from "../../../src/core/http1/request-head.ts";
import { RequestRules } from "../../../src/core/http1/request-rules.ts";
import { fractionsFrom } from "../../support/random.ts";

const OPTIONS = { selector: "x-tenement-instance", passed: "x-passed", overwritten: [] };
const STRANGER = new RequestRules({ ...OPTIONS, claims: "none" });
const TRUSTED = new RequestRules({ ...OPTIONS, claims: "ours" });
const OWN = new RequestRules({
  passed: "x-passed",
  overwritten: ["x-own-peer"],
  claims: "theirs",
});

function read(text: string, rules = STRANGER): RequestHead {
  const bytes = Buffer.from(text, "latin1");
  return readRequestHead(bytes, endOfHead(bytes, 0), rules);
}

function written(text: string, rules = STRANGER): string {
  const to = Buffer.alloc(100_000);
  return to.latin1Slice(0, read(text, rules).write(to, 0));
}

function statusOf(text: string): number | undefined {
  try {
    read(text);
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof Malformed)) throw thrown;
    return thrown.status;
  }
}

const get = (...fields: string[]) => ["GET /p HTTP/1.1", "Host: a.example", ...fields, "", ""].join("\r\n");

describe("refused", () => {
  test.each([
    ["a blank before the colon (RFC 9112 section 5.1)", get("A : 1"), 400],
    ["a folded line (section 5.2)", get("A: 1", " 2"), 400],
    ["a bare line feed (section 2.2)", "GET / HTTP/1.1\nHost: a\n\r\n\r\n", 400],
    ["a bare line feed in a value", get("A: 1\nB: 2"), 400],
    ["a bare carriage return (section 2.2)", get("A: 1\rB: 2"), 400],
    ["a NUL (RFC 9110 section 5.5)", get("A: \0"), 400],
    ["a field without a name", get(": 1"), 400],
    ["a name that is no token (section 5.6.2)", get("A(B): 1"), 400],
    ["no Host (RFC 9112 section 3.2)", "GET / HTTP/1.1\r\n\r\n", 400],
    ["two Hosts", get("host: b"), 400],
    ["a length and chunks (section 6.1)", get("Content-Length: 1", "Transfer-Encoding: chunked"), 400],
    ["two lengths (section 6.3)", get("Content-Length: 1", "Content-Length: 1"), 400],
    ["a list of lengths", get("Content-Length: 1, 1"), 400],
    ["a signed length", get("Content-Length: +1"), 400],
    ["a length in hexadecimal", get("Content-Length: 0x1"), 400],
    ["an empty length", get("Content-Length:"), 400],
    ["a length of 16 digits", get("Content-Length: 1000000000000000"), 400],
    ["another coding (section 7)", get("Transfer-Encoding: gzip, chunked"), 501],
    ["chunks twice", get("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 501],
    ["chunks with a control character", get("Transfer-Encoding: \x0bchunked"), 400],
    ["chunks in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400],
    ["HTTP/2.0 (section 2.3)", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505],
    ["HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505],
    ["no version", "GET /\r\nHost: a\r\n\r\n", 400],
    ["two blanks (section 3)", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["a blank in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["a tab in the target", "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["a fragment (RFC 9112 section 3.2)", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["a lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", 400],
    ["a target that is neither path nor URL", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["201 fields", get(...Array.from({ length: 200 }, () => "A: 1")), 431],
  ])("%s", (_, text, status) => expect(statusOf(text)).toBe(status));
});

describe("taken", () => {
  test("what matters is found, whatever its case, and wherever it stands", () => {
    const head = read(
      get(
        "CONTENT-length:  12  ",
        "connection: Close , UPGRADE,x-gone",
        "Upgrade: websocket",
        "X-Gone: 1",
        "expect: x",
      ),
    );
    expect(head).toMatchObject({ method: "GET", minor: 1, contentLength: 12, isChunked: false });
    expect([head.wantsClose, head.wantsUpgrade, head.named]).toEqual([true, true, ["x-gone"]]);
    expect([head.path, head.text("host", head.host), head.text("upgrade", head.upgrade)]).toEqual([
      "/p",
      "a.example",
      "websocket",
    ]);
    expect(head.field("expect")).toBe("x");
  });

  test("HTTP/1.0 needs no Host, and is written as 1.1", () => {
    expect(read("GET /p HTTP/1.0\r\n\r\n").host.start).toBe(-1);
    expect(written("GET /p HTTP/1.0\r\nA: 1\r\n\r\n")).toBe("GET /p HTTP/1.1\r\nA: 1\r\n");
  });

  test("a URL loses its authority, and Host with it", () => {
    const text = "GET http://b.example:8080/x?y HTTP/1.1\r\nHost: a\r\nA: 1\r\n\r\n";
    expect(read(text).authority).toBe("b.example:8080");
    expect(written(text)).toBe("GET /x?y HTTP/1.1\r\nA: 1\r\n");
  });

  test("several fields of one name are one list, where a list is asked for", () => {
    const head = read(get("X-Forwarded-For: a", "x-forwarded-for: b", "Cookie: c=1", "Cookie: d=2"), TRUSTED);
    expect(head.text("x-forwarded-for", head.forwardedFor)).toBe("a, b");
    expect(head.field("cookie", "; ")).toBe("c=1; d=2");
  });
});

describe("what goes on", () => {
  const gone = [
    "Connection: keep-alive, X-Hop, content-length",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "Proxy-Authorization: secret",
    "TE: trailers",
    "X-Hop: 1",
    "X-Tenement-Instance: api",
    "X_Tenement_Instance: api",
    "Via: 1.0 somebody",
    "X-Request-Id: theirs",
  ];
  const claims = [
    "X-Forwarded-For: 1.2.3.4",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: b",
    "X-Real-IP: 1.2.3.4",
  ];
  const lies = ["Forwarded: for=1.2.3.4", "X-Forwarded-Port: 1", "X-Original-URL: /", "cf-connecting-ip: 1"];

  test.each([
    ["of a stranger: no claim", STRANGER, [...gone, ...claims, ...lies], []],
    ["of a trusted peer: what is written anew does not", TRUSTED, [...gone, ...claims], lies],
    [
      "to the program's own hosts: claims as they came, but nothing that says who asks",
      OWN,
      [...gone.slice(0, 6), "X-Own-Peer: 1", "x-own-peer: 2"],
      [...gone.slice(6), ...claims, ...lies],
    ],
  ] as const)("%s", (_, rules, without, stays) => {
    const mixed = [...without, ...stays, "X-Stays: 1"];
    const kept = mixed.filter((line) => stays.includes(line as never) || line === "X-Stays: 1");
    expect(written(get(...mixed), rules)).toBe(get(...kept).slice(0, -2));
  });

  test("is, of any head, its lines without those that stay behind (ten thousand made up)", () => {
    const random = fractionsFrom(7);
    const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
    const names = [
      "A",
      "x-Stays",
      "X_Own",
      "Accept",
      "Cookie",
      "Content-Type",
      "X-Forwarded-For",
      "Keep-Alive",
    ];
    for (let round = 0; round < 10_000; round++) {
      const lines = Array.from({ length: Math.floor(random() * 8) }, () => {
        const value = String.fromCharCode(
          ...Array.from({ length: Math.floor(random() * 40) }, () => 33 + Math.floor(random() * 90)),
        );
        return `${pick(names)}:${pick(["", " ", "\t "])}${value}${pick(["", " "])}`;
      });
      const kept = lines.filter((line) => !/^(x-forwarded-for|keep-alive):/i.test(line));
      expect(written(get(...lines))).toBe(get(...kept).slice(0, -2));
    }
  });
});
