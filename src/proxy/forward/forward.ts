// Takes one request to a target and brings the answer back: waiting, trying again, and giving up included.

import { messageOf } from "../../core/fault.ts";
import type { AnswerHead } from "../../core/http1/answer-head.ts";
import type { Selection } from "../../core/round-robin.ts";
import type { Route, Target } from "../../core/route.ts";
import type { RouteTable } from "../../core/route-table.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { type AnswerName, ownAnswer } from "../answers.ts";
import type { ProductFields, ProgramHooks } from "../data-plane.ts";
import type { UpstreamFailure } from "../http-client.ts";
import { type OwnCounts, ownCountName } from "../own-counts.ts";
import type { TrialCounters, TrialTry } from "../trial-counters.ts";
import { choose, isChanged, Pause } from "./choose-target.ts";
import { HttpTry } from "./http-try.ts";
import type { InFlight, Load } from "./in-flight.ts";
import type { Courier, RequestState } from "./request-state.ts";
import { isRescued, rescuerOf } from "./rescue.ts";
import { answerTo, RetryBudgets, retryAfter } from "./retry.ts";
import type { ShadowCopies } from "./shadow-copies.ts";
import { mayCarryCookie } from "./sticky-cookie.ts";
import { type Fate, type TryContext, type TryOwner, writeTarget } from "./tries.ts";
import { isSilence } from "./unanswered.ts";
import type { Waited, WaitingRoom } from "./waiting.ts";

const MOST_TRIES = 3;
/** How long a request that nobody else can take waits for news about the target that failed it. */
const SETTLE_MS = 500;
/** How long it takes at most to hear of a process that has just exited. */
const EXIT_NEWS_MS = 20;

/** Tells the operator, each kind at once and then at most once a minute. */
export interface FailureNotices {
  tell(kind: string, text: string, target?: string): void;
}

/** What a forwarder works with; all of it belongs to the plane. */
export interface ForwardParts {
  readonly selection: Selection;
  readonly inFlight: InFlight;
  /** Where what it answers itself is counted. */
  readonly own: OwnCounts;
  readonly trials: TrialCounters;
  /** Undefined where nothing is copied. */
  readonly copies: ShadowCopies | undefined;
  readonly waiting: WaitingRoom;
  readonly clock: Clock;
  readonly hooks: ProgramHooks;
  readonly fields: ProductFields;
  readonly tries: TryContext;
  /** The table in force now. */
  table(): RouteTable;
  readonly notices: FailureNotices;
}

/** How a step of a request ends it, or that the choice should be made again. */
type End = AnswerName | "gone" | typeof AGAIN;
const AGAIN = Symbol("again");

export class Forwarder implements Courier, TryOwner {
  readonly #parts: ForwardParts;
  readonly #budgets: RetryBudgets;

  constructor(parts: ForwardParts) {
    this.#parts = parts;
    this.#budgets = new RetryBudgets(parts.clock);
  }

  forward(visit: RequestState): void {
    this.#budgets.of(visit.route.name).earn();
    this.#step(visit);
  }

  /** Forgets the retry budgets of routes that are no more. */
  retain(names: ReadonlyMap<string, unknown>): void {
    this.#budgets.retain(names);
  }

  #step(visit: RequestState): void {
    const next = choose(visit, this.#parts.table(), this.#parts.selection);
    if (typeof next === "string") this.#giveUp(visit, next);
    else if (next instanceof Pause) void this.#later(visit, this.#pause(visit, next));
    else this.#try(visit, next);
  }

