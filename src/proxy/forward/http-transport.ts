// How one try travels to a target and back: as plain HTTP here, as a WebSocket in `upgrade`.
import { messageOf } from "../../core/fault.ts";
import { answerFields } from "../../core/forwarding-headers.ts";
import type { Target } from "../../core/route.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { AnswerName } from "../answers.ts";
import type { ProductFields, ProgramHooks } from "../data-plane.ts";
import {
  type FailureKind,
  type SendOptions,
  type Upstream,
  UpstreamFailure,
  type UpstreamResponse,
} from "../http-client.ts";
import type { TrialTry } from "../trial-counters.ts";
import { toResponse } from "./answer-body.ts";
import type { RequestState } from "./choose-target.ts";
import { connectTimeoutMs } from "./connect-deadline.ts";
import type { Load } from "./in-flight.ts";
import { announcedLength, type OutgoingBody, readBody } from "./request-body.ts";

export interface HttpTransport<Answer extends { readonly status: number } = { readonly status: number }> {
  /**
   * Begins the load before anything is awaited, and ends it when the last byte has been read from the target or the try
   * has failed. Rejects with an UpstreamFailure.
   */
  attempt(visit: RequestState, target: Target, load: Load): Promise<Answer>;
  /** The answer for the client; undefined when the connection has been taken over; a name when there can be none. */
  respond(visit: RequestState, target: Target, answer: Answer): Response | undefined | AnswerName;
  /** An answer that nobody is to see. */
  discard(answer: Answer): void;
}

/** Who is told of targets that fail. */
export type TroubleHooks = Pick<ProgramHooks, "onTrouble">;

/** A body that takes longer than this to arrive is slow. */
const SLOW_BODY_MS = 250;

/** Failures that a health check should look into at once. */
const TROUBLE: ReadonlySet<FailureKind> = new Set([
  "refused",
  "connect_timeout",
  "unresolved",
  "tls",
  "reset",
  "request_timeout",
]);

/** Books a failed try on its target, before or in the middle of its answer; not what the visitor is the reason of. */
export function blame(
  load: Load,
  trial: TrialTry | undefined,
  { kind, requestSent }: UpstreamFailure,
  hooks: TroubleHooks,
): void {
  if (kind === "aborted" || kind === "body_timeout" || (kind === "garbage" && !requestSent)) return;
  load.meter.failures += 1;
  trial?.failed(kind === "refused");
  if (TROUBLE.has(kind)) hooks.onTrouble(load.id, kind);
}

export interface HttpTransportParts {
  readonly clock: Clock;
  readonly upstream: Upstream;
  readonly fields: ProductFields;
  readonly hooks: TroubleHooks;
  /** Lifts the idle limit of a connection while a target is slow with its request, and sets it again. */
  setIdleLimit(request: Request, isLimited: boolean): void;
  /** Whether the answer to a request ends its connection. */
  endsConnection(visit: RequestState): boolean;
}

/** What the upstream client is told of one try, and tells of its end. */
class Sending implements SendOptions {
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly streamIdleTimeoutMs: number;
  readonly #parts: HttpTransportParts;
  readonly #visit: RequestState;
  readonly #load: Load;
  readonly #trial: TrialTry | undefined;
  #isUnlimited = false;

  constructor(parts: HttpTransportParts, visit: RequestState, { address }: Target, load: Load) {
    const { policy } = visit.route;
    this.connectTimeoutMs = connectTimeoutMs(address);
    this.requestTimeoutMs = policy.requestTimeoutMs;
    this.streamIdleTimeoutMs = policy.streamIdleTimeoutMs;
    this.#parts = parts;
    this.#visit = visit;
    this.#load = load;
    this.#trial = visit.attempts === 1 ? visit.trial : undefined;
  }

  signal(): AbortSignal {
    const { request, signalOf } = this.#visit;
    this.#isUnlimited = true;
    this.#parts.setIdleLimit(request, false);
    return signalOf?.() ?? request.signal;
  }

