// The head of a request, read in one pass over its bytes: what matters to a proxy by position, the rest as runs to copy.
import { canonicalHost } from "../host.ts";
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
  TARGET,
  TEXT,
  TOKEN,
  trimEnd,
  UNDERSCORE_BIT,
} from "./bytes.ts";
import { isForwardedAt } from "./claims.ts";
import { dropNamed, readConnection } from "./connection-field.ts";
import { UNKNOWN } from "./field-names.ts";
import { FIELD, type RequestRules } from "./request-rules.ts";

/** Beyond this a head is refused (431). */
export const MOST_HEAD_BYTES = 65_536;
export const MOST_FIELDS = 200;

/** Where a value stands; `start` is -1 when there is none. */
class Span {
  readonly start: number;
  readonly end: number;

  constructor(start: number, end: number) {
    this.start = start;
    this.end = end;
  }
}

const SLASH = 47;
const QUESTION_MARK = 63;

/** Most requests have few of them. */
const NONE = new Span(-1, -1);

export class RequestHead {
  /** Shared with whoever read them; never written to. */
  readonly bytes: Buffer;
  /** Behind the empty line. */
  readonly end: number;
  readonly rules: RequestRules;
  method = "";
  minor = 1;
  /** Where the target stands as it came, and the path in it: different in absolute form. */
  targetStart = 0;
  targetEnd = 0;
  pathStart = 0;
  fieldsStart = 0;
  /** Of a request in absolute form: it wins over Host (RFC 9112 section 3.2.2). */
  authority: string | undefined;
  /** -1: there is none. */
  contentLength = -1;
  isChunked = false;
  /** What Connection says. */
  wantsClose = false;
  wantsKeepAlive = false;
  wantsUpgrade = false;
  /** Names of fields that Connection takes away, in lower case; undefined: none. */
  named: string[] | undefined;
  /** One of the spans stands for several fields: the last of them. */
  isRepeating = false;
  host = NONE;
  via = NONE;
  selector = NONE;
  passed = NONE;
  upgrade = NONE;
  expect = NONE;
  accept = NONE;
  traceparent = NONE;
  hasTracestate = false;
  forwardedFor = NONE;
  forwardedProto = NONE;
  forwardedHost = NONE;
  requestId = NONE;
  realIp = NONE;
  /** Pairs of indices: what of the fields goes on. */
  readonly runs: number[] = [];

  constructor(bytes: Buffer, end: number, rules: RequestRules) {
    this.bytes = bytes;
    this.end = end;
    this.rules = rules;
  }

  /** Whether the whole server is asked: by `*`, or by a URL that has nothing behind its host (RFC 9112 section 3.2.4). */
  get isForServer(): boolean {
    if (this.authority !== undefined) return this.method === "OPTIONS" && this.pathStart === this.targetEnd;
    return this.targetEnd === this.targetStart + 1 && this.bytes[this.targetStart] === 42;
  }

  get isHead(): boolean {
    return this.method === "HEAD";
  }

  /** Whether its sender says that none follows on the connection (RFC 9112 section 9.3). */
  get isLast(): boolean {
    return this.minor === 0 ? !this.wantsKeepAlive : this.wantsClose;
  }

  /** Whether its path is this one, with whatever query. No string is made of most. */
  isFor(path: string): boolean {
    const { bytes, pathStart, targetEnd } = this;
    if (bytes[pathStart] !== SLASH) return this.path === path || this.path.startsWith(`${path}?`);
    const end = pathStart + path.length;
    if (end > targetEnd || !this.is(pathStart, end, path)) return false;
    return end === targetEnd || bytes[end] === QUESTION_MARK;
  }

  /** Path and query as they came; `/` for a URL without one. */
  get path(): string {
    const path = this.bytes.latin1Slice(this.pathStart, this.targetEnd);
    return path.startsWith("/") || path === "*" ? path : `/${path}`;
  }

  /** The value of the field whose lower-case name and span these are; undefined when there is none, or Connection takes it away. */
  text(name: string, { start, end }: Span): string | undefined {
    if (start < 0 || this.named?.includes(name) === true) return undefined;
    return this.isRepeating ? this.field(name) : this.bytes.latin1Slice(start, end);
  }