  /** What a wait leads to. */
  async #later(visit: RequestState, ending: Promise<End>): Promise<void> {
    try {
      const end = await ending;
      if (typeof end === "string") this.#giveUp(visit, end);
      else this.#step(visit);
    } catch (thrown) {
      this.#parts.hooks.onDefect?.(thrown instanceof Error ? thrown : new Error(messageOf(thrown)));
      this.#giveUp(visit, "internal");
    }
  }

  /** One try: picked and counted in the same step, before anything is awaited. */
  #try(visit: RequestState, target: Target): void {
    const load = this.#parts.inFlight.of(target.id);
    visit.attempts += 1;
    if (visit.route.trial !== undefined) visit.trial ??= this.#trialOf(visit, target);
    new HttpTry(this.#parts.tries, this, visit, target, load).start();
  }

  onAnswer(visit: RequestState, target: Target, load: Load, head: AnswerHead, headMs: number): Fate {
    const { status } = head;
    load.meter.answered(status, headMs);
    load.unanswered.answered(visit);
    if (visit.attempts === 1) visit.trial?.answered(status, headMs);
    if (isRescued(visit, status) && this.#rescue(visit, target)) return "drop";
    visit.trial?.settled(status);
    visit.access?.answered(status, target, headMs, visit.attempts === 1);
    return "pass";
  }

  writeHead(
    visit: RequestState,
    target: Target,
    load: Load,
    head: AnswerHead,
    unchunked: boolean,
    to: Buffer,
  ): number {
    const { fields } = this.#parts;
    let out = head.write(to, 0, unchunked);
    out = writeTarget(load, fields.target, to, out);
    if (visit.attempts > 1) out += to.latin1Write(`${fields.attempts}: ${visit.attempts}\r\n`, out);
    const cookie = visit.route.policy.sticky === undefined ? undefined : visit.cookieFrom(target);
    if (cookie !== undefined) out += to.latin1Write(linesFor(cookie, head), out);
    // Behind the app's own, which counts then (RFC 6797 section 8.1); over http it would say nothing.
    const { hsts } = visit.route.policy;
    if (hsts !== undefined && visit.isSecure)
      out += to.latin1Write(`Strict-Transport-Security: ${hsts}\r\n`, out);
    return out;
  }

  onDelivered(visit: RequestState): void {
    const { shadow } = visit.route;
    if (shadow !== undefined) this.#parts.copies?.offer(visit, shadow);
  }

  onDropped(visit: RequestState): void {
    this.#step(visit);
  }

  onFailure(visit: RequestState, target: Target, load: Load, failure: UpstreamFailure): void {
    visit.trial?.left();
    if (failure.kind !== "aborted") visit.access?.failed(target);
    load.unanswered.failed(visit, !visit.asksUpgrade && isSilence(failure, visit.body.state));
    const end = this.#recover(visit, target, failure);
    if (end instanceof Promise) void this.#later(visit, end);
    else if (typeof end === "string") this.#giveUp(visit, end);
    else this.#step(visit);
  }

  /** Whether somebody else answers in the place of a canary that has failed. */
  #rescue(visit: RequestState, target: Target): boolean {
    visit.rescuer = visit.attempts >= MOST_TRIES ? undefined : rescuerOf(visit, target);
    return visit.rescuer !== undefined;
  }

  /** Only what its turn or its cookie sent here is fairly split. */
  #trialOf(visit: RequestState, target: Target): TrialTry | undefined {
    const { route, turn, attempts } = visit;
    if (route.trial === undefined || attempts > 1 || turn?.target !== target.id) return undefined;
    const { split } = route.trial;
    const visitor = () => visit.visitorOf(target);
    return this.#parts.trials.begin({
      route: route.name,
      split,
      target: target.id,
      isByTurn: !turn.isHome,
      visitor,
    });
  }

  async #pause(visit: RequestState, { why, label, judge }: Pause): Promise<End> {
    const { waiting, clock } = this.#parts;
    visit.access?.begin(clock.monotonic());
    if (visit.failure === "busy") return "busy";
    const { route } = visit;
    let waitMs = SETTLE_MS;
    if (why !== "settling") {
      visit.waitUntil ??= clock.monotonic() + route.policy.waitMs;
      waitMs = visit.waitUntil - clock.monotonic();
    }
    const waiter = waiting.wait(route.name, judge, waitMs, visit.signal);
    if (why !== "settling") this.#want(visit, why, label);
    return endOf(visit, why, await waiter);
  }

  /** Tells the program that somebody waits. It is asked once for an unknown target, and its answer reviewed by who waits. */
  #want(visit: RequestState, why: Pause["why"], label: string | undefined): void {
    const { hooks, waiting } = this.#parts;
    const client = visit.visitor;
    const wanted = Promise.resolve(hooks.onWanted({ route: visit.route.name, label, client }));
    const answered = (demand: "made" | "refused") => () => {
      if (why !== "demand") return;
      visit.demand = demand;
      waiting.review(this.#parts.table(), visit.route.name);
    };
    wanted.then(answered("made"), answered("refused"));
  }

  #recover(visit: RequestState, target: Target, failure: UpstreamFailure): End | Promise<End> {
    if (visit.body.isTooLarge) return "too_large";
    if (failure.kind === "aborted") return "gone";
    if (failure.requestSent) visit.untouched = false;
    const answer = answerTo(failure);
    visit.failure = answer;
    visit.failureText = `${target.id}: ${failure.message}`;
    if (failure.kind !== "garbage") visit.failedBy = target.id;
    const hasFailed = failure.kind === "reset" || failure.kind === "request_timeout";
    if (hasFailed && this.#rescue(visit, target)) return AGAIN;
    return this.#mayRetry(visit, target, failure).then((mayRetry) => (mayRetry ? AGAIN : answer));
  }

  async #mayRetry(visit: RequestState, target: Target, failure: UpstreamFailure): Promise<boolean> {
    const retry = retryAfter(failure, visit.method, visit.body.state);
    if (retry === "none" || visit.attempts >= MOST_TRIES) return false;
    // An idle connection found closed says nothing against its target.
    if (failure.kind !== "reset" || failure.requestSent) visit.avoid(target);
    return (
      retry === "free" || (await this.#isFree(visit, target)) || this.#budgets.of(visit.route.name).spend()
    );
  }

  /** Whether the target's exit cut the request, for the first time: other retries are paid for. */
  async #isFree(visit: RequestState, target: Target): Promise<boolean> {
    if (visit.hadFreeRetry) return false;
    const { waiting } = this.#parts;
    const { name } = visit.route;
    const hasGone = (table: RouteTable) =>
      isChanged(table.routes.get(name)?.targets.get(target.label), target) ? "go" : "stay";
    visit.hadFreeRetry =
      hasGone(this.#parts.table()) === "go" ||
      (await waiting.wait(name, hasGone, EXIT_NEWS_MS, visit.signal)) === "go";
    return visit.hadFreeRetry;
  }

  refused(visit: RequestState, name: AnswerName): void {
    this.count(visit.route, name, visit.attempts > 0);
    visit.access?.own(name, 0);
    visit.ended(0);
  }

  /** Counts an answer of our own. `isTried`: a target was asked before. */
  count({ name }: Route, reason: AnswerName, isTried: boolean): void {
    this.#parts.own.add(ownCountName(name, reason, isTried));
  }

  /** Why a visitor got an error in place of an answer is nowhere else to be seen. */
  #tell({ failedBy, failureText, failure }: RequestState, end: AnswerName, status: number): void {
    if (failedBy === undefined || end !== failure || end === "late_body") return;
    const text = `${failureText}; its visitor got ${status} (${end})`;
    this.#parts.notices.tell(`${end} ${failedBy}`, text, failedBy);
  }

  #giveUp(visit: RequestState, end: AnswerName | "gone"): void {
    const { fields } = this.#parts;
    const { client, head } = visit;
    if (end === "gone") {
      client.cut(visit);
      return;
    }
    const errorField = visit.untouched ? fields.error : undefined;
    const answer = ownAnswer(end, head.field("accept"), errorField, visit.route.policy.errorPage);
    visit.trial?.settled(answer.status);
    this.count(visit.route, end, visit.attempts > 0);
    visit.access?.own(end, head.isHead ? 0 : Buffer.byteLength(answer.body));
    this.#tell(visit, end, answer.status);
    client.answer(answer, visit.attempts > 1 ? `${fields.attempts}: ${visit.attempts}\r\n` : "");
  }
}

/** With the cookie what keeps others from getting it; nothing where a cache on the way is to keep the answer for all. */
function linesFor(cookie: string, head: AnswerHead): string {
  const said = head.pairs().flatMap(([name, value]) => (name === "cache-control" ? [value] : []));
  const may = mayCarryCookie(said.length === 0 ? undefined : said.join(", "));
  if (may === "no") return "";
  return `Set-Cookie: ${cookie}\r\n${may === "unsaid" ? "Cache-Control: private\r\n" : ""}`;
}

function endOf(visit: RequestState, why: Pause["why"], waited: Waited): End {
  switch (waited) {
    case "go":
    case "fail":
      return AGAIN;
    case "left":
      return "gone";
    case "full":
      return visit.failure ?? "too_many_waiting";
    case "late":
      if (why === "settling") return visit.failure ?? "nothing_routable";
      visit.isLate = true;
      return visit.picked === undefined ? "start_failed" : AGAIN;
  }
}
