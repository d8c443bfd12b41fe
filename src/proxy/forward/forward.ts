// Takes one request to a target and brings the answer back: waiting, trying again, and giving up included.

import type { Selection } from "../../core/round-robin.ts";
import type { Target } from "../../core/route.ts";
import type { RouteTable } from "../../core/route-table.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { type AnswerName, goneAnswer, ownAnswer } from "../answers.ts";
import type { ProductFields, ProgramHooks } from "../data-plane.ts";
import { UpstreamFailure } from "../http-client.ts";
import type { TrialCounters, TrialTry } from "../trial-counters.ts";
import { choose, isChanged, Pause, type RequestState } from "./choose-target.ts";
import type { HttpTransport } from "./http-transport.ts";
import type { InFlight } from "./in-flight.ts";
import { isRescued, rescuerOf } from "./rescue.ts";
import { answerTo, RetryBudgets, retryAfter } from "./retry.ts";
import { isSilence } from "./unanswered.ts";
import type { Waited, WaitingRoom } from "./waiting.ts";
import { isUpgrade } from "./websocket.ts";

const MOST_TRIES = 3;
/** How long a request that nobody else can take waits for news about the target that failed it. */
const SETTLE_MS = 500;
/** How long it takes at most to hear of a process that has just exited. */
const EXIT_NEWS_MS = 20;

/** What a forwarder works with; all of it belongs to the plane. */
export interface ForwardParts {
  readonly selection: Selection;
  readonly inFlight: InFlight;
  readonly trials: TrialCounters;
  readonly waiting: WaitingRoom;
  readonly clock: Clock;
  readonly hooks: ProgramHooks;
  readonly fields: ProductFields;
  /** The table in force now. */
  table(): RouteTable;
  /** Whether the answer to a request ends its connection. */
  endsConnection(visit: RequestState): boolean;
  /** The visitor's address, as far as it can be trusted. */
  clientOf(request: Request, peer: string): string;
  /** Lifts the idle limit of a connection while a target works on its request, and sets it again. */
  setIdleLimit(request: Request, isLimited: boolean): void;
}

export interface Forwarder {
  /** Undefined when the carrier has taken the connection over. */
  forward(visit: RequestState, carrier: HttpTransport): Promise<Response | undefined>;
  /** Forgets the retry budgets of routes that are no more. */
  retain(names: ReadonlyMap<string, unknown>): void;
}

/** How a step of a request ends it, or that the choice should be made again. */
type End = AnswerName | "gone" | typeof AGAIN;
const AGAIN = Symbol("again");

