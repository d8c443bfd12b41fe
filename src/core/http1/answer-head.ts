// The head of an answer, read in one pass over its bytes: strict where two readers could differ, generous where no harm can come of it.
import {
  COLON,
  CR,
  copyRun,
  endOfHead,
  isAt,
  isBlank,
  LF,
  lengthAt,
  Malformed,
  SPACE,
  TEXT,
  TOKEN,
  trimEnd,
} from "./bytes.ts";
import { dropNamed, readConnection } from "./connection-field.ts";

/** How the end of a body is found (RFC 9112 section 6.3). */
export type Framing = "none" | "length" | "chunked" | "close";

const PREFIX = Array.from("HTTP/1.", (char) => char.charCodeAt(0));
const STATUS_LINE_MIN_BYTES = "HTTP/1.1 200".length;
const EVENT_STREAM = /^text\/event-stream(?![\w.+-])/i;
const KEEP_ALIVE_TIMEOUT = /(?:^|[,;\s])timeout=([0-9]{1,6})(?:$|[,;\s])/i;

/** Names in lower case. */
export interface AnswerRules {
  /** What only we may set: it does not go on. */
  readonly reserved: readonly string[];
  /** A field that is looked for. */
  readonly marker: string | undefined;
}

/** Filled anew by each `readAnswerHead`: one serves many answers. */
export class AnswerHead {
  bytes: Buffer = Buffer.alloc(0);
  end = 0;
  status = 0;
  minor = 1;
  contentLength = -1;
  isChunked = false;
  wantsClose = false;
  wantsKeepAlive = false;
  wantsUpgrade = false;
  named: string[] | undefined;
  /** What `Keep-Alive: timeout=` announces, in milliseconds. */
  keepAliveMs: number | undefined;
  isEventStream = false;
  /** Whether the field was there that is looked for. */
  hasMarker = false;
  fieldsStart = 0;
  /** Pairs of indices: what of the fields goes on; those that frame a chunked body stand apart, as not every client knows them. */
  readonly runs: number[] = [];
  codingStart = -1;
  codingEnd = -1;

  /** How its body ends, for an answer to a `HEAD` request or another. */
  framing(isToHead: boolean): Framing {
    const { status } = this;
    if (isToHead || status === 204 || status === 304 || status < 200) return "none";
    if (this.isChunked) return "chunked";
    return this.contentLength < 0 ? "close" : "length";
  }

  /** Whether another request may follow on its connection (RFC 9112 section 9.3). */
  isPersistent(framing: Framing): boolean {
    return framing !== "close" && !this.wantsClose && (this.minor === 1 || this.wantsKeepAlive);
  }

  /** Writes the status line and the fields that go on; returns the index behind them. `unchunked`: for one who knows no chunks. */
  write(to: Buffer, at: number, unchunked: boolean): number {
    const { bytes, runs } = this;
    let out = this.#writeLine(to, at);
    for (let i = 0; i < runs.length; i += 2)
      out = copyRun(bytes, runs[i] as number, runs[i + 1] as number, to, out);
    return unchunked ? out : this.#writeCoding(to, out);
  }

  /** The same with other fields than its own. */
  writeWith(
    pairs: readonly (readonly [string, string])[],
    to: Buffer,
    at: number,
    unchunked: boolean,
  ): number {
    let out = this.#writeLine(to, at);
    for (const [name, value] of pairs) out += to.latin1Write(`${name}: ${value}\r\n`, out);
    return unchunked ? out : this.#writeCoding(to, out);
  }

  #writeLine(to: Buffer, at: number): number {
    const out = copyRun(this.bytes, 0, this.fieldsStart, to, at);
    // Whatever the target speaks, this is said by us (section 2.3).
    to[at + 7] = 49;
    return out;
  }

  #writeCoding(to: Buffer, at: number): number {
    return this.codingStart < 0 ? at : copyRun(this.bytes, this.codingStart, this.codingEnd, to, at);
  }

  /** The fields that go on as pairs, names in lower case. For what reads answers, or changes them. */
  pairs(): [name: string, value: string][] {
    const { bytes, runs } = this;
    const pairs: [string, string][] = [];
    for (let i = 0; i < runs.length; i += 2) {
      const end = runs[i + 1] as number;
      for (let at = runs[i] as number; at < end; ) {
        const colon = bytes.indexOf(COLON, at);
        const cr = bytes.indexOf(CR, colon);
        let value = colon + 1;
        while (isBlank(bytes[value])) value++;
        const name = bytes.latin1Slice(at, colon).toLowerCase();
        pairs.push([name, bytes.latin1Slice(value, trimEnd(bytes, value, cr))]);
        at = cr + 2;
      }
    }
    return pairs;
  }
}

