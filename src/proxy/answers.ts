// The answers that the proxy gives itself: short, plain or JSON, and without a word about what is inside.
import type { Malformed } from "../core/http1/bytes.ts";

/** What an own answer says. `code` marks those that mean that no byte reached a target. */
interface Answer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** No byte of the request reached a target: another server may be asked at once. */
  readonly untouched?: UntouchedCode;
  readonly retryAfterSecs?: number;
  readonly allow?: string;
  /** The rest of the request may still come, and nobody wants it. */
  readonly endsConnection?: boolean;
}

export type UntouchedCode = "unknown_instance" | "nothing_routable" | "start_failed";

const ANSWERS = {
  asleep: { status: 200, code: "asleep", message: "This service sleeps until it is used" },
  bad_host: { status: 400, code: "bad_host", message: "The Host header is missing or not a host name" },
  bad_request: {
    status: 400,
    code: "bad_request",
    message: "This is no request that HTTP allows",
    endsConnection: true,
  },
  unknown_host: {
    status: 404,
    code: "unknown_host",
    message: "Nothing is served on this host",
    untouched: "unknown_instance",
  },
  unknown_instance: {
    status: 404,
    code: "unknown_instance",
    message: "There is no such instance",
    untouched: "unknown_instance",
  },
  method: {
    status: 405,
    code: "method_not_allowed",
    message: "This method is not forwarded",
    allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
  },
  late_body: {
    status: 408,
    code: "body_timeout",
    message: "The body of the request did not arrive in time",
    endsConnection: true,
  },
  late_head: {
    status: 408,
    code: "head_timeout",
    message: "The head of the request did not arrive in time",
    endsConnection: true,
  },
  expectation: {
    status: 417,
    code: "expectation_failed",
    message: "The expectation of this request cannot be met",
    endsConnection: true,
  },
  misdirected: {
    status: 421,
    code: "misdirected",
    message: "This connection has no certificate for that host",
  },
  too_many_requests: {
    status: 429,
    code: "too_many_requests",
    message: "Too many requests of this client are open at once",
    untouched: "nothing_routable",
    retryAfterSecs: 1,
  },
  long_head: {
    status: 431,
    code: "head_too_large",
    message: "The head of the request is larger than 64 KB, or has more than 200 fields",
    endsConnection: true,
  },
  coding: {
    status: 501,
    code: "unknown_coding",
    message: "The transfer coding of this request is not known here",
    endsConnection: true,
  },
  version: {
    status: 505,
    code: "version",
    message: "Only HTTP/1.0 and HTTP/1.1 are spoken here",
    endsConnection: true,
  },
  too_large: {
    status: 413,
    code: "body_too_large",
    message: "The request body is larger than this service allows",
  },
  bad_gateway: { status: 502, code: "bad_gateway", message: "The service broke off or gave no valid answer" },
  refused: {
    status: 502,
    code: "refused",
    message: "The service does not accept connections",
    untouched: "nothing_routable",
  },
  nothing_routable: {
    status: 503,
    code: "nothing_routable",
    message: "No instance of this service takes requests right now",
    untouched: "nothing_routable",
    retryAfterSecs: 5,
  },
  start_failed: {
    status: 503,
    code: "start_failed",
    message: "The service did not start in time",
    untouched: "start_failed",
    retryAfterSecs: 5,
  },
  too_many_waiting: {
    status: 503,
    code: "too_many_waiting",
    message: "Too many requests wait for this service to start",
    untouched: "nothing_routable",
    retryAfterSecs: 1,
  },
  busy: {
    status: 503,
    code: "busy",
    message: "The service has no room for this request",
    untouched: "nothing_routable",
    retryAfterSecs: 1,
  },
  // Not marked as untouched: another server must not be asked to serve what an operator has closed.
  maintenance: {
    status: 503,
    code: "maintenance",
    message: "This service is down for maintenance",
    retryAfterSecs: 60,
  },
  timeout: { status: 504, code: "timeout", message: "The service did not answer in time" },
  unreachable: {
    status: 504,
    code: "unreachable",
    message: "The service could not be reached in time",
    untouched: "nothing_routable",
  },
  loop: { status: 508, code: "loop", message: "This request came back to where it had been" },
  internal: { status: 500, code: "internal", message: "The proxy failed on this request" },
} as const satisfies Record<string, Answer>;

