// Takes a request to the first of several servers that delivers it: each in its turn, and under names of its own.
import type { Field } from "../../core/forwarding-headers.ts";
import type { Target } from "../../core/route.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { type AnswerName, goneAnswer, ownAnswer } from "../answers.ts";
import type { ProductFields } from "../data-plane.ts";
import type { RequestState } from "../forward/choose-target.ts";
import type { HttpTransport } from "../forward/http-transport.ts";
import type { InFlight } from "../forward/in-flight.ts";
import { RetryBudgets } from "../forward/retry.ts";
import { type FailureKind, type Fields, UpstreamFailure } from "../http-client.ts";
import { answerAfter, nextStep } from "./failover-rules.ts";
import { createSlowTries } from "./slow-tries.ts";

/** A server that may take a request, and what it is to be told. */
export interface Candidate {
  readonly target: Target;
  /** Set on the request, Host among them; names in lower case. */
  readonly fields: readonly Field[];
  /** The server that knows best why there is no app for the visitor; others may just not have it. */
  readonly isHome: boolean;
  /** The fields of its answers as the visitor is to have them, who speaks `scheme`; as they are unless given. */
  mapAnswer?(fields: Fields, scheme: string): Fields;
}

/** Which servers may take one visitor's requests. Asked anew for every try, so that it follows what has changed meanwhile. */
export interface FailoverRequest {
  /** The next stop that is not in `avoided`; `isSafe` tells whether the request may be repeated (GET, HEAD, OPTIONS). */
  next(avoided: ReadonlySet<string>, isSafe: boolean): Candidate | undefined;
  /** A server has answered that no byte reached an app. */
  onRefusal(targetId: string): void;
}

/** What a relay asks of the program that runs it. None of these may throw. */
export interface FailoverHooks {
  /** A server failed a request in a way that a health check should look into at once. Called for each: coalesce. */
  onTrouble(targetId: string, kind: FailureKind): void;
  /** A server has delivered an answer. Called for each. */
  onDelivery(targetId: string): void;
  /** Resolves when it is known whether a server that failed is down, or with undefined when that takes too long. */
  verdict(targetId: string): Promise<"up" | "down" | undefined>;
}

export interface FailoverParts {
  readonly inFlight: InFlight;
  readonly clock: Clock;
  readonly hooks: FailoverHooks;
  readonly fields: ProductFields;
  /** The field of an answer, in lower case, that means that no byte reached an app. */
  readonly refusalField: string;
  /** Whether the answer to a request ends its connection. */
  endsConnection(visit: RequestState): boolean;
  setIdleLimit(request: Request, isLimited: boolean): void;
}

export interface Failover extends Disposable {
  /** `base` are the request's own fields. Undefined when the carrier has taken the connection over. */
  relay(
    visit: RequestState,
    journey: FailoverRequest,
    base: readonly Field[],
    carrier: FailoverTransport,
  ): Promise<Response | undefined>;
  /** Requests that still wait for this server's answer, and may be repeated, go to the next one at once. */
  cut(targetId: string): void;
  /** Forgets the retry budgets of servers that are no more. */
  retain(ids: ReadonlySet<string>): void;
}

interface Answer {
  readonly status: number;
  readonly fields?: Fields;
  readonly body?: Uint8Array | ReadableStream<Uint8Array> | null;
}
export type FailoverTransport = HttpTransport<Answer>;

const MOST_TRIES = 4;
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** One request on its way from server to server. */
interface Trip {
  readonly visit: RequestState;
  readonly journey: FailoverRequest;
  readonly base: readonly Field[];
  readonly carrier: FailoverTransport;
  readonly isSafe: boolean;
  /** Servers that did not deliver it. */
  avoided: ReadonlySet<string>;
  /** The home server's answer that no app was reached. */
  refusal: { readonly stop: Candidate; readonly answer: Answer } | undefined;
}

/** What a try led to: the response, or that the next one should be made. */
type Outcome = { readonly response: Response | undefined } | "again";

