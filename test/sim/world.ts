// A made-up world: how many requests come, what share of them fails, and how long the others take.
import type { Tally } from "../../src/core/judge/evidence.ts";
import { LATENCY_BUCKETS, latencyBucketOf } from "../../src/core/judge/latency-buckets.ts";
import { binomial, normal, poisson, type Random } from "./chance.ts";

/** What befalls both versions alike. */
export type Weather = "calm" | "bad minutes" | "outage";

export interface World {
  readonly perSecond: number;
  /** The share of answers that fails in both versions. */
  readonly base: number;
  readonly weather: Weather;
  /** The canary's share of failures, from the base of that moment. */
  readonly fault: (base: number) => number;
  /** Undefined: nothing is said about times. */
  readonly times?: Times | undefined;
}

/** Milliseconds, `slower` times as long for the canary. */
export interface Times {
  readonly draw: (random: Random) => number;
  readonly slower: number;
}

export const same = (base: number): number => base;

const OUTAGE = 0.3;

/** One second after the other. */
export function createWorld(world: World, random: Random) {
  const outageAt = Math.floor(random() * 600);
  let isBad = false;
  return {
    /** What both answer in `seconds` from `second`, when the canary has this share. */
    pass(second: number, seconds: number, share: number): { canary: Tally; stable: Tally } {
      if (world.weather === "bad minutes" && second % 60 < seconds) isBad = random() < 0.1;
      if (world.weather === "outage") isBad = second >= outageAt && second < outageAt + 300;
      const base = isBad ? Math.max(world.base, OUTAGE) : world.base;
      const answers = poisson(random, world.perSecond * seconds);
      const ours = binomial(random, answers, share);
      const { times } = world;
      return {
        canary: tally(random, ours, world.fault(base), times?.draw, times?.slower ?? 1, isBad),
        stable: tally(random, answers - ours, base, times?.draw, 1, isBad),
      };
    },
  };
}

const NO_BUCKETS: readonly number[] = [];

function tally(
  random: Random,
  answers: number,
  failing: number,
  draw: Times["draw"] | undefined,
  slower: number,
  isBad: boolean,
): Tally {
  const errors = binomial(random, answers, failing);
  if (draw === undefined) return { answers, errors, rejections: 0, buckets: NO_BUCKETS };
  const buckets = new Array<number>(LATENCY_BUCKETS).fill(0);
  for (let i = errors; i < answers; i++) {
    const bucket = latencyBucketOf(draw(random) * slower * (isBad ? 3 : 1));
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  return { answers, errors, rejections: 0, buckets };
}

const lognormal = (sigma: number) => (random: Random) => 20 * Math.exp(sigma * normal(random));

/** How times vary in real services, from a fixed computation to a mixture of everything. */
export const SHAPES: Readonly<Record<string, Times["draw"]>> = {
  "lognormal 0.5": lognormal(0.5),
  "lognormal 1": lognormal(1),
  cache: (random) => (random() < 0.8 ? 2 : 60) * Math.exp(0.3 * normal(random)),
  "lognormal 1.5": lognormal(1.5),
  "lognormal 0.1": lognormal(0.1),
};
