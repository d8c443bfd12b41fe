import { describe, expect, test } from "bun:test";
import { endOfHead, Garbage, parseHead } from "../../../src/proxy/upstream/head.ts";

function parse(text: string, maxFields = 8) {
  const bytes = Buffer.from(text, "latin1");
  const end = endOfHead(bytes, 0, bytes.length);
  expect(end).toBeGreaterThan(0);
  return parseHead(bytes, end, maxFields);
}

describe("a head is read", () => {
  test("with its fields in order, names in lower case, values trimmed", () => {
    expect(
      parse("HTTP/1.1 200 OK\r\nB: 1\r\nset-cookie:a=b\r\nset-cookie:\t c \t\r\nEmpty:\r\n\r\nbody"),
    ).toEqual({
      status: 200,
      minor: 1,
      fields: [
        ["b", "1"],
        ["set-cookie", "a=b"],
        ["set-cookie", "c"],
        ["empty", ""],
      ],
    });
  });

  test("without a reason, with an odd one, and in bytes above 127", () => {
    expect(parse("HTTP/1.0 404\r\n\r\n")).toEqual({ status: 404, minor: 0, fields: [] });
    expect(parse("HTTP/1.1 299 \r\n\r\n").status).toBe(299);
    expect(parse("HTTP/1.1 599 H\xe9!: \t\r\nA: \xff\xfe\r\n\r\n").fields).toEqual([["a", "\xff\xfe"]]);
  });
});

describe("garbage is", () => {
  const heads: Record<string, string> = {
    "another protocol": "SSH-2.0-OpenSSH\r\n\r\n",
    "HTTP/2": "HTTP/2.0 200 OK\r\n\r\n",
    "HTTP/1.2": "HTTP/1.2 200 OK\r\n\r\n",
    "a version that is no digit": "HTTP/1.x 200 OK\r\n\r\n",
    "lower case": "http/1.1 200 OK\r\n\r\n",
    "a leading empty line": "\r\nHTTP/1.1 200 OK\r\n\r\n",
    "a status of two digits": "HTTP/1.1 20 OK\r\n\r\n",
    "a status of four digits": "HTTP/1.1 2000 OK\r\n\r\n",
    "a status that is no number": "HTTP/1.1 2x0 OK\r\n\r\n",
    "a status of 600": "HTTP/1.1 600 No\r\n\r\n",
    "a status of 099": "HTTP/1.1 099 No\r\n\r\n",
    "two spaces before the status": "HTTP/1.1  200 OK\r\n\r\n",
    "a tab before the reason": "HTTP/1.1 200\tOK\r\n\r\n",
    "NUL in the reason": "HTTP/1.1 200 O\0K\r\n\r\n",
    "a field without a colon": "HTTP/1.1 200 OK\r\nnope\r\n\r\n",
    "an empty name": "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
    "a space before the colon": "HTTP/1.1 200 OK\r\nA : x\r\n\r\n",
    "a space in the name": "HTTP/1.1 200 OK\r\nA b: x\r\n\r\n",
    "a folded line": "HTTP/1.1 200 OK\r\nA: x\r\n y\r\n\r\n",
    "a line folded with a tab": "HTTP/1.1 200 OK\r\nA: x\r\n\ty: z\r\n\r\n",
    "NUL in a value": "HTTP/1.1 200 OK\r\nA: x\0\r\n\r\n",
    "a bare CR in a value": "HTTP/1.1 200 OK\r\nA: x\ry\r\n\r\n",
    "a bare CR at a line's start": "HTTP/1.1 200 OK\r\n\rA: x\r\n\r\n",
    "a bare LF in a value": "HTTP/1.1 200 OK\r\nA: x\nB: y\r\n\r\n",
    "a bare LF behind the status line": "HTTP/1.1 200 OK\nA: x\r\n\r\n",
    "DEL in a value": "HTTP/1.1 200 OK\r\nA: \x7f\r\n\r\n",
    "a name beyond ASCII": "HTTP/1.1 200 OK\r\n\xc3\xa9: x\r\n\r\n",
    "more fields than allowed": `HTTP/1.1 200 OK\r\n${"A: x\r\n".repeat(9)}\r\n`,
  };
  test.each(Object.entries(heads))("%s", (_, text) => {
    expect(() => parse(text)).toThrow(Garbage);
  });
});

test("the end of a head is found wherever the search begins, and not in bytes beyond the length", () => {
  const bytes = Buffer.from("HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody\r\n\r\n");
  for (let from = 0; from <= 21; from++) expect(endOfHead(bytes, from, bytes.length)).toBe(25);
  for (let length = 0; length < 25; length++) expect(endOfHead(bytes, 0, length)).toBe(-1);
});
