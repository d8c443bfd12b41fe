// The access log: one line for a request, made when it has ended, and given to whoever writes lines; nothing of it waits.
import { CR, isAt, isBlank, LF, trimEnd } from "../core/http1/bytes.ts";
import type { RequestHead } from "../core/http1/request-head.ts";
import { LineBytes } from "../core/line-bytes.ts";
import type { Route, Target } from "../core/route.ts";
import { traceOf } from "../core/trace-context.ts";
import { visible } from "../core/visible.ts";
import type { Clock } from "../platform/time/clock.ts";
import { type AnswerName, statusOf } from "./answers.ts";
import type { AccessLogOptions } from "./data-plane.ts";

/** A request, as far as its line tells of it. */
export interface Logged {
  readonly head: RequestHead;
  readonly method: string;
  /** The visitor's address, as far as its peer may say it. */
  readonly visitor: string;
  readonly route: Route;
  readonly added: string;
  readonly attempts: number;
}

export interface AccessLogParts {
  readonly options: AccessLogOptions;
  readonly clock: Clock;
  /** Takes the first `length` of the bytes, a line with its end; they are written over by the next. */
  write(bytes: Buffer, length: number): void;
  random?(): number;
}

/** So many lines are made together: what makes them is in the caches of the processor then (a fifth of the cost less, measured). */
const BATCH = 32;
const AGENT_CHARS = 200;
const PATH_CHARS = 2_000;
/** The longest that is registered has 17 (IANA, HTTP Method Registry); a stranger's may have 64 KB. */
const METHOD_CHARS = 40;
/** Of so many visitors what does not change is kept as bytes, unless it is long, as a host and an address may be. */
const MOST_VISITORS = 1_000;
const KEPT_BYTES = 1_024;
/** At the beginning of a line: what visitors say may hold the name as well. */
const ID = "\r\nX-Request-Id: ";
const SLASH = 47;
const STAR = 42;
const QUESTION = 63;
const TRACE = "traceparent: ";
/** Values of such names in a query open doors: tokens, signatures and links. */
const SECRET = /(token|secret|passw|pwd|sig|auth|session|sid|code|key|credential|jwt|link|hmac|nonce|otp)/i;

/** What becomes of one request. */
export class AccessRecord {
  readonly #log: AccessLog;
  readonly host: string;
  readonly #isForErrors: boolean;
  /** On the monotonic clock; 0: it was answered without a try or a wait. */
  beganMs = 0;
  endedMs = 0;
  /** From the beginning; -1: it is the end. */
  headMs = -1;
  status = 0;
  reason = "";
  target: Target | undefined;
  /** What the connection had sent before the body of the answer. */
  #sentBefore = -1;
  bodyBytes = 0;
  #isOver = false;
  /** What its line is made of, once it has ended: a copy, as what else there is of the request is not kept for it. */
  asked: Logged | undefined;

  constructor(log: AccessLog, host: string, isForErrors: boolean) {
    this.#log = log;
    this.host = host;
    this.#isForErrors = isForErrors;
  }

  begin(nowMs: number): void {
    if (this.beganMs === 0) this.beganMs = nowMs;
  }

  /** A target answers, `headMs` after the request came to it; `isFirst`: nobody was asked before. */
  answered(status: number, target: Target, headMs: number, isFirst: boolean): void {
    this.status = status;
    this.target = target;
    this.headMs = isFirst ? headMs : this.#log.clock.monotonic() - this.beganMs;
  }

  /** The body begins when its connection has sent so much. */
  bodyFrom(sentBytes: number): void {
    this.#sentBefore = sentBytes;
  }

  /** It was tried, and has not answered. */
  failed(target: Target): void {
    this.target = target;
  }

  own(reason: AnswerName, bodyBytes: number): void {
    this.status = statusOf(reason);
    this.reason = reason;
    this.bodyBytes = bodyBytes;
    this.#sentBefore = -1;
  }