export type AnswerName = keyof typeof ANSWERS;

/** The status of an own answer; 0 for a name that there is none of. */
export function statusOf(name: string): number {
  return Object.hasOwn(ANSWERS, name) ? ANSWERS[name as AnswerName].status : 0;
}

const REFUSALS: Readonly<Record<Malformed["status"], AnswerName>> = {
  400: "bad_request",
  413: "too_large",
  417: "expectation",
  431: "long_head",
  501: "coding",
  505: "version",
};

/** The answer to what is no request, or none that is taken. */
export function refusalOf({ status }: Malformed): AnswerName {
  return REFUSALS[status];
}

/** An answer of our own, ready to be written. */
export interface OwnAnswer {
  readonly status: number;
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: string | Uint8Array;
  /** The rest of the request may still come, and nobody wants it. */
  readonly endsConnection: boolean;
}

/**
 * An own answer, as JSON when the client prefers that. `errorField` names the field that carries `untouched`; undefined
 * when a byte has reached a target after all. `page` is the operator's own HTML, for 502, 503 and 504 to browsers.
 */
export function ownAnswer(
  name: AnswerName,
  accept: string | undefined,
  errorField: string | undefined,
  page?: string | undefined,
): OwnAnswer {
  const { status, code, message, untouched, retryAfterSecs, allow, endsConnection }: Answer = ANSWERS[name];
  const form = page !== undefined && PAGED.has(status) && takesHtml(accept) ? "html" : plainFormOf(accept);
  const fields: [string, string][] = [
    ["Content-Type", TYPES[form]],
    ["Cache-Control", "no-store"],
  ];
  if (untouched !== undefined && errorField !== undefined) fields.push([errorField, untouched]);
  if (retryAfterSecs !== undefined) fields.push(["Retry-After", String(retryAfterSecs)]);
  if (allow !== undefined) fields.push(["Allow", allow]);
  const bodies = {
    html: () => page ?? "",
    json: () =>
      `${JSON.stringify(status < 400 ? { status: code, message } : { error: { code, message } })}\n`,
    text: () => `${message}\n`,
  };
  return { status, fields, body: bodies[form](), endsConnection: endsConnection === true };
}

const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/** To `OPTIONS *`. */
export const serverOptions: OwnAnswer = {
  status: 204,
  fields: [["Allow", METHODS]],
  body: "",
  endsConnection: false,
};

/** The same for a server of Bun's. */
export function ownResponse(name: AnswerName): Response {
  const { status, fields, body } = ownAnswer(name, undefined, undefined);
  return new Response(body as string, { status, headers: fields.map(([field, value]) => [field, value]) });
}

const TYPES = {
  html: "text/html; charset=utf-8",
  json: "application/json",
  text: "text/plain; charset=utf-8",
} as const;

/** What an app or its absence is the reason of; the rest is between the client and the proxy. */
const PAGED: ReadonlySet<number> = new Set([502, 503, 504]);

/** JSON is asked for by name, and no text before it. */
function plainFormOf(accept: string | undefined): "json" | "text" {
  if (accept === undefined) return "text";
  const json = accept.search(/application\/(?:[a-z0-9.+-]+\+)?json/i);
  const text = accept.search(/text\//i);
  return json >= 0 && (text < 0 || json < text) ? "json" : "text";
}

/** HTML is asked for by name, as browsers do for pages and for nothing else. */
function takesHtml(accept: string | undefined): boolean {
  return (
    accept !== undefined &&
    plainFormOf(accept) !== "json" &&
    /text\/html(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(accept)
  );
}