/**
 * The index behind the head in `bytes[0, length)` when it is there whole, or -1. Throws Malformed at the first byte that no
 * HTTP/1 answer begins with: what will never be a head, as an SSH banner, is known without waiting for more.
 */
export function endOfAnswerHead(bytes: Buffer, from: number): number {
  const { length } = bytes;
  for (let at = 0; at < PREFIX.length && at < length; at++)
    if (bytes[at] !== PREFIX[at]) throw new Malformed("the answer does not begin with HTTP/1.");
  let line = PREFIX.length;
  // A status line is short: a loop is cheaper than a call.
  while (line < length && bytes[line] !== LF) line++;
  if (line >= length) return -1;
  if (bytes[line - 1] === CR) return endOfHead(bytes, from);
  return endOfBareHead(bytes);
}

/** Of a head whose lines end with a bare line feed, as old CGI programs write them (RFC 9112 section 2.2). */
function endOfBareHead(bytes: Buffer): number {
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2;
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
  }
  return -1;
}

const BARE = Symbol("a bare line feed");

/**
 * Reads the head in `bytes[0, end)` into `head`. Folded lines, a
 * blank before a colon, control characters, and two framings that contradict each other are Malformed.
 */
export function readAnswerHead(
  head: AnswerHead,
  bytes: Buffer,
  end: number,
  maxFields: number,
  rules: AnswerRules,
): void {
  if (tryRead(head, bytes, end, maxFields, rules) !== BARE) return;
  const regular = regularHead(bytes.latin1Slice(0, end));
  if (tryRead(head, regular, regular.length, maxFields, rules) === BARE)
    throw new Malformed("the head of the answer is malformed");
}

/** The same head with CR LF at the end of each line and one blank in its first. */
function regularHead(text: string): Buffer {
  const [first = "", ...fields] = text.split(/\r?\n/).slice(0, -2);
  const [, minor, status, reason = ""] = /^HTTP\/1\.([01]) +([0-9]{3})(?: +(.*))?$/.exec(first) ?? [];
  if (status === undefined) throw new Malformed("the status line is malformed");
  return Buffer.from([`HTTP/1.${minor} ${status} ${reason}`, ...fields, "", ""].join("\r\n"), "latin1");
}

function tryRead(
  head: AnswerHead,
  bytes: Buffer,
  end: number,
  maxFields: number,
  rules: AnswerRules,
): typeof BARE | undefined {
  head.bytes = bytes;
  head.end = end;
  head.contentLength = -1;
  head.isChunked = head.wantsClose = head.wantsKeepAlive = head.wantsUpgrade = false;
  head.named = head.keepAliveMs = undefined;
  head.isEventStream = head.hasMarker = false;
  head.runs.length = 0;
  head.codingStart = head.codingEnd = -1;
  let at = readStatusLine(head);
  if (at < 0) return BARE;
  head.fieldsStart = at;
  let run = at;
  let count = 0;
  while (bytes[at] !== CR) {
    if (++count > maxFields) throw new Malformed(`the head has more than ${maxFields} fields`);
    const name = at;
    while (TOKEN[bytes[at] as number] !== 0) at++;
    const colon = at++;
    if (bytes[colon] === LF) return BARE;
    if (bytes[colon] !== COLON || colon === name) throw new Malformed("a field name is malformed");
    while (isBlank(bytes[at])) at++;
    const value = at;
    while (TEXT[bytes[at] as number] === 1) at++;
    if (bytes[at] === LF) return BARE;
    if (bytes[at] !== CR || bytes[at + 1] !== LF)
      throw new Malformed("a control character in the head of the answer");
    const stays = !isTaken(head, rules, name, colon, value, at);
    at += 2;
    if (stays) continue;
    if (run < name) head.runs.push(run, name);
    run = at;
  }
  if (at + 2 !== end || bytes[at + 1] !== LF) throw new Malformed("a bare carriage return in the head");
  if (run < at) head.runs.push(run, at);
  if (head.isChunked && head.contentLength >= 0)
    throw new Malformed("both Content-Length and Transfer-Encoding");
  if (head.isChunked && head.minor === 0) throw new Malformed("Transfer-Encoding in an HTTP/1.0 answer");
  if (head.named !== undefined) dropNamed(head.bytes, head.runs, head.named);
  return undefined;
}