  /** Whether these bytes of it are this text. */
  is(start: number, end: number, text: string): boolean {
    if (end - start !== text.length) return false;
    for (let i = 0; i < text.length; i++) if (this.bytes[start + i] !== text.charCodeAt(i)) return false;
    return true;
  }

  /** The value of any field by its lower-case name, several joined (RFC 9110 section 5.3). For what is rarely asked: it reads the head again. */
  field(name: string, separator = ", "): string | undefined {
    let found: string | undefined;
    eachField(this.bytes, this.fieldsStart, (start, colon, valueStart, valueEnd) => {
      if (colon - start !== name.length || !isAt(this.bytes, start, name)) return;
      const value = this.bytes.latin1Slice(valueStart, valueEnd);
      found = found === undefined ? value : found + separator + value;
    });
    return found;
  }

  /** Writes the request line and the fields that go on; returns the index behind them. The final line is for whoever adds fields. */
  write(to: Buffer, at: number): number {
    const { bytes, runs } = this;
    let out = at;
    if (this.authority !== undefined) out += to.latin1Write(`${this.method} ${this.path} HTTP/1.1\r\n`, out);
    else if (this.minor === 0) {
      out = copyRun(bytes, 0, this.targetEnd, to, out);
      out += to.latin1Write(" HTTP/1.1\r\n", out);
    } else out = copyRun(bytes, 0, this.fieldsStart, to, out);
    for (let i = 0; i < runs.length; i += 2)
      out = copyRun(bytes, runs[i] as number, runs[i + 1] as number, to, out);
    return out;
  }
}

/** How many bytes of empty lines precede the next request: clients send one behind a body (RFC 9112 section 2.2). */
export function emptyLinesAt(bytes: Buffer): number {
  let at = 0;
  while (bytes[at] === CR && bytes[at + 1] === LF) at += 2;
  return at;
}

export { endOfHead };

/** The head in `bytes[0, end)`, where `end` is that of `endOfHead`. Throws Malformed, with the status of the refusal. */
export function readRequestHead(bytes: Buffer, end: number, rules: RequestRules): RequestHead {
  const head = new RequestHead(bytes, end, rules);
  head.fieldsStart = readRequestLine(head);
  readFields(head, rules);
  if (head.named !== undefined) dropNamed(bytes, head.runs, head.named);
  return head;
}

function readRequestLine(head: RequestHead): number {
  const { bytes } = head;
  let at = 0;
  while (TOKEN[bytes[at] as number] !== 0) at++;
  if (at === 0 || bytes[at] !== SPACE) throw new Malformed("the method is malformed");
  head.method = methodOf(bytes, at);
  const target = ++at;
  while (TARGET[bytes[at] as number] === 1) at++;
  if (at === target || bytes[at] !== SPACE) throw new Malformed("the target is malformed");
  head.targetStart = head.pathStart = target;
  head.targetEnd = at;
  at++;
  // HTTP/1.
  const isHttp =
    bytes[at] === 72 &&
    bytes[at + 1] === 84 &&
    bytes[at + 2] === 84 &&
    bytes[at + 3] === 80 &&
    bytes[at + 4] === 47 &&
    bytes[at + 6] === 46 &&
    bytes[at + 8] === CR &&
    bytes[at + 9] === LF;
  if (!isHttp) throw new Malformed("the version is malformed");
  head.minor = (bytes[at + 7] as number) - 48;
  if (bytes[at + 5] !== 49 || (head.minor !== 0 && head.minor !== 1))
    throw new Malformed("only HTTP/1.0 and HTTP/1.1 are spoken here", 505);
  head.wantsClose = head.minor === 0;
  // A path, the whole server, or a URL; CONNECT has a form of its own and is refused by its method.
  const isPath = bytes[target] === 47;
  const isStar = bytes[target] === 42 && head.targetEnd === target + 1;
  if (isStar && head.method !== "OPTIONS") throw new Malformed("only OPTIONS asks for the whole server");
  if (!isPath && !isStar && head.method !== "CONNECT") readAuthority(head);
  return at + 10;
}

