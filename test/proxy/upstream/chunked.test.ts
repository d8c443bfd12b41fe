import { describe, expect, test } from "bun:test";
import { ChunkedDecoder } from "../../../src/proxy/upstream/chunked.ts";
import { Garbage } from "../../../src/proxy/upstream/head.ts";

function decode(text: string, pieceBytes = text.length) {
  const decoder = new ChunkedDecoder();
  const wire = Buffer.from(text, "latin1");
  let body = "";
  let used = 0;
  for (let at = 0; at < wire.length && !decoder.done; at += pieceBytes) {
    const piece = Buffer.from(wire.subarray(at, at + pieceBytes));
    body += Buffer.from(decoder.push(piece, 0)).toString("latin1");
    used += decoder.consumed;
  }
  return { body, done: decoder.done, used };
}

const whole =
  '5\r\nhello\r\n6;ext="q"\r\n world\r\n00A\r\n0123456789\r\n0;last\r\nTrailer: x\r\nOther: y\r\n\r\n';

describe("a chunked body is decoded", () => {
  test.each(Array.from({ length: whole.length }, (_, index) => index + 1))(
    "in pieces of %d bytes",
    (bytes) => {
      expect(decode(whole, bytes)).toEqual({ body: "hello world0123456789", done: true, used: whole.length });
    },
  );

  test("up to its end and not further", () => {
    expect(decode(`${whole}HTTP/1.1 200 OK`)).toEqual({
      body: "hello world0123456789",
      done: true,
      used: whole.length,
    });
  });

  test("and is not done before its last byte", () => {
    for (let length = 0; length < whole.length; length++) {
      expect(decode(whole.slice(0, length)).done).toBeFalse();
    }
  });
});

describe("garbage is", () => {
  const bodies: Record<string, string> = {
    "an empty size": "\r\nhello\r\n",
    "a size that is not hexadecimal": "g\r\n",
    "a size with a sign": "+5\r\nhello\r\n",
    "a negative size": "-5\r\nhello\r\n",
    "a size with a prefix": "0x5\r\nhello\r\n",
    "a space before the size": " 5\r\nhello\r\n",
    "a space behind the size": "5 \r\nhello\r\n",
    "a size of fourteen digits": "10000000000000\r\n",
    "a size ended by LF alone": "5\nhello\r\n",
    "a size ended by CR alone": "5\rhello\r\n",
    "a chunk that is too short": "6\r\nhello\r\n0\r\n\r\n",
    "a chunk that is too long": "4\r\nhello\r\n0\r\n\r\n",
    "a chunk ended by LF alone": "5\r\nhello\n0\r\n\r\n",
    "LF in an extension": "5;a\nb\r\nhello\r\n",
    "CR in an extension": "5;a\rb\r\nhello\r\n",
    "NUL in a trailer": "0\r\nA: \0\r\n\r\n",
    "LF in a trailer": "0\r\nA: b\nB: c\r\n\r\n",
    "an end of LF alone": "0\r\n\n",
    "an endless extension": `5;${"a".repeat(70_000)}`,
    "endless trailers": `0\r\n${"A: b\r\n".repeat(14_000)}`,
  };
  test.each(Object.entries(bodies))("%s", (_, text) => {
    expect(() => decode(text)).toThrow(Garbage);
  });
});