export function createFailover(parts: FailoverParts): Failover {
  const { inFlight, clock, hooks, fields } = parts;
  const pending = createSlowTries(clock, (id) => hooks.onTrouble(id, "request_timeout"));
  const budgets = new RetryBudgets(clock);

  async function relay(
    visit: RequestState,
    journey: FailoverRequest,
    base: readonly Field[],
    carrier: FailoverTransport,
  ) {
    const trip: Trip = {
      visit,
      journey,
      base,
      carrier,
      isSafe: SAFE.has(visit.method),
      avoided: NONE,
      refusal: undefined,
    };
    for (;;) {
      // Nobody has left before the first try; asking for the signal makes one.
      if (visit.attempts > 0 && visit.request.signal.aborted) return giveUp(visit, "gone");
      const stop = visit.attempts < MOST_TRIES ? journey.next(trip.avoided, trip.isSafe) : undefined;
      if (stop === undefined) break;
      const outcome = await tryAt(trip, stop);
      if (outcome !== "again") return outcome.response;
    }
    if (trip.refusal !== undefined) return respond(trip, trip.refusal.stop, trip.refusal.answer);
    return giveUp(visit, visit.failure ?? "nothing_routable");
  }

  /** One try: chosen and counted in the same step, before anything is awaited. */
  async function tryAt(trip: Trip, stop: Candidate): Promise<Outcome> {
    const { visit, carrier, isSafe } = trip;
    const { id } = stop.target;
    const load = inFlight.of(id);
    const attempt = pending.begin(id, isSafe);
    visit.signalOf = () => attempt.signal(visit.request);
    visit.fields = [...stop.fields, ...trip.base];
    visit.attempts += 1;
    budgets.of(id).earn();
    try {
      const answer = await carrier.attempt(visit, stop.target, load);
      load.meter.answered(answer.status, clock.monotonic() - attempt.sinceMs);
      if (isRefusal(answer)) {
        trip.journey.onRefusal(id);
        return afterRefusal(trip, stop, answer);
      }
      if (mayBeRefusal(answer)) return afterRefusal(trip, stop, answer);
      hooks.onDelivery(id);
      return { response: respond(trip, stop, answer) };
    } catch (thrown) {
      if (!(thrown instanceof UpstreamFailure)) throw thrown;
      return await afterFailure(trip, id, thrown, attempt.wasCut);
    } finally {
      attempt.end();
    }
  }

  /** No byte reached an app: another server may be asked, whatever the method, while the body can still be sent. */
  function afterRefusal(trip: Trip, stop: Candidate, answer: Answer): Outcome {
    if (!isWhole(trip.visit)) return { response: respond(trip, stop, answer) };
    avoid(trip, stop.target.id);
    if (answer.body instanceof ReadableStream) void answer.body.cancel().catch(() => {});
    else if (stop.isHome) trip.refusal = { stop, answer };
    return "again";
  }

  async function afterFailure(
    trip: Trip,
    id: string,
    failure: UpstreamFailure,
    wasCut: boolean,
  ): Promise<Outcome> {
    const { visit, isSafe } = trip;
    const sequel = nextStep(failure, { isSafe, isWhole: isWhole(visit), wasCut });
    if (sequel === "gone") return { response: giveUp(visit, "gone") };
    if (failure.requestSent) visit.untouched = false;
    visit.failure = answerAfter(failure);
    if (sequel === "same") return "again";
    if (sequel === "undelivered" && !isSafe) return afterVerdict(trip, id);
    if (sequel === "end" || (sequel === "elsewhere_paid" && !budgets.of(id).spend()))
      return { response: giveUp(visit, visit.failure) };
    avoid(trip, id);
    return "again";
  }

  /** What may not be repeated leaves its server only when that is known to be down. */
  async function afterVerdict(trip: Trip, id: string): Promise<Outcome> {
    const { visit } = trip;
    parts.setIdleLimit(visit.request, false);
    const verdict = await hooks.verdict(id);
    if (verdict === undefined) return { response: giveUp(visit, "nothing_routable") };
    if (verdict === "down") avoid(trip, id);
    return "again";
  }

  function isRefusal({ fields: answered }: Answer): boolean {
    return answered?.some(([name]) => name === parts.refusalField) ?? false;
  }

  function respond(
    { visit, carrier, base }: Trip,
    candidate: Candidate,
    answer: Answer,
  ): Response | undefined {
    const { fields: told, ...more } = answer;
    const scheme = () => base.find(([name]) => name === "x-forwarded-proto")?.[1] ?? "http";
    const mapped =
      told && candidate.mapAnswer ? { ...more, fields: candidate.mapAnswer(told, scheme()) } : answer;
    const response = carrier.respond(visit, candidate.target, mapped);
    return typeof response === "string" ? giveUp(visit, response) : response;
  }

  function giveUp(visit: RequestState, how: AnswerName | "gone"): Response {
    parts.setIdleLimit(visit.request, true);
    if (how === "gone") return goneAnswer();
    const response = ownAnswer(
      how,
      visit.request.headers.get("accept"),
      visit.untouched ? fields.error : undefined,
    );
    if (visit.attempts > 1) response.headers.set(fields.attempts, String(visit.attempts));
    if (parts.endsConnection(visit)) response.headers.set("connection", "close");
    return response;
  }

  return {
    relay,
    cut: pending.cut,
    retain: (ids) => budgets.retain(ids),
    [Symbol.dispose]: () => pending[Symbol.dispose](),
  };
}

const NONE: ReadonlySet<string> = new Set();

/**
 * Of a refused WebSocket handshake only the status is known: one that says that nobody is there is taken for a refusal,
 * as a handshake may be repeated. What it says of other requests is not.
 */
function mayBeRefusal({ status, fields }: Answer): boolean {
  return fields === undefined && (status === 502 || status === 503 || status === 504);
}

function avoid(trip: Trip, id: string): void {
  trip.avoided = new Set([...trip.avoided, id]);
}

/** Whether the body can be sent (again): there is none, it is held, or nobody has read from it. */
function isWhole({ body }: RequestState): boolean {
  return body === undefined || body === null || body instanceof Uint8Array || !body.stream.locked;
}
