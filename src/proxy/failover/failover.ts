// Takes a request to the first of several servers that delivers it: each in its turn, and under names of its own.
import { messageOf } from "../../core/fault.ts";
import type { AnswerHead } from "../../core/http1/answer-head.ts";
import type { RequestHead } from "../../core/http1/request-head.ts";
import type { Route, Target } from "../../core/route.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { type AnswerName, ownAnswer, statusOf } from "../answers.ts";
import type { ProductFields } from "../data-plane.ts";
import type { Client } from "../forward/client.ts";
import type { FailureNotices } from "../forward/forward.ts";
import { HttpTry } from "../forward/http-try.ts";
import type { InFlight, Load } from "../forward/in-flight.ts";
import { type Courier, type RequestFacts, RequestState } from "../forward/request-state.ts";
import { RetryBudgets } from "../forward/retry.ts";
import { type Fate, type TryContext, type TryOwner, writeTarget } from "../forward/tries.ts";
import type { FailureKind, Fields, UpstreamFailure } from "../http-client.ts";
import { type OwnCounts, ownCountName } from "../own-counts.ts";
import { answerAfter, nextStep } from "./failover-rules.ts";
import { createSlowTries, type SlowTries, type SlowTry } from "./slow-tries.ts";

/** A server that may take a request, and what it is to be told. */
export interface Candidate {
  readonly target: Target;
  /** Set on the request, Host among them; names in lower case. */
  readonly fields: Fields;
  /** The server that knows best why there is no app for the visitor; others may just not have it. */
  readonly isHome: boolean;
  /** The fields of its answers as the visitor is to have them, who speaks `scheme`; as they are unless given. */
  mapAnswer?(fields: Fields, scheme: string): Fields;
}

/** Which servers may take one visitor's requests. Asked anew for every try, so that it follows what has changed meanwhile. */
export interface Candidates {
  /** Whose requests they are: what is answered in the place of servers is counted under it. */
  readonly name: string;
  /** The next one that is not in `avoided`; `isSafe` tells whether the request may be repeated (GET, HEAD, OPTIONS). */
  next(avoided: ReadonlySet<string>, isSafe: boolean): Candidate | undefined;
  /** A server has answered that no byte reached an app. */
  onRefusal(targetId: string): void;
}

/** What failover asks of the program that runs it. None of these may throw. */
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
  /** They look for the field of an answer that means that no byte reached an app. */
  readonly tries: TryContext;
  /** Where what it answers itself is counted. */
  readonly own: OwnCounts;
  readonly notices: FailureNotices;
  onDefect?(error: Error): void;
}

const MOST_TRIES = 4;
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
/** What checks do not find: a server that takes no connection is soon offline. */
const UNSEEN: ReadonlySet<AnswerName> = new Set(["bad_gateway", "timeout", "busy"]);
const NONE: ReadonlySet<string> = new Set();

/** One request on its way from server to server. */
export class FailoverState extends RequestState {
  readonly candidates: Candidates;
  readonly isSafe: boolean;
  /** The fields that are added whichever server it is. */
  readonly base: string;
  candidate: Candidate | undefined;
  slow: SlowTry | undefined;
  /** Servers that did not deliver it. */
  avoided: ReadonlySet<string> = NONE;
  /** The home server's answer that no app was reached. */
  refusal: Buffer | undefined;

  constructor(client: Client, head: RequestHead, facts: RequestFacts, route: Route, candidates: Candidates) {
    super(client, head, facts, route, undefined);
    this.candidates = candidates;
    this.base = facts.added;
    this.isSafe = SAFE.has(head.method);
  }
}

export class Failover implements Courier, TryOwner, Disposable {
  readonly #parts: FailoverParts;
  readonly #pending: SlowTries;
  readonly #budgets: RetryBudgets;

  constructor(parts: FailoverParts) {
    this.#parts = parts;
    this.#pending = createSlowTries(parts.clock, (id) => parts.hooks.onTrouble(id, "request_timeout"));
    this.#budgets = new RetryBudgets(parts.clock);
  }

  forward(visit: RequestState): void {
    this.#step(visit as FailoverState);
  }

  /** Requests that still wait for this server's answer, and may be repeated, go to the next one at once. */
  cut(targetId: string): void {
    this.#pending.cut(targetId);
  }

  /** Forgets the retry budgets of servers that are no more. */
  retain(ids: ReadonlySet<string>): void {
    this.#budgets.retain(ids);
  }

  [Symbol.dispose](): void {
    this.#pending[Symbol.dispose]();
  }

