import { describe, expect, test } from "bun:test";
import { UpstreamFailure, type UpstreamRequest } from "../../../src/proxy/http-client.ts";
import { encodeHead, isRepeatable } from "../../../src/proxy/upstream/request.ts";

function request(about: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return { method: "GET", path: "/", fields: [["Host", "a.test"]], body: null, ...about };
}

const stream = () => new ReadableStream<Uint8Array>();

describe("a head is written", () => {
  test("with the path and the fields exactly as they are", () => {
    const fields = [
      ["Host", "a.test"],
      ["cookie", "a=\xe9"],
      ["X-Empty", ""],
    ] as const;
    expect(encodeHead(request({ path: "//a/../b?c=%2e'\"", fields }))).toBe(
      "GET //a/../b?c=%2e'\" HTTP/1.1\r\nHost: a.test\r\ncookie: a=\xe9\r\nX-Empty: \r\n\r\n",
    );
  });
  test.each([
    ["GET", null, ""],
    ["DELETE", null, ""],
    ["POST", null, "Content-Length: 0\r\n"],
    ["PUT", null, "Content-Length: 0\r\n"],
    ["GET", new Uint8Array(3), "Content-Length: 3\r\n"],
    ["POST", { stream: stream(), length: 7 }, "Content-Length: 7\r\n"],
    ["POST", { stream: stream(), length: undefined }, "Transfer-Encoding: chunked\r\n"],
  ] as const)("with the framing of %s and its body", (method, body, framing) => {
    expect(encodeHead(request({ method, body }))).toBe(
      `${method} / HTTP/1.1\r\nHost: a.test\r\n${framing}\r\n`,
    );
  });
  test("without a second framing that the caller let through", () => {
    const fields = [
      ["content-length", "99"],
      ["Transfer-Encoding", "chunked"],
      ["CONNECTION", "close"],
    ] as const;
    expect(encodeHead(request({ fields, body: new Uint8Array(1) }))).toBe(
      "GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n",
    );
  });
});

describe("what could smuggle in a second request is refused:", () => {
  const bad = ["\r", "\n", "\0", "\r\n", "a\r\nEvil: 1", "\x7f", "č", "Ċ", "\ud83d\ude00"];
  test.each(bad)("%p in a value", (text) => {
    expect(() => encodeHead(request({ fields: [["X", `a${text}`]] }))).toThrow(UpstreamFailure);
  });
  test.each([...bad, "", " ", "a b", "a:", "é"])("%p as a name", (text) => {
    expect(() => encodeHead(request({ fields: [[text, "x"]] }))).toThrow(UpstreamFailure);
  });
  test.each([...bad, "", " ", "\t", "/a b"])("%p as a path", (text) => {
    expect(() => encodeHead(request({ path: text }))).toThrow(UpstreamFailure);
  });
  test.each([...bad, "", " ", "GET /", "CONNECT"])("%p as a method", (text) => {
    expect(() => encodeHead(request({ method: text }))).toThrow(UpstreamFailure);
  });
  test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("%p as a length", (length) => {
    expect(() => encodeHead(request({ body: { stream: stream(), length } }))).toThrow(UpstreamFailure);
  });
});

test("a request may be repeated when its method is idempotent and its body at hand", () => {
  const bytes = new Uint8Array(1);
  expect(
    ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"].every((method) =>
      isRepeatable(request({ method, body: bytes })),
    ),
  ).toBeTrue();
  expect(["POST", "PATCH", "PROPFIND"].some((method) => isRepeatable(request({ method })))).toBeFalse();
  expect(isRepeatable(request({ method: "PUT", body: { stream: stream(), length: 1 } }))).toBeFalse();
});
