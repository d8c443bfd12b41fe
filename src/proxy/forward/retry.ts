// What may be tried again, and how often: a bucket per route keeps retries from multiplying the load on a service in trouble.
import type { Clock } from "../../platform/time/clock.ts";
import type { AnswerName } from "../answers.ts";
import type { UpstreamFailure } from "../http-client.ts";
import type { BodyState } from "./request-body.ts";

/** Counted in fifths of a retry, so that a fifth is exact. */
const PER_REQUEST = 1;
const RETRY = 5;
const PER_SECOND = 10 * RETRY;
const MOST = 1_000 * RETRY;

/** One route's bucket of retries: a fifth for each request, ten a second, a thousand at most; ten at the start. */
export class RetryBudget {
  #fifths = PER_SECOND;
  #filledAt: number;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#filledAt = clock.monotonic();
  }

  /** Called for every request, but not for its retries. */
  earn(): void {
    if (this.#fifths < MOST) this.#fifths += PER_REQUEST;
  }

  /** Whether one more try is allowed; if so it is spent. */
  spend(): boolean {
    const now = this.#clock.monotonic();
    this.#fifths = Math.min(MOST, this.#fifths + ((now - this.#filledAt) / 1000) * PER_SECOND);
    this.#filledAt = now;
    if (this.#fifths < RETRY) return false;
    this.#fifths -= RETRY;
    return true;
  }
}

/** The buckets of many, by name; each is made when it is first asked for. */
export class RetryBudgets {
  readonly #buckets = new Map<string, RetryBudget>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(name: string): RetryBudget {
    const known = this.#buckets.get(name);
    if (known !== undefined) return known;
    const budget = new RetryBudget(this.#clock);
    this.#buckets.set(name, budget);
    return budget;
  }

  /** Forgets all others. */
  retain(names: { has(name: string): boolean }): void {
    for (const name of this.#buckets.keys()) if (!names.has(name)) this.#buckets.delete(name);
  }
}

const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/** Sending it twice means the same as once (RFC 9110 section 9.2.2). */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/**
 * Whether a failed try may be followed by another: free when no byte of it was sent and its body is whole; paid when it
 * was reset before any byte of the answer, and it is idempotent.
 */
export function retryAfter(
  { kind, requestSent, answerBegun }: UpstreamFailure,
  method: string,
  body: BodyState,
): "free" | "paid" | "none" {
  if (!requestSent) {
    return body !== "begun" && kind !== "garbage" && kind !== "aborted" ? "free" : "none";
  }
  return kind === "reset" && !answerBegun && body === "held" && isIdempotent(method) ? "paid" : "none";
}

/** What the visitor is told of a failure that nothing follows. */
export function answerTo({ kind, requestSent }: UpstreamFailure): AnswerName {
  switch (kind) {
    case "refused":
    case "unresolved":
    case "tls":
      return "refused";
    case "connect_timeout":
      return "unreachable";
    case "busy":
      return "busy";
    case "request_timeout":
    case "stream_timeout":
      return "timeout";
    case "body_timeout":
      return "late_body";
    case "garbage":
      return requestSent ? "bad_gateway" : "bad_request";
    case "reset":
    case "aborted":
      return "bad_gateway";
  }
}