/** A URL as the target (RFC 9112 section 3.2.2): its authority is the host, whatever Host says. */
function readAuthority(head: RequestHead): void {
  const { bytes, targetStart, targetEnd } = head;
  const scheme = isAt(bytes, targetStart, "http://") ? 7 : isAt(bytes, targetStart, "https://") ? 8 : 0;
  if (scheme === 0 || bytes[targetStart + scheme - 1] !== 47 || bytes[targetStart + scheme - 2] !== 47)
    throw new Malformed("the target is neither a path nor a URL");
  const start = targetStart + scheme;
  let at = start;
  // Up to a slash or a question mark.
  while (at < targetEnd && bytes[at] !== 47 && bytes[at] !== 63) at++;
  head.authority = bytes.latin1Slice(start, at);
  head.pathStart = at;
}

function methodOf(bytes: Buffer, end: number): string {
  // Most are GET, POST, HEAD or PUT: no string is made for those.
  if (end === 3 && bytes[0] === 71 && bytes[1] === 69 && bytes[2] === 84) return "GET";
  if (end === 4 && bytes[0] === 80 && bytes[1] === 79 && bytes[2] === 83 && bytes[3] === 84) return "POST";
  return bytes.latin1Slice(0, end);
}

function readFields(head: RequestHead, rules: RequestRules): void {
  const { bytes } = head;
  let at = head.fieldsStart;
  let run = at;
  let count = 0;
  while (bytes[at] !== CR) {
    if (++count > MOST_FIELDS) throw new Malformed(`more than ${MOST_FIELDS} fields`, 431);
    const name = at;
    let bits = 0;
    for (let bit = TOKEN[bytes[at] as number]; bit !== 0; bit = TOKEN[bytes[++at] as number])
      bits |= bit as number;
    const colon = at++;
    if (bytes[colon] !== COLON || colon === name) throw new Malformed("a field name is malformed");
    while (isBlank(bytes[at])) at++;
    const value = at;
    at = textEnd(bytes, at);
    const isDropped = isTaken(head, rules, name, colon, value, at, bits);
    at += 2;
    if (!isDropped) continue;
    if (run < name) head.runs.push(run, name);
    run = at;
  }
  if (at + 2 !== head.end) throw new Malformed("a bare carriage return in the head");
  if (run < at) head.runs.push(run, at);
  checkFraming(head);
}

/** Where a value's line ends, with CR LF. */
function textEnd(bytes: Buffer, from: number): number {
  let at = from;
  while (TEXT[bytes[at] as number] === 1) at++;
  if (bytes[at] !== CR || bytes[at + 1] !== LF) throw new Malformed("a field value is malformed");
  return at;
}

function checkFraming(head: RequestHead): void {
  if (head.isChunked && head.contentLength >= 0)
    throw new Malformed("both Content-Length and Transfer-Encoding");
  if (head.isChunked && head.minor === 0) throw new Malformed("Transfer-Encoding in an HTTP/1.0 request");
  if (head.host.start < 0 && head.minor === 1) throw new Malformed("the Host header is missing");
  if (head.authority !== undefined || head.isForServer) checkHost(head);
}

/** Where Host decides nothing it must be one all the same (RFC 9112 section 3.2); elsewhere whoever decides by it looks. */
function checkHost({ bytes, authority, host }: RequestHead): void {
  if (host.start >= 0 && canonicalHost(bytes.latin1Slice(host.start, host.end)) === undefined)
    throw new Malformed("the Host header is no host");
  if (authority !== undefined && canonicalHost(authority) === undefined)
    throw new Malformed("the URL that is asked for has no host");
}

/** Notes what a field says; whether it stays behind. */
function isTaken(
  head: RequestHead,
  rules: RequestRules,
  name: number,
  colon: number,
  value: number,
  lineEnd: number,
  bits: number,
): boolean {
  const { bytes } = head;
  const known = rules.names.numberAt(bytes, name, colon - name);
  if (known !== UNKNOWN) return isKnownTaken(head, rules, known, value, lineEnd);
  if (rules.claims === "theirs") return false;
  if ((bits & UNDERSCORE_BIT) !== 0 && rules.isOurs(bytes.latin1Slice(name, colon))) return true;
  return rules.claims === "none" && isForwardedAt(bytes, name, colon);
}

