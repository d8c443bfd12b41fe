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
import { FieldNames, UNKNOWN } from "./field-names.ts";

/** How the end of a body is found (RFC 9112 section 6.3). */
export type Framing = "none" | "length" | "chunked" | "close";

const PREFIX = Array.from("HTTP/1.", (char) => char.charCodeAt(0));
const STATUS_LINE_MIN_BYTES = "HTTP/1.1 200".length;
const EVENT_STREAM = /^text\/event-stream(?![\w.+-])/i;
const KEEP_ALIVE_TIMEOUT = /(?:^|[,;\s])timeout=([0-9]{1,6})(?:$|[,;\s])/i;

const DROPPED = 1;
const UPGRADE = 2;
const CONNECTION = 3;
const KEEP_ALIVE = 4;
const TYPE = 5;
const LENGTH = 6;
const CODING = 7;
const MARKER = 8;

const ALWAYS: readonly (readonly [string, number])[] = [
  ["upgrade", UPGRADE],
  ["connection", CONNECTION],
  ["keep-alive", KEEP_ALIVE],
  ["content-type", TYPE],
  ["content-length", LENGTH],
  ["transfer-encoding", CODING],
  ["te", DROPPED],
  ["proxy-connection", DROPPED],
  ["proxy-authenticate", DROPPED],
];

/** Which fields of an answer go on. */
export class AnswerRules {
  readonly names: FieldNames;
  readonly #ours: readonly string[];

  /** `reserved` is what only we may set: it does not go on. `marker` is a field that is looked for. Names in lower case. */
  constructor(reserved: readonly string[] = [], marker?: string) {
    this.#ours = marker === undefined ? reserved : [...reserved, marker];
    this.names = new FieldNames([
      ...ALWAYS,
      ...reserved.map((name) => [name, DROPPED] as const),
      ...(marker === undefined ? [] : [[marker, MARKER] as const]),
    ]);
  }

  /** Whether nobody else may say it, by a lower-case name. */
  isOurs(name: string): boolean {
    return this.#ours.includes(name);
  }
}

/** Where nothing is passed on. */
export const NO_ANSWER_RULES = new AnswerRules();

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

  /** Forgets the answer before, and reads the status line of this one: `fieldsStart` is -1 when that is irregular in a way that does no harm. */
  begin(bytes: Buffer, end: number): void {
    this.bytes = bytes;
    this.end = end;
    this.contentLength = this.codingStart = this.codingEnd = -1;
    this.isChunked = this.wantsClose = this.wantsKeepAlive = this.wantsUpgrade = false;
    this.named = this.keepAliveMs = undefined;
    this.isEventStream = this.hasMarker = false;
    this.runs.length = 0;
    this.fieldsStart = readStatusLine(this);
  }

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
  head.begin(bytes, end);
  if (head.fieldsStart < 0 || readFields(head, maxFields, rules) === BARE) return BARE;
  if (head.isChunked && head.contentLength >= 0)
    throw new Malformed("both Content-Length and Transfer-Encoding");
  if (head.isChunked && head.minor === 0) throw new Malformed("Transfer-Encoding in an HTTP/1.0 answer");
  if (head.named !== undefined) dropNamed(head.bytes, head.runs, head.named);
  return undefined;
}

function readFields(head: AnswerHead, maxFields: number, rules: AnswerRules): typeof BARE | undefined {
  const { bytes } = head;
  let at = head.fieldsStart;
  let run = at;
  let count = 0;
  while (bytes[at] !== CR) {
    if (++count > maxFields) throw new Malformed(`the head has more than ${maxFields} fields`);
    const name = at;
    const colon = colonAt(bytes, at);
    if (colon < 0) return BARE;
    at = colon + 1;
    while (isBlank(bytes[at])) at++;
    const value = at;
    at = textEnd(bytes, at);
    if (at < 0) return BARE;
    const known = rules.names.numberAt(bytes, name, colon - name);
    const isDropped = known !== UNKNOWN && isTaken(head, known, name, value, at);
    at += 2;
    if (!isDropped) continue;
    if (run < name) head.runs.push(run, name);
    run = at;
  }
  if (at + 2 !== head.end || bytes[at + 1] !== LF) throw new Malformed("a bare carriage return in the head");
  if (run < at) head.runs.push(run, at);
  return undefined;
}

/** Where a name ends; -1 when its line does, with a bare line feed. */
function colonAt(bytes: Buffer, from: number): number {
  let at = from;
  while (TOKEN[bytes[at] as number] !== 0) at++;
  if (bytes[at] === COLON && at > from) return at;
  if (bytes[at] === LF) return -1;
  throw new Malformed("a field name is malformed");
}

/** Where a value's line ends, with CR LF; -1 when it does with a bare line feed. */
function textEnd(bytes: Buffer, from: number): number {
  let at = from;
  while (TEXT[bytes[at] as number] === 1) at++;
  if (bytes[at] === CR && bytes[at + 1] === LF) return at;
  if (bytes[at] === LF) return -1;
  throw new Malformed("a control character in the head of the answer");
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
function isTaken(head: AnswerHead, known: number, name: number, value: number, lineEnd: number): boolean {
  const { bytes } = head;
  switch (known) {
    case UPGRADE:
      // Of a 101 it is written anew.
      return head.status !== 426 && head.status !== 101;
    case CONNECTION:
      readConnection(head, value, trimEnd(bytes, value, lineEnd), KEPT);
      return true;
    case KEEP_ALIVE:
      head.keepAliveMs = timeoutOf(bytes.latin1Slice(value, lineEnd));
      return true;
    case TYPE:
      // t or T: only then can it be the one type that matters.
      if (((bytes[value] as number) | 32) === 116)
        head.isEventStream = EVENT_STREAM.test(bytes.latin1Slice(value, lineEnd));
      return false;
    case LENGTH:
      return readLength(head, value, lineEnd);
    case CODING:
      readCoding(head, name, value, lineEnd);
      return true;
    case MARKER:
      head.hasMarker = true;
      return false;
    default:
      return true;
  }
}

function readCoding(head: AnswerHead, name: number, value: number, lineEnd: number): void {
  const { bytes, isChunked } = head;
  if (isChunked || trimEnd(bytes, value, lineEnd) - value !== 7 || !isAt(bytes, value, "chunked"))
    throw new Malformed("an unknown Transfer-Encoding");
  head.isChunked = true;
  head.codingStart = name;
  head.codingEnd = lineEnd + 2;
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
