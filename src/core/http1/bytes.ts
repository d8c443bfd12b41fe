// The bytes of HTTP/1.1: what may stand where (RFC 9110 section 5, RFC 9112 section 2), and how they are compared and copied.

declare global {
  /** What Bun's types leave out: single bytes as text and back, without the name of an encoding to look up. */
  interface Buffer {
    latin1Slice(start?: number, end?: number): string;
    latin1Write(text: string, offset?: number, length?: number): number;
  }
}

export const TAB = 9;
export const LF = 10;
export const CR = 13;
export const SPACE = 32;
export const COLON = 58;
export const SEMICOLON = 59;

/** In TOKEN: read as `-` by many an app's gateway, so `X_Real_IP` says what `X-Real-IP` says. */
export const UNDERSCORE_BIT = 2;

/** Not 0 for each byte of a token (RFC 9110 section 5.6.2), with UNDERSCORE_BIT for `_`. */
export const TOKEN = table((code) => {
  const char = String.fromCharCode(code);
  return char === "_" ? 1 | UNDERSCORE_BIT : /[!#$%&'*+.^`|~0-9A-Za-z-]/.test(char) ? 1 : 0;
});
/** 1 for each byte of a field's value or a reason: no control characters but the tab. */
export const TEXT = table((code) => (code === TAB || (code >= SPACE && code !== 127) ? 1 : 0));
/** 1 for each byte of a request's target: no blanks, no controls, and no `#`, which no client sends of a URL. 8-bit bytes go on as they are. */
export const TARGET = table((code) => (code > SPACE && code !== 127 && code !== 35 ? 1 : 0));

const EMPTY_LINE = Buffer.from("\r\n\r\n");
/** Below this a loop is cheaper than a call of `copy` (measured). */
const SHORT_RUN_BYTES = 32;

function table(of: (code: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => of(code));
}

/** The bytes are no HTTP/1.1, or HTTP/1.1 that must not be taken: nothing behind them on their connection can be trusted. */
export class Malformed extends Error {
  override readonly name = "Malformed";
  /** What a client is answered. */
  readonly status: 400 | 413 | 417 | 431 | 501 | 505;

  constructor(message: string, status: Malformed["status"] = 400) {
    super(message);
    this.status = status;
  }
}

/** The index behind the empty line that ends a head in `bytes[from, length)`, or -1. */
export function endOfHead(bytes: Buffer, from: number): number {
  const at = bytes.indexOf(EMPTY_LINE, from);
  return at < 0 ? -1 : at + 4;
}

/** Whether `bytes` has the lower-case `name` at `at`, in any case. For what are tokens already: other bytes may look alike. */
export function isAt(bytes: Buffer, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++)
    if (((bytes[at + i] as number) | 32) !== name.charCodeAt(i)) return false;
  return true;
}

/** Where a value that ends at `end` ends without the blanks behind it. */
export function trimEnd(bytes: Buffer, start: number, end: number): number {
  let at = end;
  while (at > start && isBlank(bytes[at - 1])) at--;
  return at;
}

export function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

/** Copies `from[start, end)` to `to[at...)`; returns the index behind it. */
export function copyRun(from: Buffer, start: number, end: number, to: Buffer, at: number): number {
  const length = end - start;
  if (length > SHORT_RUN_BYTES) from.copy(to, at, start, end);
  else for (let i = 0; i < length; i++) to[at + i] = from[start + i] as number;
  return at + length;
}

/** A Content-Length of at most 15 digits, so that it is an exact integer; -1 when it is none (RFC 9110 section 8.6). */
export function lengthAt(bytes: Buffer, start: number, end: number): number {
  if (start === end || end - start > 15) return -1;
  let length = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 48;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

/** The options of a Connection field other than those that every side knows, in lower case. */
export function optionsOf(value: string): string[] {
  const options: string[] = [];
  for (const part of value.toLowerCase().split(",")) {
    const option = part.trim();
    if (option !== "") options.push(option);
  }
  return options;
}