  /** `reason`: why it ends before its answer has. */
  end(request: Logged, sentBytes: number, reason = ""): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (reason !== "" && this.reason === "") this.reason = reason;
    if (this.#isForErrors && this.status < 500 && this.reason === "") return;
    const { head, method, visitor, route, added, attempts } = request;
    this.asked = { head, method, visitor, route, added, attempts };
    this.endedMs = this.#log.clock.monotonic();
    if (this.#sentBefore >= 0) this.bodyBytes = Math.max(0, sentBytes - this.#sentBefore);
    this.#log.ended(this);
  }
}

export class AccessLog {
  readonly clock: Clock;
  readonly #parts: AccessLogParts;
  readonly #random: () => number;
  readonly #isJson: boolean;
  /** The wall clock's second that `#second` is the text of. */
  #secondOf = -1;
  #second = "";
  readonly #line = new LineBytes();
  #beginLength = 0;
  /** Where in what is added to it the last request had its id. */
  #idOffset = -1;
  readonly #visitors = new Map<string, { host: string; method: string; bytes: Buffer }>();
  readonly #targets = new WeakMap<Target, { service: string; bytes: Buffer }>();
  /** Where in its fields the last head had its agent. */
  #agentOffset = 0;
  /** Whose lines are still to be made. */
  readonly #ended: AccessRecord[] = [];

  constructor(parts: AccessLogParts) {
    this.#parts = parts;
    this.clock = parts.clock;
    this.#random = parts.random ?? Math.random;
    this.#isJson = parts.options.format === "json";
  }

  /** What a request of this route is to be told in; undefined: it is not. */
  record({ policy }: Route, host: string): AccessRecord | undefined {
    const { accessLog } = policy;
    if (accessLog === undefined) return undefined;
    if (accessLog === "errors") return new AccessRecord(this, host, true);
    if (accessLog < 1 && this.#random() >= accessLog) return undefined;
    return new AccessRecord(this, host, false);
  }

