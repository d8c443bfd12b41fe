// Candidates for the rule on errors, each over the same answers and the same plan: 5, 25, 50 % for ten minutes each.
import { oddsOf, SURE } from "../../src/core/judge/bet.ts";
import { NO_EVIDENCE, type Tick, take } from "../../src/core/judge/evidence.ts";
import type { Random } from "./chance.ts";
import { createWorld, type World } from "./world.ts";

export interface Verdict {
  readonly seconds: number | undefined;
  readonly harm: number;
}

/** Sees each second; whether it takes the canary back. */
type Watch = (tick: Tick, second: number) => boolean;

export function watched(watch: () => Watch, world: World, random: Random): Verdict {
  const { pass } = createWorld(world, random);
  const sees = watch();
  let harm = 0;
  for (let second = 1; second <= 1_800; second++) {
    const share = second <= 600 ? 0.05 : second <= 1_200 ? 0.25 : 0.5;
    const tick = { ...pass(second, 1, share), share };
    harm += tick.canary.errors;
    if (sees(tick, second)) return { seconds: second, harm };
  }
  return { seconds: undefined, harm };
}

const bets: () => Watch = () => {
  let evidence = NO_EVIDENCE;
  return (tick, second) => {
    evidence = take(evidence, tick, undefined, second);
    return oddsOf(evidence.errors) >= SURE;
  };
};

interface Counts {
  n: number;
  x: number;
  m: number;
  y: number;
}

function counted(
  everySeconds: number,
  isCumulative: boolean,
  strikes: (counts: Counts) => boolean,
): () => Watch {
  return () => {
    let counts: Counts = { n: 0, x: 0, m: 0, y: 0 };
    return ({ canary, stable }, second) => {
      counts.n += canary.answers;
      counts.x += canary.errors;
      counts.m += stable.answers;
      counts.y += stable.errors;
      if (second % everySeconds !== 0) return false;
      const isBad = strikes(counts);
      if (!isCumulative) counts = { n: 0, x: 0, m: 0, y: 0 };
      return isBad;
    };
  };
}

/** The one-sided p of Fisher's exact test: of x + y errors at least x in n of n + m. */
function fisher({ n, x, m, y }: Counts): number {
  const errors = x + y;
  if (x === 0) return 1;
  let p = 0;
  for (let k = x; k <= Math.min(errors, n); k++)
    p += Math.exp(logChoose(n, k) + logChoose(m, errors - k) - logChoose(n + m, errors));
  return p;
}

const logs: number[] = [0];
function logFactorial(n: number): number {
  for (let i = logs.length; i <= n; i++) logs.push((logs[i - 1] ?? 0) + Math.log(i));
  return logs[n] ?? 0;
}

function logChoose(n: number, k: number): number {
  return k < 0 || k > n ? Number.NEGATIVE_INFINITY : logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

/** The normal approximation of the mixture sequential ratio test on the difference of shares. */
function msprt({ n, x, m, y }: Counts): boolean {
  if (n === 0 || m === 0) return false;
  const pooled = (x + y) / (n + m);
  const variance = pooled * (1 - pooled) * (1 / n + 1 / m);
  const spread = 0.02 ** 2;
  const difference = x / n - y / m;
  if (variance === 0 || difference <= 0) return false;
  const log =
    0.5 * Math.log(variance / (variance + spread)) +
    (difference ** 2 * spread) / (2 * variance * (variance + spread));
  return log >= Math.log(1_000);
}

const isDraftBad = ({ n, x, m, y }: Counts) => x >= 3 && x / n > 0.01 && x / n > (2 * y) / Math.max(1, m);

export const RULES: Readonly<Record<string, () => Watch>> = {
  "draft windows": counted(60, false, isDraftBad),
  "Fisher per minute, 1 %": counted(60, false, (counts) => fisher(counts) < 0.01),
  "Fisher per minute, Bonferroni 0.1 %": counted(60, false, (counts) => fisher(counts) < 0.001 / 30),
  "Fisher, all so far, each second, 0.1 %": counted(1, true, (counts) => fisher(counts) < 0.001),
  "mSPRT on the difference": counted(1, true, msprt),
  "share bets 2, 4, 32 (ours)": bets,
};
