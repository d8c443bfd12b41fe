// What speaks against a canary: bets on its errors, its slow answers and its stalls, and the samples they were taken from.
import { afterBet, freshMoney, gain, type Wealth, withLateMoney } from "./bet.ts";
import type { Sample } from "./confidence.ts";
import { type LatencyScale, oddsAt, SLOWER } from "./latency-scale.ts";

/** What one version answered to first tries: those that the weights sent to it, without retries and rescues. */
export interface Tally {
  readonly answers: number;
  /** 5xx, refused, reset, timed out. */
  readonly errors: number;
  /** 4xx. */
  readonly rejections: number;
  /** Answers but 5xx by the time to their head, four buckets to a doubling. */
  readonly buckets: readonly number[];
}

/** What both answered under one split of the traffic. Any subset of ticks chosen without looking is as fair as all. */
export interface Tick {
  readonly canary: Tally;
  readonly stable: Tally;
  /** The canary's part of the traffic, 0 to 1, by the table that was in force when the requests came. */
  readonly share: number;
}

/** Plain data: it survives a restart as JSON. */
export interface Evidence {
  readonly errors: Wealth;
  readonly slow: Wealth;
  readonly stalls: Wealth;
  /** 4xx: a broken login is no 5xx. */
  readonly rejections: Wealth;
  /** The mirrored bet on errors: that the stable is the worse one. */
  readonly better: Wealth;
  /** Whole minutes that have brought their money. */
  readonly minute: number;
  readonly canary: Sample;
  readonly stable: Sample;
}

/** How many times as many errors each alternative bets on: the best of ten grids that were tried. */
export const WORSE = [2, 4, 32];
/** The stable is credited with one error in 1,000 answers, so that a smaller difference is never a reason. */
export const SLACK = 0.001;
/** Answers of the canary that are left out of what is said about times: caches and compilers are cold. */
export const WARM_UP = 20;

export const NO_EVIDENCE: Evidence = {
  errors: freshMoney(WORSE),
  slow: freshMoney(SLOWER),
  stalls: freshMoney(WORSE),
  rejections: freshMoney(WORSE),
  better: freshMoney(WORSE),
  minute: 0,
  canary: [0, 0],
  stable: [0, 0],
};

/** `seconds` is the age of the bets at the end of the tick; `scale` is undefined while nothing is said about times. */
export function take(
  before: Evidence,
  { canary, stable, share }: Tick,
  scale: LatencyScale | undefined,
  seconds: number,
): Evidence {
  const credit = SLACK * stable.answers;
  const worse = (wealth: Wealth, by: number, beside: number, part = share) =>
    afterBet(wealth, (i) => gain(WORSE[i] ?? 1, by, beside, part));
  const after = {
    ...before,
    errors: worse(before.errors, canary.errors, stable.errors + credit),
    rejections: worse(before.rejections, canary.rejections, stable.rejections + credit),
    better: worse(before.better, stable.errors, canary.errors + SLACK * canary.answers, 1 - share),
    canary: plus(before.canary, canary),
    stable: plus(before.stable, stable),
  };
  // Both sides begin at the same tick: the stable's answers alone would look like speed.
  if (scale !== undefined && before.canary[0] >= WARM_UP) {
    after.stalls = worse(before.stalls, above(canary, scale.stall), above(stable, scale.stall) + credit);
    const logs = gainByRank(scale, canary.buckets, stable.buckets, share);
    after.slow = afterBet(before.slow, (i) => logs[i] ?? 0);
  }
  return paidUntil(after, seconds);
}

function plus([answers, errors]: Sample, tally: Tally): Sample {
  return [answers + tally.answers, errors + tally.errors];
}

function above({ buckets }: Tally, limit: number): number {
  let count = 0;
  for (let bucket = limit + 1; bucket < buckets.length; bucket++) count += buckets[bucket] ?? 0;
  return count;
}

/** What each alternative gains; a canary's answer counts as if it had come `grace` buckets sooner. */
function gainByRank(
  { ranks, grace }: LatencyScale,
  canary: readonly number[],
  stable: readonly number[],
  share: number,
): number[] {
  const logs = SLOWER.map(() => 0);
  for (let bucket = 0; bucket < Math.max(canary.length, stable.length); bucket++) {
    const ours = canary[bucket] ?? 0;
    const theirs = stable[bucket] ?? 0;
    if (ours === 0 && theirs === 0) continue;
    const ourRank = ranks[Math.max(0, bucket - grace)] ?? 1;
    const theirRank = ranks[bucket] ?? 1;
    for (const [i, slower] of SLOWER.entries()) {
      logs[i] = (logs[i] ?? 0) + gain(oddsAt(ourRank, slower), ours, 0, share);
      logs[i] += gain(oddsAt(theirRank, slower), 0, theirs, share);
    }
  }
  return logs;
}

function paidUntil(evidence: Evidence, seconds: number): Evidence {
  let after = evidence;
  while (after.minute < Math.floor(seconds / 60)) {
    const minute = after.minute + 1;
    const paid = (wealth: Wealth) => withLateMoney(wealth, minute);
    after = {
      ...after,
      minute,
      errors: paid(after.errors),
      slow: paid(after.slow),
      stalls: paid(after.stalls),
      rejections: paid(after.rejections),
      better: paid(after.better),
    };
  }
  return after;
}