  /** Its line is made with the next ones, or when it is asked for. */
  ended(record: AccessRecord): void {
    if (this.#ended.push(record) >= BATCH) this.makeLines();
  }

  /** Gives away the lines of all that has ended. */
  makeLines(): void {
    if (this.#ended.length === 0) return;
    // The time of day of what has ended a moment ago.
    const offset = this.clock.now() - this.clock.monotonic();
    for (const record of this.#ended.splice(0)) {
      const asked = record.asked as Logged;
      if (this.#isJson) this.#json(asked, record, offset);
      else {
        this.#line.clear();
        this.#line.utf8(this.#combined(asked, record, offset));
      }
      this.#parts.write(this.#line.bytes, this.#line.length);
    }
  }

  #json(asked: Logged, record: AccessRecord, offset: number): void {
    const { target, reason, beganMs, endedMs } = record;
    const { head, route, added } = asked;
    const totalMs = beganMs === 0 ? 0 : endedMs - beganMs;
    const line = this.#line;
    this.#begin(offset + endedMs);
    this.#quotedId(added);
    line.run(this.#askedBy(asked, record.host));
    this.#quotedPath(head);
    line.ascii(',"status":');
    line.integer(record.status);
    line.ascii(',"bytes":');
    line.integer(record.bodyBytes);
    line.ascii(',"ms_head":');
    line.hundredths(record.headMs < 0 ? totalMs : record.headMs);
    line.ascii(',"ms":');
    line.hundredths(totalMs);
    line.run(this.#answeredBy(route, target));
    line.integer(asked.attempts);
    if (reason === "") line.ascii(',"reason":null');
    else {
      line.ascii(',"reason":"');
      line.ascii(reason);
      line.ascii('"');
    }
    line.ascii(',"agent":');
    this.#quotedAgent(head);
    const parent = traceparentOf(head, added);
    const trace = parent === undefined ? undefined : traceOf(parent);
    if (trace !== undefined) line.ascii(`,"trace_id":"${trace.traceId}","span_id":"${trace.spanId}"`);
    line.ascii("}\n");
  }

  /** The time, and what is before it: it stands there from the last line but for the milliseconds. */
  #begin(now: number): void {
    const line = this.#line;
    const second = Math.floor(now / 1_000);
    if (second !== this.#secondOf) {
      line.clear();
      line.ascii(`{"time":"${this.#textOf(second)}`);
      this.#beginLength = line.length;
    } else line.clear(this.#beginLength);
    line.digits(Math.floor(now - second * 1_000), 3);
    line.ascii('Z","id":');
  }

  /** The id stands where the last request had it, unless its peer may say more. */
  #quotedId(added: string): void {
    if (this.#idOffset < 0 || !added.startsWith(ID, this.#idOffset)) this.#idOffset = added.indexOf(ID);
    const start = this.#idOffset + ID.length;
    if (this.#idOffset < 0) this.#line.quoted("");
    else this.#line.quoted(added, start, added.indexOf("\r", start));
  }

  /** What is the same of each request of one visitor for one host. */
  #askedBy({ visitor, method }: Logged, host: string): Buffer {
    const known = this.#visitors.get(visitor);
    if (known !== undefined && known.host === host && known.method === method) return known.bytes;
    const made = new LineBytes();
    made.ascii(`,"client":"${visitor}","host":`);
    made.quoted(host);
    made.ascii(',"method":');
    made.quoted(method.slice(0, METHOD_CHARS));
    made.ascii(',"path":');
    const bytes = Buffer.from(made.bytes.subarray(0, made.length));
    if (bytes.length > KEPT_BYTES) return bytes;
    if (this.#visitors.size >= MOST_VISITORS) this.#visitors.clear();
    this.#visitors.set(visitor, { host, method, bytes });
    return bytes;
  }

  /** What is the same of each answer of one target. */
  #answeredBy(route: Route, target: Target | undefined): Buffer {
    const known = target && this.#targets.get(target);
    if (known?.service === route.name) return known.bytes;
    const { id = null, version = null } = target ?? {};
    const names = JSON.stringify({ service: route.name, instance: id, version }).slice(1, -1);
    const bytes = Buffer.from(`,${names},"attempts":`);
    if (target !== undefined) this.#targets.set(target, { service: route.name, bytes });
    return bytes;
  }

  #quotedPath(head: RequestHead): void {
    const { bytes, pathStart, targetEnd } = head;
    let end = pathStart;
    while (end < targetEnd && bytes[end] !== QUESTION) end++;
    if (end < targetEnd && this.#parts.options.query) {
      this.#line.quoted(this.#path(head));
      return;
    }
    const isWhole = bytes[pathStart] === SLASH || (bytes[pathStart] === STAR && targetEnd === pathStart + 1);
    const before = isWhole ? "" : "/";
    this.#line.quotedRun(bytes, pathStart, Math.min(end, pathStart + PATH_CHARS - before.length), before);
  }

  #quotedAgent(head: RequestHead): void {
    const start = this.#agentAt(head);
    if (start < 0) {
      this.#line.ascii('""');
      return;
    }
    const { bytes } = head;
    let at = start + AGENT_NAME.length;
    while (isBlank(bytes[at])) at++;
    // Nothing is read beyond what is shown.
    const most = at + AGENT_CHARS;
    let end = at;
    while (end < most && bytes[end] !== CR) end++;
    this.#line.quotedRun(bytes, at, bytes[end] === CR ? trimEnd(bytes, at, end) : end);
  }

  /** Where its field begins; -1: it has none. Most heads have it where the last one had it. */
  #agentAt(head: RequestHead): number {
    const { bytes, fieldsStart, end } = head;
    const guess = fieldsStart + this.#agentOffset;
    if (guess + AGENT_NAME.length < end && bytes[guess - 1] === LF && isAt(bytes, guess, AGENT_NAME))
      return guess;
    const found = fieldAt(head, AGENT, AGENT_NAME);
    if (found >= 0) this.#agentOffset = found - fieldsStart;
    return found;
  }

  /** As Apache's combined format, with the name of the host before it (`vhost_combined`). */
  #combined({ head, method, visitor }: Logged, record: AccessRecord, offset: number): string {
    const { host, status, bodyBytes, endedMs } = record;
    const at = this.#textOf(Math.floor((offset + endedMs) / 1_000));
    const day = `${at.slice(8, 10)}/${MONTHS[Number(at.slice(5, 7)) - 1]}/${at.slice(0, 4)}:${at.slice(11, 19)} +0000`;
    const line = `${method.slice(0, METHOD_CHARS)} ${this.#path(head)} HTTP/1.${head.minor}`;
    const [referer = ""] = fieldOf(head, REFERER, REFERER_NAME).split("?", 1);
    const agent = fieldOf(head, AGENT, AGENT_NAME).slice(0, AGENT_CHARS);
    return `${escaped(host)} ${visitor} - - [${day}] "${escaped(line)}" ${status} ${bodyBytes} "${escaped(referer) || "-"}" "${escaped(agent) || "-"}"\n`;
  }

