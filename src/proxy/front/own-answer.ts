// Writes an answer of our own as bytes.
import { STATUS_CODES } from "node:http";
import type { OwnAnswer } from "../answers.ts";

let date = "";
let dateAt = 0;

/** `lines` are further fields, each with its line's end. To HEAD the text is not sent (RFC 9110 section 9.3.2). */
export function bytesOf({ status, fields, body }: OwnAnswer, lines: string, isToHead: boolean): Buffer {
  const text = Buffer.from(body as string);
  const hasBody = status !== 204 && status !== 304;
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nDate: ${now()}\r\n`;
  for (const [name, value] of fields) head += `${name}: ${value}\r\n`;
  if (hasBody) head += `Content-Length: ${text.length}\r\n`;
  const start = Buffer.from(`${head}${lines}\r\n`, "latin1");
  return isToHead || !hasBody || text.length === 0 ? start : Buffer.concat([start, text]);
}

function now(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateAt) {
    dateAt = second;
    date = new Date(second * 1000).toUTCString();
  }
  return date;
}