  onEnd(failure?: UpstreamFailure): void {
    if (failure !== undefined) blame(this.#load, this.#trial, failure, this.#parts.hooks);
    this.#load.end();
    if (this.#isUnlimited) this.#parts.setIdleLimit(this.#visit.request, true);
  }
}

/**
 * The body, unless its visitor takes longer than the route allows to send it; what comes later is thrown away. Once it is
 * slow, only that limit holds and not the listener's on silence: lifting that for each body would cost every one.
 */
function inTime(
  reading: Promise<OutgoingBody>,
  { request, route }: RequestState,
  { clock, setIdleLimit }: HttpTransportParts,
): Promise<OutgoingBody> {
  const { streamIdleTimeoutMs } = route.policy;
  return new Promise((resolve, reject) => {
    // As if it had been sent, for it must not be tried again.
    const late = () =>
      reject(new UpstreamFailure("body_timeout", "the visitor has not sent its body in time", true, false));
    let cancel = clock.after(SLOW_BODY_MS, () => {
      setIdleLimit(request, false);
      const cancelLate =
        streamIdleTimeoutMs > 0 ? clock.after(streamIdleTimeoutMs - SLOW_BODY_MS, late) : () => {};
      cancel = () => {
        cancelLate();
        setIdleLimit(request, true);
      };
    });
    reading.finally(() => cancel()).then(resolve, reject);
  });
}

/** Whether the target has all that it needs for an answer; a stream of events may have nothing to say for long. */
function isWholeAsked({ request }: RequestState, body: OutgoingBody): boolean {
  if (body !== null && !(body instanceof Uint8Array)) return false;
  return request.headers.get("accept") !== "text/event-stream";
}

export function createHttpTransport(parts: HttpTransportParts): HttpTransport<UpstreamResponse> {
  const { upstream, fields, clock } = parts;
  const reserved = new Set([fields.target, fields.attempts, fields.error].map((name) => name.toLowerCase()));

  async function readThenSend(visit: RequestState, target: Target, load: Load): Promise<UpstreamResponse> {
    try {
      const { maxBodyBytes } = visit.route.policy;
      const reading = readBody(visit.request, announcedLength(visit.said), maxBodyBytes, () => {
        visit.isTooLarge = true;
      });
      visit.body = await inTime(reading, visit, parts);
    } catch (thrown) {
      load.end();
      if (thrown instanceof UpstreamFailure) throw thrown;
      throw new UpstreamFailure("aborted", messageOf(thrown), false, false);
    }
    return send(visit, visit.body, target, load);
  }

  function send(
    visit: RequestState,
    body: OutgoingBody,
    target: Target,
    load: Load,
  ): Promise<UpstreamResponse> {
    const { method, path, fields } = visit;
    if (isWholeAsked(visit, body)) load.unanswered.begin(visit, clock.monotonic());
    return upstream.send(
      target.address,
      { method, path, fields, body },
      new Sending(parts, visit, target, load),
    );
  }

  return {
    attempt(visit, target, load) {
      load.begin();
      return visit.body === undefined
        ? readThenSend(visit, target, load)
        : send(visit, visit.body, target, load);
    },
    discard({ body }) {
      if (body instanceof ReadableStream) void body.cancel().catch(() => {});
    },
    respond(visit, target, { status, body, fields: from }) {
      const headers = answerFields(from, reserved, body === null);
      headers.push([fields.target, target.id]);
      if (visit.attempts > 1) headers.push([fields.attempts, String(visit.attempts)]);
      const cookie = visit.cookieFrom(target);
      if (cookie !== undefined) headers.push(["set-cookie", cookie]);
      if (parts.endsConnection(visit)) headers.push(["connection", "close"]);
      try {
        return toResponse(status, headers, body, visit.method);
      } catch {
        // A status or a value that Bun cannot write.
        if (body instanceof ReadableStream) void body.cancel().catch(() => {});
        return "bad_gateway";
      }
    },
  };
}