  /** RFC 3339 in UTC, up to the point behind the seconds. */
  #textOf(second: number): string {
    if (second !== this.#secondOf) {
      this.#secondOf = second;
      this.#second = new Date(second * 1_000).toISOString().slice(0, 20);
    }
    return this.#second;
  }

  #path(head: RequestHead): string {
    const { path } = head;
    const at = path.indexOf("?");
    if (at < 0) return path.slice(0, PATH_CHARS);
    if (!this.#parts.options.query) return path.slice(0, Math.min(at, PATH_CHARS));
    return `${path.slice(0, at)}?${withoutSecrets(path.slice(at + 1))}`.slice(0, PATH_CHARS);
  }
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The query with `...` in place of what may open a door. */
function withoutSecrets(query: string): string {
  return query
    .split("&")
    .map((pair) => {
      const at = pair.indexOf("=");
      return at > 0 && SECRET.test(pair.slice(0, at)) ? `${pair.slice(0, at)}=...` : pair;
    })
    .join("&");
}

/** Of a made one what was added, else what came. */
function traceparentOf(head: RequestHead, added: string): string | undefined {
  if (added.startsWith(TRACE)) return behind(added, TRACE);
  return head.traceparent.start < 0 ? undefined : head.text("traceparent", head.traceparent);
}

/** The value of a field in the lines that are added to a request. */
function behind(added: string, name: string): string {
  const at = added.indexOf(name);
  if (at < 0) return "";
  const start = at + name.length;
  return added.slice(start, added.indexOf("\r", start));
}

/** With the colon, as `isAt` reads it. */
const AGENT_NAME = "user-agent:";
const REFERER_NAME = "referer:";
/** The end of a name, which is the same however clients write its first letters. */
const AGENT = Buffer.from("gent:");
const REFERER = Buffer.from("eferer:");

/** Where a field begins that the head keeps no place of, or -1: found by one search, as reading all fields again costs more than the line. */
function fieldAt({ bytes, end, fieldsStart }: RequestHead, tail: Buffer<ArrayBuffer>, name: string): number {
  for (let at = bytes.indexOf(tail, fieldsStart); at >= 0 && at < end; at = bytes.indexOf(tail, at + 1)) {
    const start = at + tail.length - name.length;
    if (start >= fieldsStart && bytes[start - 1] === LF && isAt(bytes, start, name)) return start;
  }
  return -1;
}

function fieldOf(head: RequestHead, tail: Buffer<ArrayBuffer>, name: string): string {
  const start = fieldAt(head, tail, name);
  if (start < 0) return "";
  const { bytes } = head;
  return bytes.latin1Slice(start + name.length, bytes.indexOf(CR, start)).trim();
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be written as they are
const PLAIN = /^[^"\\\x00-\x1f\x7f-\uffff]*$/;

/** `text` has one char a byte; bytes that are UTF-8 are read as that. */
function escaped(text: string): string {
  if (PLAIN.test(text)) return text;
  return visible(JSON.stringify(Buffer.from(text, "latin1").toString("utf8")).slice(1, -1));
}
