// The parser of an answer's head (RFC 9112 sections 4 and 5): strict, over bytes, without knowledge of sockets.
import type { Fields } from "../http-client.ts";

/** The answer is not HTTP as RFC 9112 defines it: nothing on its connection can be trusted any more. */
export class Garbage extends Error {
  override readonly name = "Garbage";
}

/** A parsed head: every field in wire order, names in lower case. */
export interface Head {
  readonly status: number;
  /** The minor version: 0 or 1. */
  readonly minor: number;
  readonly fields: Fields;
}

const CR = 13;
const LF = 10;
const COLON = 58;
const SPACE = 32;
const TAB = 9;
const EMPTY_LINE = Buffer.from("\r\n\r\n");
const PREFIX = Array.from("HTTP/1.", (char) => char.charCodeAt(0));
const STATUS_LINE_MIN_CHARS = "HTTP/1.1 200".length;

/** 1 for each byte that may stand in a field name (RFC 9110 section 5.6.2, token). */
const TOKEN = table((code) => /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(code)));
/** 1 for each byte that may stand in a field value or reason: no control characters but the tab. */
const TEXT = table((code) => code === TAB || (code >= SPACE && code !== 127));

function table(has: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (has(code) ? 1 : 0));
}

/**
 * Throws at the first byte that no HTTP/1 answer begins with, and when the first line ends with a bare LF: what will never
 * be a whole head, as an SSH banner, is known without waiting for more.
 */
export function checkPartial(bytes: Uint8Array, length: number): void {
  checkBeginning(bytes, length);
  const line = bytes.indexOf(LF);
  if (line >= 0 && line < length && bytes[line - 1] !== CR) throw new Garbage("a bare line feed in the head");
}

function checkBeginning(bytes: Uint8Array, length: number): void {
  const end = Math.min(length, PREFIX.length);
  for (let at = 0; at < end; at++) {
    if (bytes[at] !== PREFIX[at]) throw new Garbage("the answer does not begin with HTTP/1.");
  }
}

/** The index behind the empty line that ends a head in `bytes[from, length)`, or -1. */
export function endOfHead(bytes: Buffer, from: number, length: number): number {
  const end = bytes.indexOf(EMPTY_LINE, from) + EMPTY_LINE.length;
  return end < EMPTY_LINE.length || end > length ? -1 : end;
}

/**
 * The head in `bytes[0, end)`, `end` as `endOfHead` returned it. Lines end with CR LF and nothing else; folded lines,
 * space before a colon, control characters and more than `maxFields` fields are Garbage (RFC 9112 sections 2.2 and 5).
 */
export function parseHead(bytes: Buffer, end: number, maxFields: number): Head {
  checkBeginning(bytes, end);
  const minor = digit(bytes[7]);
  if ((minor !== 0 && minor !== 1) || bytes[8] !== SPACE)
    throw new Garbage("the answer is not HTTP/1.0 or HTTP/1.1");
  const status = parseStatus(bytes);
  const text = bytes.toString("latin1", 0, end);
  let at = endOfLine(bytes, STATUS_LINE_MIN_CHARS);
  const fields: [string, string][] = [];
  while (bytes[at] !== CR) {
    if (fields.length === maxFields) throw new Garbage(`the head has more than ${maxFields} fields`);
    const name = at;
    while (TOKEN[bytes[at] as number] === 1) at++;
    const colon = at++;
    if (bytes[colon] !== COLON || colon === name) throw new Garbage("a field name is malformed");
    while (isBlank(bytes[at])) at++;
    const next = endOfLine(bytes, at);
    let last = next - 2;
    while (last > at && isBlank(bytes[last - 1])) last--;
    fields.push([text.slice(name, colon).toLowerCase(), text.slice(at, last)]);
    at = next;
  }
  if (at + 2 !== end || bytes[at + 1] !== LF) throw new Garbage("a bare carriage return in the head");
  return { status, minor, fields };
}

function parseStatus(bytes: Buffer): number {
  const status = digit(bytes[9]) * 100 + digit(bytes[10]) * 10 + digit(bytes[11]);
  // Also false for NaN, when one of them is no digit.
  const isValid = status >= 100 && status <= 599;
  const next = bytes[STATUS_LINE_MIN_CHARS];
  if (isValid && (next === SPACE || next === CR)) return status;
  throw new Garbage("the status is not a number between 100 and 599");
}

/** The index behind the CR LF that ends the line of plain text at `at`. The head's final CR LF bounds the loop. */
function endOfLine(bytes: Buffer, at: number): number {
  let end = at;
  while (TEXT[bytes[end] as number] === 1) end++;
  if (bytes[end] !== CR || bytes[end + 1] !== LF) throw new Garbage("a control character in the head");
  return end + 2;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

function digit(byte: number | undefined): number {
  const value = (byte ?? 0) - 48;
  return value >= 0 && value <= 9 ? value : Number.NaN;
}
