// Rules on times: how often they take back a version that is as fast, and how soon they find one that is not.
import { oddsOf, SURE } from "../../src/core/judge/bet.ts";
import { NO_EVIDENCE, take } from "../../src/core/judge/evidence.ts";
import { scaleOf } from "../../src/core/judge/latency-scale.ts";
import type { Random } from "./chance.ts";
import { createWorld, type World } from "./world.ts";

const PLAN_S = 1_800;

/** The share by the second: 5, 25, 50 % for ten minutes each. */
function shareAt(second: number): number {
  return second < 600 ? 0.05 : second < 1_200 ? 0.25 : 0.5;
}

/** Seconds until the rule strikes; undefined: it never does. */
export type TimesRule = (world: World, random: Random) => number | undefined;

function byRank(grace: number, by: "slow" | "stalls"): TimesRule {
  return (world, random) => {
    const { pass } = createWorld(world, random);
    let history: readonly number[] = pass(-200, 200, 0).stable.buckets;
    let evidence = NO_EVIDENCE;
    for (let second = 1; second <= PLAN_S; second++) {
      const share = shareAt(second);
      const tick = { ...pass(second, 1, share), share };
      if (second % 600 === 0) history = history.map((count, at) => count + (tick.stable.buckets[at] ?? 0));
      evidence = take(evidence, tick, scaleOf(history, grace), second);
      if (oddsOf(evidence[by]) >= SURE) return second;
    }
    return undefined;
  };
}

const quantile = (buckets: readonly number[], part: number) => {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  return buckets.findIndex((count) => {
    seen += count;
    return seen >= part * total;
  });
};

/** The draft: p95 above 1.5 times the stable's in a minute. Buckets are fine enough for that. */
function p95(): TimesRule {
  return (world, random) =>
    byMinutes(world, random, (canary, stable) => {
      return canary.total >= 50 && quantile(canary.buckets, 0.95) > quantile(stable.buckets, 0.95) + 2;
    });
}

/** Mann and Whitney on the ranks of a minute (or of all so far), one-sided, 0.1 %. */
function mannWhitney(isCumulative: boolean): TimesRule {
  return (world, random) =>
    byMinutes(
      world,
      random,
      (canary, stable) => zOfRanks(canary.buckets, stable.buckets) > 3.09,
      isCumulative,
    );
}

function zOfRanks(a: readonly number[], b: readonly number[]): number {
  const n = a.reduce((sum, count) => sum + count, 0);
  const m = b.reduce((sum, count) => sum + count, 0);
  if (n < 5 || m < 5) return 0;
  let u = 0;
  let below = 0;
  let ties = 0;
  for (const [bucket, ours] of a.entries()) {
    const theirs = b[bucket] ?? 0;
    u += ours * (below + theirs / 2);
    below += theirs;
    ties += (ours + theirs) ** 3 - (ours + theirs);
  }
  const all = n + m;
  const variance = ((n * m) / 12) * (all + 1 - ties / (all * (all - 1)));
  return variance <= 0 ? 0 : (u - (n * m) / 2) / Math.sqrt(variance);
}

interface Times {
  readonly buckets: number[];
  total: number;
}

function byMinutes(
  world: World,
  random: Random,
  strikes: (canary: Times, stable: Times) => boolean,
  isCumulative = false,
): number | undefined {
  const { pass } = createWorld(world, random);
  const none = (): Times => ({ buckets: new Array<number>(128).fill(0), total: 0 });
  let canary = none();
  let stable = none();
  const every = isCumulative ? 10 : 60;
  for (let second = every; second <= PLAN_S; second += every) {
    const now = pass(second, every, shareAt(second - 1));
    for (const [sum, more] of [
      [canary, now.canary],
      [stable, now.stable],
    ] as const) {
      for (const [bucket, count] of more.buckets.entries())
        sum.buckets[bucket] = (sum.buckets[bucket] ?? 0) + count;
      sum.total += more.answers;
    }
    if (strikes(canary, stable)) return second;
    if (!isCumulative) {
      canary = none();
      stable = none();
    }
  }
  return undefined;
}

export const TIMES_RULES: Readonly<Record<string, TimesRule>> = {
  "p95 > 1.5x in a minute": p95(),
  "Mann-Whitney, a minute": mannWhitney(false),
  "Mann-Whitney, all so far": mannWhitney(true),
  "rank bet, no grace": byRank(0, "slow"),
  "rank bet, 1 bucket (ours)": byRank(1, "slow"),
  "rank bet, 2 buckets": byRank(2, "slow"),
  "stall bet (ours)": byRank(1, "stalls"),
};
