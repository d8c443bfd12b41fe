// What each latency bucket is worth to a bet: the ranks of a canary's answers among what the stable answered before.

/** Four buckets to a doubling of the time. */
const BUCKETS_PER_DOUBLING = 4;
/** A version this many times as slow is what each alternative bets on, in terms of ranks (Lehmann 1953). */
export const SLOWER = [1.5, 2.5, 5] as const;
const LEAST_ODDS = 1 / 30;
/** Below this many earlier answers nothing is said about times. */
const LEAST_HISTORY = 100;
/** A stall takes longer than four times what 95 % of the answers take. */
const STALL = 2 * BUCKETS_PER_DOUBLING;

export interface LatencyScale {
  /** Where an answer of each bucket would stand among the earlier ones, 0 to 1. A stale one costs power, never truth. */
  readonly ranks: readonly number[];
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
  const ranks = history.map((count) => {
    below += count;
    return (below - count / 2) / total;
  });
  let p95 = history.length;
  for (let above = 0; p95 > 0 && above <= 0.05 * total; ) above += history[--p95] ?? 0;
  return { ranks, stall: p95 + STALL, grace };
}

/** The odds of an answer at a rank, for a version `slower` times as slow: any odds are fair. */
export function oddsAt(rank: number, slower: number): number {
  return Math.max(LEAST_ODDS, slower * rank ** (slower - 1));
}

/** The whole buckets that a factor (1.4x) leaves free. */
export function graceOf(factor: number): number {
  return Math.round(Math.log2(factor) * BUCKETS_PER_DOUBLING);
}
