// Writes the head of a request (RFC 9112 section 3), and refuses whatever could be read as more than one request.
import { UpstreamFailure, type UpstreamRequest } from "../http-client.ts";

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const TARGET = /^[\x21-\x7e\x80-\xff]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** Methods whose requests have no body unless one is given; others then announce an empty one (RFC 9110 section 8.6). */
const BODILESS = new Set(["GET", "HEAD", "OPTIONS", "DELETE", "TRACE"]);
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);

/**
 * The head as a string of single bytes (latin1), framing fields included. Throws an UpstreamFailure of kind `garbage` when
 * a method, path, name or value has a character that may not stand there: CR, LF and NUL would smuggle in a second request.
 */
export function encodeHead(request: UpstreamRequest): string {
  const { method, path, fields, body } = request;
  if (!TOKEN.test(method) || method === "CONNECT") throw malformed("method");
  if (!TARGET.test(path)) throw malformed("path");
  let head = `${method} ${path} HTTP/1.1\r\n`;
  for (const [name, value] of fields) {
    if (!TOKEN.test(name) || !VALUE.test(value)) throw malformed("header field");
    if (!isOwn(name)) head += `${name}: ${value}\r\n`;
  }
  if (body instanceof Uint8Array) return `${head}Content-Length: ${body.byteLength}\r\n\r\n`;
  if (body === null) return BODILESS.has(method) ? `${head}\r\n` : `${head}Content-Length: 0\r\n\r\n`;
  if (body.length === undefined) return `${head}Transfer-Encoding: chunked\r\n\r\n`;
  if (!Number.isSafeInteger(body.length) || body.length < 0) throw malformed("length");
  return `${head}Content-Length: ${body.length}\r\n\r\n`;
}

/** Whether the field is one that this client writes itself; a second one would let two readers see two bodies. */
function isOwn(name: string): boolean {
  switch (name.length) {
    case 10:
      return name.toLowerCase() === "connection";
    case 14:
      return name.toLowerCase() === "content-length";
    case 17:
      return name.toLowerCase() === "transfer-encoding";
    default:
      return false;
  }
}

/** Whether the same request may be sent again when its fate is unknown: its method says so and its body is at hand. */
export function isRepeatable({ method, body }: UpstreamRequest): boolean {
  return (body === null || body instanceof Uint8Array) && IDEMPOTENT.has(method);
}

function malformed(part: string): UpstreamFailure {
  return new UpstreamFailure(
    "garbage",
    `the request's ${part} has a character that HTTP forbids`,
    false,
    false,
  );
}