function isKnownTaken(
  head: RequestHead,
  rules: RequestRules,
  known: number,
  value: number,
  lineEnd: number,
): boolean {
  switch (known) {
    case FIELD.HOST:
      if (head.host.start >= 0) throw new Malformed("two Host headers");
      head.host = note(head, head.host, value, lineEnd);
      return head.authority !== undefined || rules.dropsHost;
    case FIELD.CONNECTION:
      readConnection(head, value, trimEnd(head.bytes, value, lineEnd), KEPT);
      return true;
    case FIELD.LENGTH:
      readLength(head, value, lineEnd);
      return false;
    case FIELD.CODING:
      readCoding(head, value, lineEnd);
      return false;
    case FIELD.VIA:
      head.via = note(head, head.via, value, lineEnd);
      return rules.claims !== "theirs";
    case FIELD.EXPECT:
      head.expect = note(head, head.expect, value, lineEnd);
      return false;
    case FIELD.ACCEPT:
      head.accept = note(head, head.accept, value, lineEnd);
      return false;
    case FIELD.TRACEPARENT:
      head.traceparent = note(head, head.traceparent, value, lineEnd);
      return false;
    case FIELD.TRACESTATE:
      head.hasTracestate = true;
      return false;
    default:
      noteOurs(head, known, value, lineEnd);
      return true;
  }
}

function readLength(head: RequestHead, value: number, lineEnd: number): void {
  if (head.contentLength >= 0) throw new Malformed("two Content-Length fields");
  head.contentLength = lengthAt(head.bytes, value, trimEnd(head.bytes, value, lineEnd));
  if (head.contentLength < 0) throw new Malformed("a malformed Content-Length");
}

function readCoding(head: RequestHead, value: number, lineEnd: number): void {
  const { bytes, isChunked } = head;
  if (isChunked || trimEnd(bytes, value, lineEnd) - value !== 7 || !isAt(bytes, value, "chunked"))
    throw new Malformed("an unknown Transfer-Encoding", 501);
  head.isChunked = true;
}

/** Of what is written anew, or means only us. */
function noteOurs(head: RequestHead, known: number, value: number, lineEnd: number): void {
  switch (known) {
    case FIELD.UPGRADE:
      head.upgrade = note(head, head.upgrade, value, lineEnd);
      break;
    case FIELD.SELECTOR:
      head.selector = note(head, head.selector, value, lineEnd);
      break;
    case FIELD.PASSED:
      head.passed = note(head, head.passed, value, lineEnd);
      break;
    case FIELD.REAL_IP:
      head.realIp = note(head, head.realIp, value, lineEnd);
      break;
    case FIELD.REQUEST_ID:
      head.requestId = note(head, head.requestId, value, lineEnd);
      break;
    case FIELD.FORWARDED_FOR:
      head.forwardedFor = note(head, head.forwardedFor, value, lineEnd);
      break;
    case FIELD.FORWARDED_HOST:
      head.forwardedHost = note(head, head.forwardedHost, value, lineEnd);
      break;
    case FIELD.FORWARDED_PROTO:
      head.forwardedProto = note(head, head.forwardedProto, value, lineEnd);
      break;
  }
}

function note(head: RequestHead, before: Span, value: number, lineEnd: number): Span {
  if (before !== NONE) head.isRepeating = true;
  return new Span(value, trimEnd(head.bytes, value, lineEnd));
}

/** Host is no hop's to take away, and what frames the body neither. */
const KEPT: ReadonlySet<string> = new Set(["host", "content-length", "transfer-encoding", "expect"]);

/** Fields of a head that has been found to be well formed. */
function eachField(
  bytes: Buffer,
  from: number,
  each: (start: number, colon: number, valueStart: number, valueEnd: number) => void,
): void {
  let at = from;
  while (bytes[at] !== CR) {
    const colon = bytes.indexOf(COLON, at);
    const cr = bytes.indexOf(CR, colon);
    let value = colon + 1;
    while (isBlank(bytes[value])) value++;
    each(at, colon, value, trimEnd(bytes, value, cr));
    at = cr + 2;
  }
}
