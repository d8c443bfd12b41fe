// Whole rollouts, by our rule and by those that peers' documents show: how often a good version is taken back, and a bad one kept.
import { advance } from "../../src/core/judge/advance.ts";
import type { Tally } from "../../src/core/judge/evidence.ts";
import { planFor } from "../../src/core/judge/plan.ts";
import { beginRollout, shareNow } from "../../src/core/judge/rollout-state.ts";
import type { Random } from "./chance.ts";
import { createWorld, type World } from "./world.ts";

export interface End {
  readonly outcome: "promoted" | "rolled_back" | "held";
  readonly seconds: number;
  /** Failed answers of the canary. */
  readonly harm: number;
}

export type Product = (world: World, random: Random) => End;

/** The very code that `ten` runs, second by second; without the bake, which has a table of its own. */
export const ours: Product = (world, random) => {
  const { pass } = createWorld(world, random);
  const plan = planFor({ perSecond: world.perSecond, errorShare: world.base }, { bakeMs: 0 });
  const about = { service: "api", canary: "v2", stable: "v1", plan };
  const history = world.times === undefined ? [] : pass(-100, 100, 0).stable.buckets;
  let rollout = beginRollout(about, history, 0);
  // Where nearly nothing comes, most seconds would be empty.
  let harm = 0;
  const step = world.perSecond < 0.5 ? 5 : 1;
  for (let second = step; ; second += step) {
    const share = shareNow(rollout) / 10_000;
    const tick = { ...pass(second, step, share), share };
    const seen = { tick, stableServes: true, failure: undefined };
    const next = advance(rollout, seen, second * 1000);
    rollout = next.rollout;
    harm += tick.canary.errors;
    if (next.move === undefined) continue;
    const { kind } = next.move;
    if (kind === "held") return { outcome: "held", seconds: second, harm };
    if (kind === "promoted" || kind === "rolled_back") return { outcome: kind, seconds: second, harm };
  }
};

interface Window {
  readonly canary: Tally;
  readonly stable: Tally;
}

/** Sees windows of so many seconds; answers the next share, or how it ended. */
type Rule = (window: Window, share: number) => number | "promoted" | "rolled_back" | "longer";

function byWindows(windowSeconds: number, first: number, rule: () => Rule): Product {
  return (world, random) => {
    const { pass } = createWorld(world, random);
    const decide = rule();
    let share = first;
    let harm = 0;
    let canary = { answers: 0, errors: 0, rejections: 0, buckets: [] };
    let stable = canary;
    for (let second = windowSeconds; second < 48 * 3600; second += windowSeconds) {
      const now = pass(second, windowSeconds, share);
      harm += now.canary.errors;
      canary = plus(canary, now.canary);
      stable = plus(stable, now.stable);
      const next = decide({ canary, stable }, share);
      if (next === "longer") continue;
      if (typeof next === "string") return { outcome: next, seconds: second, harm };
      share = next;
      canary = { answers: 0, errors: 0, rejections: 0, buckets: [] };
      stable = canary;
    }
    return { outcome: "held", seconds: 48 * 3600, harm };
  };
}

function plus(a: Tally, b: Tally) {
  return { answers: a.answers + b.answers, errors: a.errors + b.errors, rejections: 0, buckets: [] };
}

const part = ({ answers, errors }: Tally) => (answers === 0 ? 0 : errors / answers);

/** The first draft: windows of a minute, at least 50 answers, and twice as bad as the stable. */
const draft = byWindows(60, 0.05, () => ({ canary, stable }, share) => {
  if (canary.answers < 50) return "longer";
  const isBad = canary.errors >= 3 && part(canary) > 0.01 && part(canary) > 2 * part(stable);
  if (isBad) return "rolled_back";
  return share === 0.05 ? 0.25 : share === 0.25 ? 0.5 : "promoted";
});

/** Its documents' example: a minute, threshold 10, five percent more each time up to 50, 99 % success. */
const flagger = byWindows(60, 0.05, () => {
  let failed = 0;
  return ({ canary }, share) => {
    if (canary.answers === 0 || part(canary) > 0.01) {
      failed += 1;
      return failed >= 10 ? "rolled_back" : share;
    }
    return share >= 0.5 ? "promoted" : Math.round((share + 0.05) * 100) / 100;
  };
});

/** 20, 40, 60, 80 % for ten minutes, 95 % success every five, failureLimit 3. */
const argo = byWindows(300, 0.2, () => {
  let failed = 0;
  let windows = 0;
  return ({ canary }, share) => {
    windows += 1;
    if (canary.answers === 0 || part(canary) > 0.05) failed += 1;
    if (failed > 3) return "rolled_back";
    if (windows % 2 === 1) return share;
    return share >= 0.8 ? "promoted" : share + 0.2;
  };
});

/** Canary10Percent5Minutes, alarm on more than 0 errors in two periods of a minute, of both versions. */
const codeDeploy = byWindows(60, 0.1, () => {
  let alarming = 0;
  let minutes = 0;
  return ({ canary, stable }, share) => {
    minutes += 1;
    alarming = canary.errors + stable.errors > 0 ? alarming + 1 : 0;
    if (alarming >= 2) return "rolled_back";
    return minutes >= 5 ? "promoted" : share;
  };
});

export const PRODUCTS: Readonly<Record<string, Product>> = { ours, draft, flagger, argo, codeDeploy };