/** The index behind the line; -1 when it is irregular in a way that does no harm. */
function readStatusLine(head: AnswerHead): number {
  const { bytes } = head;
  for (let at = 0; at < PREFIX.length; at++)
    if (bytes[at] !== PREFIX[at]) throw new Malformed("the answer does not begin with HTTP/1.");
  head.minor = (bytes[7] as number) - 48;
  if ((head.minor !== 0 && head.minor !== 1) || bytes[8] !== SPACE)
    throw new Malformed("the answer is not HTTP/1.0 or HTTP/1.1");
  if (bytes[9] === SPACE) return -1;
  const status = digit(bytes[9]) * 100 + digit(bytes[10]) * 10 + digit(bytes[11]);
  let at = STATUS_LINE_MIN_BYTES;
  // Also false for NaN, when one of them is no digit.
  const isValid = status >= 100 && status <= 999;
  if (!isValid || (bytes[at] !== SPACE && bytes[at] !== CR && bytes[at] !== LF))
    throw new Malformed("the status is not a number between 100 and 999");
  head.status = status;
  while (TEXT[bytes[at] as number] === 1) at++;
  if (bytes[at] === LF) return -1;
  if (bytes[at] !== CR || bytes[at + 1] !== LF) throw new Malformed("a control character in the status line");
  return at + 2;
}

/** Notes what a field says; whether it stays behind. */
function isTaken(
  head: AnswerHead,
  { reserved, marker }: AnswerRules,
  name: number,
  colon: number,
  value: number,
  lineEnd: number,
): boolean {
  const { bytes } = head;
  const length = colon - name;
  switch (length) {
    case 2:
      if (isAt(bytes, name, "te")) return true;
      break;
    case 7:
      // Of a 101 it is written anew.
      if (isAt(bytes, name, "upgrade")) return head.status !== 426 && head.status !== 101;
      break;
    case 10:
      if (isAt(bytes, name, "connection")) {
        readConnection(head, value, trimEnd(bytes, value, lineEnd), KEPT);
        return true;
      }
      if (!isAt(bytes, name, "keep-alive")) break;
      head.keepAliveMs = timeoutOf(bytes.latin1Slice(value, lineEnd));
      return true;
    case 12:
      if (!isAt(bytes, name, "content-type")) break;
      // t or T: only then can it be the one type that matters.
      if (((bytes[value] as number) | 32) === 116)
        head.isEventStream = EVENT_STREAM.test(bytes.latin1Slice(value, lineEnd));
      return false;
    case 14:
      if (isAt(bytes, name, "content-length")) return readLength(head, value, lineEnd);
      break;
    case 16:
      if (isAt(bytes, name, "proxy-connection")) return true;
      break;
    case 17:
      if (!isAt(bytes, name, "transfer-encoding")) break;
      if (head.isChunked || trimEnd(bytes, value, lineEnd) - value !== 7 || !isAt(bytes, value, "chunked"))
        throw new Malformed("an unknown Transfer-Encoding");
      head.isChunked = true;
      head.codingStart = name;
      head.codingEnd = lineEnd + 2;
      return true;
    case 18:
      if (isAt(bytes, name, "proxy-authenticate")) return true;
      break;
  }
  for (const one of reserved) if (length === one.length && isAt(bytes, name, one)) return true;
  if (marker !== undefined && length === marker.length && isAt(bytes, name, marker)) head.hasMarker = true;
  return false;
}

/** `5`, and also `5, 5`, which RFC 9110 section 8.6 lets a recipient read as one; a second field of the same length stays behind. */
function readLength(head: AnswerHead, value: number, lineEnd: number): boolean {
  const { bytes } = head;
  const end = trimEnd(bytes, value, lineEnd);
  let length = lengthAt(bytes, value, end);
  const isList = length < 0;
  if (isList) {
    const parts = bytes
      .latin1Slice(value, end)
      .split(",")
      .map((part) => part.trim());
    const [first = ""] = parts;
    if (parts.length < 2 || !/^[0-9]{1,15}$/.test(first)) throw new Malformed("a malformed Content-Length");
    if (parts.some((part) => part !== first)) throw new Malformed("two Content-Length values differ");
    length = Number(first);
    // Written as one, in place: nobody behind us may have to read a list.
    bytes.fill(SPACE, value + first.length, end);
  }
  if (head.contentLength >= 0 && head.contentLength !== length)
    throw new Malformed("two Content-Length fields differ");
  const isSecond = head.contentLength >= 0;
  head.contentLength = length;
  return isSecond;
}

/** What frames the body is not Connection's to name. */
const KEPT: ReadonlySet<string> = new Set(["content-length", "transfer-encoding"]);

function timeoutOf(value: string): number | undefined {
  const secs = KEEP_ALIVE_TIMEOUT.exec(value)?.[1];
  return secs === undefined ? undefined : Number(secs) * 1000;
}

function digit(byte: number | undefined): number {
  const value = (byte ?? 0) - 48;
  return value >= 0 && value <= 9 ? value : Number.NaN;
}
