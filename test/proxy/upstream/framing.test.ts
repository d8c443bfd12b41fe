import { describe, expect, test } from "bun:test";
import type { Fields } from "../../../src/proxy/http-client.ts";
import { frame } from "../../../src/proxy/upstream/framing.ts";
import { Garbage } from "../../../src/proxy/upstream/head.ts";

function framed(fields: Fields, { status = 200, minor = 1, method = "GET" } = {}) {
  return frame({ status, minor, fields }, method);
}

describe("a body ends", () => {
  test("after Content-Length bytes", () => {
    expect(framed([["content-length", "12"]]).framing).toEqual({ kind: "length", bytes: 12 });
    expect(framed([["content-length", "0"]]).framing).toEqual({ kind: "length", bytes: 0 });
  });
  test("with its last chunk", () => {
    expect(framed([["transfer-encoding", "Chunked"]]).framing).toEqual({ kind: "chunked" });
  });
  test("with the connection when nothing else is said", () => {
    expect(framed([])).toMatchObject({ framing: { kind: "close" }, persistent: false });
  });
  test("before it begins for HEAD, 204 and 304", () => {
    for (const about of [{ method: "HEAD" }, { status: 204 }, { status: 304 }]) {
      expect(framed([["content-length", "12"]], about)).toMatchObject({
        framing: { kind: "none" },
        fields: [["content-length", "12"]],
        persistent: true,
      });
    }
  });
});

describe("a length said twice", () => {
  test("counts once when it is the same", () => {
    const once = { framing: { kind: "length", bytes: 5 }, fields: [["content-length", "5"]] };
    expect(
      framed([
        ["content-length", "5"],
        ["content-length", "5"],
      ]),
    ).toMatchObject(once);
    expect(framed([["content-length", "5, 5"]])).toMatchObject(once);
  });
  test("is garbage when it differs", () => {
    expect(() =>
      framed([
        ["content-length", "5"],
        ["content-length", "6"],
      ]),
    ).toThrow(Garbage);
    expect(() => framed([["content-length", "5, 6"]])).toThrow(Garbage);
  });
});

test.each(["", "+5", "-1", "0x5", "5 5", "5;", "1e3", "５", "1234567890123456", "5,"])(
  "the length %p is garbage",
  (length) => {
    expect(() => framed([["content-length", length]])).toThrow(Garbage);
  },
);

test("two framings at once are garbage", () => {
  expect(() =>
    framed([
      ["content-length", "5"],
      ["transfer-encoding", "chunked"],
    ]),
  ).toThrow(Garbage);
});

test.each(["gzip", "gzip, chunked", "chunked, chunked", "identity", "", "xchunked"])(
  "the transfer coding %p is garbage, for it could not be passed on",
  (coding) => {
    expect(() => framed([["transfer-encoding", coding]])).toThrow(Garbage);
  },
);

test("chunked in HTTP/1.0, or said twice, is garbage", () => {
  expect(() => framed([["transfer-encoding", "chunked"]], { minor: 0 })).toThrow(Garbage);
  expect(() =>
    framed([
      ["transfer-encoding", "chunked"],
      ["transfer-encoding", "chunked"],
    ]),
  ).toThrow(Garbage);
});

describe("a connection is kept", () => {
  const length = ["content-length", "1"] as const;
  test("in HTTP/1.1 unless an option says close", () => {
    expect(framed([length]).persistent).toBeTrue();
    expect(framed([length, ["connection", "foo, CLOSE"]]).persistent).toBeFalse();
    expect(framed([length, ["connection", "keep-alive"], ["connection", "close"]]).persistent).toBeFalse();
  });
  test("in HTTP/1.0 only when an option says keep-alive", () => {
    expect(framed([length], { minor: 0 }).persistent).toBeFalse();
    expect(framed([length, ["connection", "Keep-Alive"]], { minor: 0 }).persistent).toBeTrue();
  });
  test("for as long as Keep-Alive announces", () => {
    expect(framed([length, ["keep-alive", "timeout=5, max=100"]]).keepAliveMs).toBe(5000);
    expect(framed([length, ["keep-alive", "max=100,timeout=15"]]).keepAliveMs).toBe(15_000);
    expect(framed([length, ["keep-alive", "max=100"]]).keepAliveMs).toBeUndefined();
  });
});

test("hop-by-hop fields and those that Connection names do not go on", () => {
  const fields: Fields = [
    ["connection", "X-Hop, close"],
    ["x-hop", "1"],
    ["x-hop", "2"],
    ["keep-alive", "timeout=5"],
    ["te", "trailers"],
    ["trailer", "X"],
    ["upgrade", "h2c"],
    ["proxy-connection", "keep-alive"],
    ["proxy-authenticate", "Basic"],
    ["transfer-encoding", "chunked"],
    ["set-cookie", "a"],
    ["set-cookie", "b"],
  ];
  expect(framed(fields).fields).toEqual([
    ["set-cookie", "a"],
    ["set-cookie", "b"],
  ]);
});

test("Connection cannot name the length away", () => {
  expect(
    framed([
      ["connection", "content-length"],
      ["content-length", "5"],
    ]).fields,
  ).toEqual([["content-length", "5"]]);
});

test("only an event stream is one", () => {
  const typed = (type: string) => framed([["content-type", type]]).isEventStream;
  expect(["text/event-stream", "Text/Event-Stream; charset=utf-8"].map(typed)).toEqual([true, true]);
  expect(["text/event-streams", "text/html", "x-text/event-stream"].map(typed)).toEqual([
    false,
    false,
    false,
  ]);
});
