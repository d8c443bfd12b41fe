// The access log: one line for a request, made when it has ended, and given to whoever writes lines; nothing of it waits.
import type { RequestHead } from "../core/http1/request-head.ts";
import type { Route, Target } from "../core/route.ts";
import { traceOf } from "../core/trace-context.ts";
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
  /** Takes a line with its end. */
  write(line: string): void;
  random?(): number;
}

const AGENT_CHARS = 200;
const PATH_CHARS = 2_000;
/** At the beginning of a line: what visitors say may hold the name as well. */
const ID = "\r\nX-Request-Id: ";
const TRACE = "traceparent: ";
/** Values of such names in a query open doors: tokens, signatures and links. */
const SECRET = /(token|secret|passw|pwd|sig|auth|session|sid|code|key|credential|jwt|link|hmac|nonce|otp)/i;

/** What becomes of one request. */
export class AccessRecord {
  readonly #log: AccessLog;
  readonly #host: string;
  readonly #isForErrors: boolean;
  /** On the monotonic clock; 0: it was answered without a try or a wait. */
  beganMs = 0;
  #headMs = -1;
  #status = 0;
  #reason = "";
  #target: Target | undefined;
  /** What the connection had sent before the body of the answer. */
  #sentBefore = -1;
  #bodyBytes = 0;
  #isOver = false;

  constructor(log: AccessLog, host: string, isForErrors: boolean) {
    this.#log = log;
    this.#host = host;
    this.#isForErrors = isForErrors;
  }

  begin(nowMs: number): void {
    if (this.beganMs === 0) this.beganMs = nowMs;
  }

  /** A target answers, `headMs` after the request came to it; `isFirst`: nobody was asked before. */
  answered(status: number, target: Target, headMs: number, isFirst: boolean): void {
    this.#status = status;
    this.#target = target;
    this.#headMs = isFirst ? headMs : this.#log.clock.monotonic() - this.beganMs;
  }

  /** The body begins when its connection has sent so much. */
  bodyFrom(sentBytes: number): void {
    this.#sentBefore = sentBytes;
  }

  own(reason: AnswerName, bodyBytes: number): void {
    this.#status = statusOf(reason);
    this.#reason = reason;
    this.#bodyBytes = bodyBytes;
    this.#sentBefore = -1;
  }

  /** `reason`: why it ends before its answer has. */
  end(request: Logged, sentBytes: number, reason = ""): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (reason !== "" && this.#reason === "") this.#reason = reason;
    if (this.#isForErrors && this.#status < 500 && this.#reason === "") return;
    const { clock } = this.#log;
    const totalMs = this.beganMs === 0 ? 0 : clock.monotonic() - this.beganMs;
    const bytes = this.#sentBefore < 0 ? this.#bodyBytes : Math.max(0, sentBytes - this.#sentBefore);
    this.#log.line(request, {
      host: this.#host,
      status: this.#status,
      bytes,
      headMs: this.#headMs < 0 ? totalMs : this.#headMs,
      totalMs,
      target: this.#target,
      reason: this.#reason,
    });
  }
}

interface Outcome {
  readonly host: string;
  readonly status: number;
  readonly bytes: number;
  readonly headMs: number;
  readonly totalMs: number;
  readonly target: Target | undefined;
  readonly reason: string;
}

export class AccessLog {
  readonly clock: Clock;
  readonly #parts: AccessLogParts;
  readonly #random: () => number;
  readonly #isJson: boolean;
  /** The wall clock's second that `#second` is the text of. */
  #secondOf = -1;
  #second = "";

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

  line(request: Logged, outcome: Outcome): void {
    this.#parts.write(this.#isJson ? this.#json(request, outcome) : this.#combined(request, outcome));
  }

  #json(request: Logged, { host, status, bytes, headMs, totalMs, target, reason }: Outcome): string {
    const { head, method, route, added, attempts, visitor } = request;
    const trace = traceOf(traceparentOf(head, added));
    return (
      `{"time":"${this.#time()}","id":${quoted(behind(added, ID))},"client":"${visitor}",` +
      `"host":${quoted(host)},"method":${quoted(method)},"path":${quoted(this.#path(head))},"status":${status},` +
      `"bytes":${bytes},"ms_head":${hundredths(headMs)},"ms":${hundredths(totalMs)},"service":"${route.name}",` +
      `"instance":${target === undefined ? "null" : `"${target.id}"`},"version":${target?.version === undefined ? "null" : `"${target.version}"`},` +
      `"attempts":${attempts},"reason":${reason === "" ? "null" : `"${reason}"`},"agent":${quoted(fieldOf(head, AGENT).slice(0, AGENT_CHARS))}` +
      `${trace === undefined ? "" : `,"trace_id":"${trace.traceId}","span_id":"${trace.spanId}"`}}\n`
    );
  }

  /** As Apache's combined format, with the name of the host before it (`vhost_combined`). */
  #combined(request: Logged, { host, status, bytes }: Outcome): string {
    const { head, method, visitor } = request;
    const at = this.#time();
    const day = `${at.slice(8, 10)}/${MONTHS[Number(at.slice(5, 7)) - 1]}/${at.slice(0, 4)}:${at.slice(11, 19)} +0000`;
    const asked = `${method} ${this.#path(head)} HTTP/1.${head.minor}`;
    const [referer = ""] = fieldOf(head, REFERER).split("?", 1);
    const agent = fieldOf(head, AGENT).slice(0, AGENT_CHARS);
    return `${escaped(host)} ${visitor} - - [${day}] "${escaped(asked)}" ${status} ${bytes} "${escaped(referer) || "-"}" "${escaped(agent) || "-"}"\n`;
  }

  /** RFC 3339, in UTC. */
  #time(): string {
    const now = this.clock.now();
    const second = Math.floor(now / 1000);
    if (second !== this.#secondOf) {
      this.#secondOf = second;
      this.#second = new Date(second * 1000).toISOString().slice(0, 20);
    }
    const ms = Math.floor(now - second * 1000);
    return `${this.#second}${ms < 10 ? "00" : ms < 100 ? "0" : ""}${ms}Z`;
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

/** The end of a name, which is the same however clients write its first letters. */
const AGENT = Buffer.from("gent:");
const REFERER = Buffer.from("eferer:");
const NAMES = new Map([
  [AGENT, "user-agent"],
  [REFERER, "referer"],
]);

/** The value of a field that the head keeps no place of: found by one search, as reading all fields again costs more than the line. */
function fieldOf({ bytes, end, fieldsStart }: RequestHead, tail: Buffer<ArrayBuffer>): string {
  const name = NAMES.get(tail) ?? "";
  for (let at = bytes.indexOf(tail, fieldsStart); at >= 0 && at < end; at = bytes.indexOf(tail, at + 1)) {
    const start = at + tail.length - 1 - name.length;
    if (start < fieldsStart || (start > fieldsStart && bytes[start - 1] !== 10)) continue;
    if (bytes.latin1Slice(start, start + name.length).toLowerCase() !== name) continue;
    return bytes.latin1Slice(at + tail.length, bytes.indexOf(13, at)).trim();
  }
  return "";
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be written as they are
const PLAIN = /^[^"\\\x00-\x1f\x7f-\uffff]*$/;

/** As JSON; bytes that are UTF-8 are read as that. */
function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(Buffer.from(text, "latin1").toString("utf8"));
}

function escaped(text: string): string {
  return PLAIN.test(text) ? text : JSON.stringify(text).slice(1, -1);
}

function hundredths(ms: number): number {
  return Math.round(ms * 100) / 100;
}