export function createForwarder(parts: ForwardParts): Forwarder {
  const { selection, inFlight, waiting, clock, hooks, fields } = parts;
  const budgets = new RetryBudgets(clock);

  async function forward(visit: RequestState, carrier: HttpTransport): Promise<Response | undefined> {
    budgets.of(visit.route.name).earn();
    for (;;) {
      const next = choose(visit, parts.table(), selection);
      if (typeof next === "string") return giveUp(visit, next);
      const end = next instanceof Pause ? await pause(visit, next) : await carry(visit, next, carrier);
      if (typeof end === "string") return giveUp(visit, end);
      if (end !== AGAIN) return end;
    }
  }

  /** One try: picked and counted in the same step, before anything is awaited. */
  async function carry(
    visit: RequestState,
    target: Target,
    carrier: HttpTransport,
  ): Promise<Response | undefined | End> {
    const begun = clock.monotonic();
    const load = inFlight.of(target.id);
    visit.attempts += 1;
    visit.trial ??= trialOf(visit, target);
    try {
      const answer = await carrier.attempt(visit, target, load);
      const headMs = clock.monotonic() - begun;
      load.meter.answered(answer.status, headMs);
      load.unanswered.answered(visit);
      if (visit.attempts === 1) visit.trial?.answered(answer.status, headMs);
      if (isRescued(visit, answer.status) && rescue(visit, target)) {
        carrier.discard(answer);
        return AGAIN;
      }
      visit.trial?.settled(answer.status);
      return carrier.respond(visit, target, answer);
    } catch (thrown) {
      visit.trial?.left();
      const isCounted = thrown instanceof UpstreamFailure && !isUpgrade(visit);
      load.unanswered.failed(visit, isCounted && isSilence(thrown, visit.body));
      return recover(visit, target, thrown);
    }
  }

  /** Whether somebody else answers in the place of a canary that has failed. */
  function rescue(visit: RequestState, target: Target): boolean {
    visit.rescuer = visit.attempts >= MOST_TRIES ? undefined : rescuerOf(visit, target);
    return visit.rescuer !== undefined;
  }

  /** Only what its turn or its cookie sent here is fairly split. */
  function trialOf(visit: RequestState, target: Target): TrialTry | undefined {
    const { route, turn, attempts } = visit;
    if (route.trial === undefined || attempts > 1 || turn?.target !== target.id) return undefined;
    const { split } = route.trial;
    const visitor = () => visit.visitorOf(target);
    return parts.trials.begin({
      route: route.name,
      split,
      target: target.id,
      isByTurn: !turn.isHome,
      visitor,
    });
  }

  async function pause(visit: RequestState, { why, label, judge }: Pause): Promise<End> {
    if (visit.failure === "busy") return "busy";
    const { route, request } = visit;
    let waitMs = SETTLE_MS;
    if (why !== "settling") {
      visit.waitUntil ??= clock.monotonic() + route.policy.waitMs;
      waitMs = visit.waitUntil - clock.monotonic();
      parts.setIdleLimit(request, false);
    }
    const waiter = waiting.wait(route.name, judge, waitMs, request.signal);
    if (why !== "settling") want(visit, why, label);
    const waited = await waiter;
    if (why !== "settling") parts.setIdleLimit(request, true);
    return endOf(visit, why, waited);
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

  /** Tells the program that somebody waits. It is asked once for an unknown target, and its answer reviewed by who waits. */
  function want(visit: RequestState, why: Pause["why"], label: string | undefined): void {
    const client = parts.clientOf(visit.request, visit.peer);
    const wanted = Promise.resolve(hooks.onWanted({ route: visit.route.name, label, client }));
    const answered = (demand: "made" | "refused") => () => {
      if (why !== "demand") return;
      visit.demand = demand;
      waiting.review(parts.table(), visit.route.name);
    };
    wanted.then(answered("made"), answered("refused"));
  }

  async function recover(visit: RequestState, target: Target, thrown: unknown): Promise<End> {
    if (!(thrown instanceof UpstreamFailure)) throw thrown;
    if (visit.isTooLarge) return "too_large";
    if (thrown.kind === "aborted") return "gone";
    if (thrown.requestSent) visit.untouched = false;
    visit.failure = answerTo(thrown);
    const hasFailed = thrown.kind === "reset" || thrown.kind === "request_timeout";
    if (hasFailed && rescue(visit, target)) return AGAIN;
    return (await mayRetry(visit, target, thrown)) ? AGAIN : visit.failure;
  }

  async function mayRetry(visit: RequestState, target: Target, failure: UpstreamFailure): Promise<boolean> {
    const retry = retryAfter(failure, visit.method, visit.body ?? null);
    if (retry === "none" || visit.attempts >= MOST_TRIES) return false;
    // An idle connection found closed says nothing against its target.
    if (failure.kind !== "reset" || failure.requestSent) visit.avoid(target);
    return retry === "free" || (await isFree(visit, target)) || budgets.of(visit.route.name).spend();
  }

  /** Whether the target's exit cut the request, for the first time: other retries are paid for. */
  async function isFree(visit: RequestState, target: Target): Promise<boolean> {
    if (visit.hadFreeRetry) return false;
    const { name } = visit.route;
    const hasGone = (table: RouteTable) =>
      isChanged(table.routes.get(name)?.targets.get(target.label), target) ? "go" : "stay";
    visit.hadFreeRetry =
      hasGone(parts.table()) === "go" ||
      (await waiting.wait(name, hasGone, EXIT_NEWS_MS, visit.request.signal)) === "go";
    return visit.hadFreeRetry;
  }

  function giveUp(visit: RequestState, end: AnswerName | "gone"): Response {
    if (end === "gone") return goneAnswer();
    const errorField = visit.untouched ? fields.error : undefined;
    const response = ownAnswer(
      end,
      visit.request.headers.get("accept"),
      errorField,
      visit.route.policy.errorPage,
    );
    visit.trial?.settled(response.status);
    if (visit.attempts > 1) response.headers.set(fields.attempts, String(visit.attempts));
    if (parts.endsConnection(visit)) response.headers.set("connection", "close");
    return response;
  }

  return { forward, retain: (names) => budgets.retain(names) };
}