  #step(state: FailoverState): void {
    if (state.client.isGone) return;
    const candidate =
      state.attempts < MOST_TRIES ? state.candidates.next(state.avoided, state.isSafe) : undefined;
    if (candidate !== undefined) this.#tryAt(state, candidate);
    else if (state.refusal !== undefined) {
      state.client.write(state.refusal, 0, state.refusal.length, true);
      state.client.finish();
    } else this.#giveUp(state, state.failure ?? "nothing_routable");
  }

  /** One try: chosen and counted in the same step. */
  #tryAt(state: FailoverState, candidate: Candidate): void {
    const { inFlight, tries } = this.#parts;
    const { target } = candidate;
    state.candidate = candidate;
    state.slow = this.#pending.begin(target.id, state.isSafe, () => state.attempt?.abort());
    let added = "";
    for (const [name, value] of candidate.fields) added += `${name}: ${value}\r\n`;
    state.added = added + state.base;
    state.attempts += 1;
    this.#budgets.of(target.id).earn();
    new HttpTry(tries, this, state, target, inFlight.of(target.id)).start();
  }

  onSlow(visit: RequestState): void {
    const { slow } = visit as FailoverState;
    if (slow !== undefined) this.#pending.watch(slow);
  }

  onAnswer(visit: RequestState, target: Target, load: Load, head: AnswerHead, headMs: number): Fate {
    const state = visit as FailoverState;
    this.#over(state);
    load.meter.answered(head.status, headMs);
    load.unanswered.answered(visit);
    if (!head.hasMarker) {
      this.#parts.hooks.onDelivery(target.id);
      return "pass";
    }
    // No byte reached an app: another server may be asked, whatever the method, while the body can still be sent.
    state.candidates.onRefusal(target.id);
    if (state.body.state === "begun") return "pass";
    avoid(state, target.id);
    return state.candidate?.isHome === true ? "keep" : "drop";
  }

  writeHead(
    visit: RequestState,
    _target: Target,
    load: Load,
    head: AnswerHead,
    unchunked: boolean,
    to: Buffer,
  ): number {
    const { candidate } = visit as FailoverState;
    const { fields } = this.#parts;
    const scheme = visit.isSecure ? "https" : "http";
    const mapped = candidate?.mapAnswer?.(head.pairs(), scheme);
    let out = mapped === undefined ? head.write(to, 0, unchunked) : head.writeWith(mapped, to, 0, unchunked);
    out = writeTarget(load, fields.target, to, out);
    if (visit.attempts > 1) out += to.latin1Write(`${fields.attempts}: ${visit.attempts}\r\n`, out);
    return out;
  }

  onDropped(visit: RequestState, kept: Buffer | undefined): void {
    const state = visit as FailoverState;
    state.refusal = kept ?? state.refusal;
    this.#step(state);
  }

  onFailure(visit: RequestState, { id }: Target, load: Load, failure: UpstreamFailure): void {
    const state = visit as FailoverState;
    load.unanswered.failed(visit, false);
    const wasCut = state.slow?.wasCut === true && !state.client.isGone;
    this.#over(state);
    const { isSafe } = state;
    const next = nextStep(failure, { isSafe, isWhole: state.body.state !== "begun", wasCut });
    if (next === "gone") {
      state.client.cut(state);
      return;
    }
    if (failure.requestSent) state.untouched = false;
    state.failure = answerAfter(failure);
    state.failureText = `${id}: ${failure.message}`;
    state.failedBy = failure.kind === "garbage" ? undefined : id;
    if (next === "same") {
      this.#step(state);
      return;
    }
    if (next === "undelivered" && !isSafe) return void this.#afterVerdict(state, id);
    if (next === "end" || (next === "elsewhere_paid" && !this.#budgets.of(id).spend())) {
      this.#giveUp(state, state.failure);
      return;
    }
    avoid(state, id);
    this.#step(state);
  }

  /** What may not be repeated leaves its server only when that is known to be down. */
  async #afterVerdict(state: FailoverState, id: string): Promise<void> {
    try {
      const verdict = await this.#parts.hooks.verdict(id);
      if (verdict === undefined) return this.#giveUp(state, "nothing_routable");
      if (verdict === "down") avoid(state, id);
      this.#step(state);
    } catch (thrown) {
      this.#parts.onDefect?.(thrown instanceof Error ? thrown : new Error(messageOf(thrown)));
      this.#giveUp(state, "internal");
    }
  }

  #over(state: FailoverState): void {
    if (state.slow !== undefined) this.#pending.end(state.slow);
    state.slow = undefined;
  }

  refused(visit: RequestState, name: AnswerName): void {
    this.#count(visit as FailoverState, name);
  }

  #count({ candidates, candidate, attempts }: FailoverState, name: AnswerName): void {
    this.#parts.own.add(ownCountName(candidates.name, name, attempts > 0, candidate?.target.id));
  }

  /** Why a visitor got an error of a server that passes its checks is nowhere else to be seen. */
  #tell({ failedBy, failureText, failure, candidates }: FailoverState, end: AnswerName): void {
    if (failedBy === undefined || end !== failure || !UNSEEN.has(end)) return;
    const text = `${failureText}; a visitor of ${candidates.name} got ${statusOf(end)} (${end})`;
    this.#parts.notices.tell(`${end} ${failedBy}`, text, failedBy);
  }

  #giveUp(state: FailoverState, name: AnswerName): void {
    const { fields } = this.#parts;
    if (state.client.isGone) return;
    this.#count(state, name);
    this.#tell(state, name);
    const errorField = state.untouched ? fields.error : undefined;
    const answer = ownAnswer(name, state.head.field("accept"), errorField);
    state.client.answer(answer, state.attempts > 1 ? `${fields.attempts}: ${state.attempts}\r\n` : "");
  }
}

function avoid(state: FailoverState, id: string): void {
  state.avoided = new Set([...state.avoided, id]);
}
