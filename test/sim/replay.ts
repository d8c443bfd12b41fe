// Whole rollouts over a load, through the turns, the cookies and the counters of the data plane itself: only answers are made up.
import { advance } from "../../src/core/judge/advance.ts";
import type { Tick } from "../../src/core/judge/evidence.ts";
import { foresee, type Plan, planFor } from "../../src/core/judge/plan.ts";
import { beginRollout, type Rollout, shareNow } from "../../src/core/judge/rollout-state.ts";
import { createSelection, type Selection } from "../../src/core/round-robin.ts";
import type { Route, Target } from "../../src/core/route.ts";
import { createSticky, type Sticky } from "../../src/core/sticky.ts";
import { TrialCounters } from "../../src/proxy/trial-counters.ts";
import { TrialTallies } from "../../src/ten/operations/rollout/trial-tallies.ts";
import type { Random } from "./chance.ts";
import type { End } from "./rollouts.ts";
import type { Load, Request } from "./visitors.ts";

/** How the canary answers what would go like that. */
export type Fault = (request: Request, random: Random) => { readonly fails: boolean; readonly ms: number };

export const NO_FAULT: Fault = (request) => request;

const POLICY = {
  direct: "open",
  requestTimeoutMs: 0,
  streamIdleTimeoutMs: 0,
  waitMs: 0,
  maxBodyBytes: 0,
} as const;
const MOST_SECONDS = 6 * 3600;

export interface ReplayOptions {
  readonly perSecond: number;
  readonly load: Load;
  readonly fault: Fault;
  readonly isSticky: boolean;
  readonly random: Random;
}

/** What stands between the load and the judge: turns, cookies, counters. */
class Splitter {
  readonly tallies = new TrialTallies();
  readonly #trials = new TrialCounters();
  readonly #selection: Selection;
  readonly #random: Random;
  readonly #fault: Fault;
  #route: Route;
  #sticky: Sticky | undefined;

  constructor(route: Route, fault: Fault, random: Random) {
    this.#selection = createSelection(random, random());
    this.#random = random;
    this.#fault = fault;
    this.#route = route;
    this.use(route);
  }

  get route(): Route {
    return this.#route;
  }

  use(route: Route): void {
    this.#route = route;
    this.#sticky = route.policy.sticky === undefined ? undefined : createSticky(route);
  }

  /** As `choose` in the proxy does it: where a cookie says, else by turn. */
  answer(request: Request): void {
    const known = request.visitor?.mark;
    const home = known && this.#sticky?.homeOf(known);
    const target = home ?? this.#selection.selectWeighted(this.#route);
    if (target === undefined) return;
    const mark = this.#sticky?.markFor(target, known, () => Math.floor(this.#random() * 2 ** 32));
    if (request.visitor !== undefined) request.visitor.mark = mark;
    const visitor = () => (request.visitor === undefined ? undefined : mark?.seed);
    const split = this.#route.trial?.split ?? "";
    const about = { route: "api", split, target: target.id, isByTurn: home === undefined, visitor };
    const { fails, ms } = target.label === "v2" ? this.#fault(request, this.#random) : request;
    this.#trials.begin(about).answered(fails ? 500 : 200, ms);
  }

  ticks(rollout: Rollout): readonly (Tick | undefined)[] {
    const share = shareNow(rollout) / 10_000;
    this.tallies.use(this.#route.trial?.split ?? "", share, `${rollout.phase} ${rollout.at}`);
    for (const counts of this.#trials.take())
      this.tallies.add(counts, counts.target === "api:v2" ? "canary" : "stable");
    const ticks = this.tallies.take();
    return ticks.length > 0 ? ticks : [undefined];
  }
}

export function replay(options: ReplayOptions): End & { readonly plan: Plan } {
  const { perSecond, load, fault, isSticky, random } = options;
  const plan = planFor({ perSecond, errorShare: 0.01 }, { bakeMs: 120_000 });
  let rollout = beginRollout({ service: "api", canary: "v2", stable: "v1", plan }, history(load), 0);
  const splitter = new Splitter(routeAt(rollout, 0, isSticky), fault, random);
  let harm = 0;
  for (let second = 1; ; second++) {
    for (const request of load(second)) splitter.answer(request);
    for (const tick of splitter.ticks(rollout)) {
      harm += tick?.canary.errors ?? 0;
      const seen = { tick, stableServes: true, failure: undefined };
      const { rollout: next, move } = advance(rollout, seen, second * 1000);
      rollout = next;
      const outcome = move?.kind === "held" || second > MOST_SECONDS ? "held" : move?.outcome;
      if (outcome) return { outcome, seconds: second, harm, plan };
      if (move?.share === undefined) continue;
      splitter.use(routeAt(rollout, splitter.route.epoch + 1, isSticky));
      break;
    }
  }
}

function routeAt(rollout: Rollout, epoch: number, isSticky: boolean): Route {
  const share = shareNow(rollout);
  const targets = [target("v1", 10_000 - share), target("v2", share)];
  const policy = { ...POLICY, sticky: isSticky ? "seen" : undefined };
  return { name: "api", hosts: [], epoch, targets, policy, trial: { split: `${epoch}` } };
}

function target(label: string, weight: number): Target {
  const address = { host: "127.0.0.1", port: 1 };
  return { id: `api:${label}`, label, address, weight, readiness: "ready" };
}

/** What the stable answered in the two minutes before. */
function history(load: Load): readonly number[] {
  const counters = new TrialCounters();
  const about = { route: "api", split: "", target: "api:v1", isByTurn: true, visitor: () => undefined };
  for (let second = -120; second < 0; second++)
    for (const { fails, ms } of load(second)) counters.begin(about).answered(fails ? 500 : 200, ms);
  return counters.take()[0]?.buckets ?? [];
}

/** Within how long the preview promises a fault of so many points to be found. */
export function promisedMs(plan: Plan, perSecond: number, points: number): number {
  const forecast = foresee(plan, { perSecond, errorShare: 0.01 });
  if (points >= 1) return forecast.failure.afterMs;
  return forecast.notices.find((notice) => notice.points === points)?.afterMs ?? Number.POSITIVE_INFINITY;
}
