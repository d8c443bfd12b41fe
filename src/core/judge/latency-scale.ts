// What each latency bucket is worth to a bet: the ranks of a canary's answers among what the stable answered before.

/** Four buckets to a doubling of the time. */
export const BUCKETS_PER_DOUBLING = 4;
/** A version this many times as slow is what each alternative bets on, in terms of ranks (Lehmann 1953). */
const SLOWER = [1.5, 2.5, 5] as const;
const LEAST_ODDS = 1 / 30;
/** Below this many earlier answers nothing is said about times. */
const LEAST_HISTORY = 100;
/** A stall takes longer than four times what 95 % of the answers take. */
const STALL = 2 * BUCKETS_PER_DOUBLING;

export interface LatencyScale {
  /** The odds of each alternative by bucket: any odds are fair, so a stale or thin history costs power, never truth. */
  readonly odds: readonly [readonly number[], readonly number[], readonly number[]];
  /** Answers in higher buckets are stalls. */
  readonly stall: number;
  /** How many buckets slower is free: 1 is 19 %, 2 are 41 %. */
  readonly grace: number;
}

/** Undefined: the history is too thin for a word about times. */
export function scaleOf(history: readonly number[], grace: number): LatencyScale | undefined {
  let total = 0;
  for (const count of history) total += count;
  if (total < LEAST_HISTORY) return undefined;
  let below = 0;
  const rank = history.map((count) => {
    below += count;
    return (below - count / 2) / total;
  });
  let p95 = history.length;
  for (let above = 0; p95 > 0 && above <= 0.05 * total; ) above += history[--p95] ?? 0;
  const oddsFor = (k: number) => rank.map((u) => Math.max(LEAST_ODDS, k * u ** (k - 1)));
  return { odds: [oddsFor(SLOWER[0]), oddsFor(SLOWER[1]), oddsFor(SLOWER[2])], stall: p95 + STALL, grace };
}

/** The whole buckets that a factor (1.4x) leaves free. */
export function graceOf(factor: number): number {
  return Math.round(Math.log2(factor) * BUCKETS_PER_DOUBLING);
}
