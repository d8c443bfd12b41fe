// Which of a service's versions is worse, in one sentence: only what the numbers carry is said.
import { wilson } from "./judge/confidence.ts";

export interface Measured {
  readonly version: string;
  readonly requests: number;
  readonly failed: number;
  /** Of the times to the heads of its answers; undefined when there are none. */
  quantileMs(part: number): number | undefined;
}

/** What is wrong, and by which share of failures or from which time on it is seen in a step; undefined when nothing is. */
export type Trouble =
  /** `version` undefined: all of them alike. */
  | { readonly kind: "fails"; readonly version: string | undefined; readonly share: number }
  | { readonly kind: "slow"; readonly version: string; readonly overMs: number };

export interface Comparison {
  /** The version that is worse; undefined when none is, as far as can be told. */
  readonly worse: string | undefined;
  readonly trouble: Trouble | undefined;
  readonly text: string;
}

/** Standard deviations: both shares have to be that far from each other's. */
const SURE = 2;
/** Fewer failures may be anything. */
const LEAST_FAILED = 3;
/** What fails less, and no more than its siblings, is nobody's trouble. */
const LEAST_SHARE = 0.01;
/** Fewer answers say nothing about times. */
const ENOUGH_TIMES = 100;
/** So many times slower is said, and by so much: less is felt by nobody. */
const SLOWER = 1.5;
const SLOWER_MS = 10;
const TAIL = 0.95;

/** `versions` are those with traffic in the last `windowSecs`. */
export function compareVersions(versions: readonly Measured[], windowSecs: number): Comparison {
  const busy = versions.filter(({ requests }) => requests > 0);
  const over = `in the last ${spanOf(windowSecs)}`;
  const [worst, ...rest] = busy.toSorted((a, b) => shareOf(b) - shareOf(a));
  const best = rest.at(-1);
  const fails = (version: string | undefined, share: number): Trouble => ({ kind: "fails", version, share });
  if (!worst) return { worse: undefined, trouble: undefined, text: `no requests ${over}` };
  if (best && areApart(worst, best)) {
    const text = `${worst.version} is worse: it fails ${percent(worst)}, ${best.version} ${percent(best)} ${over}`;
    return { worse: worst.version, trouble: fails(worst.version, shareOf(worst)), text };
  }
  const all = sumOf(busy);
  const isFailing = all.failed >= LEAST_FAILED && shareOf(all) >= LEAST_SHARE;
  if (!best)
    return {
      worse: undefined,
      trouble: isFailing ? fails(worst.version, shareOf(worst)) : undefined,
      text: `${worst.version} fails ${percent(worst)} ${over}`,
    };
  const slow = slowerOf(busy);
  if (slow) return slowText(slow, over);
  if (isFailing) {
    const text = `no version is worse, but together they fail ${percent(all)} ${over}`;
    return { worse: undefined, trouble: fails(undefined, shareOf(all)), text };
  }
  return { worse: undefined, trouble: undefined, text: `no version is worse ${over}` };
}

function areApart(worst: Measured, best: Measured): boolean {
  const [lower] = wilson([worst.requests, worst.failed], SURE);
  const [, upper] = wilson([best.requests, best.failed], SURE);
  return worst.failed >= LEAST_FAILED && lower > upper;
}

/** The p95 of a version, and where it surely is. */
interface Tail {
  readonly version: string;
  readonly p95Ms: number;
  readonly leastMs: number;
  readonly mostMs: number;
}

interface Pair {
  readonly slow: Tail;
  readonly fast: Tail;
}

/** The quantiles within which that of the whole lies, whatever the times are like: the ranks of a binomial's bounds (David and Nagaraja, "Order Statistics", 7.1). */
function tailOf({ version, requests, quantileMs }: Measured): Tail[] {
  const aside = SURE * Math.sqrt((TAIL * (1 - TAIL)) / requests);
  const p95Ms = quantileMs(TAIL);
  const leastMs = quantileMs(TAIL - aside);
  const mostMs = quantileMs(Math.min(1, TAIL + aside));
  if (p95Ms === undefined || leastMs === undefined || mostMs === undefined) return [];
  return [{ version, p95Ms, leastMs, mostMs }];
}

function slowerOf(versions: readonly Measured[]): Pair | undefined {
  const tails = versions
    .filter(({ requests }) => requests >= ENOUGH_TIMES)
    .flatMap(tailOf)
    .toSorted((a, b) => b.p95Ms - a.p95Ms);
  const [slow, fast] = [tails[0], tails.at(-1)];
  if (!slow || !fast || slow.leastMs <= fast.mostMs) return undefined;
  const isFelt = slow.p95Ms >= SLOWER * fast.p95Ms && slow.p95Ms - fast.p95Ms >= SLOWER_MS;
  return isFelt ? { slow, fast } : undefined;
}

function slowText({ slow, fast }: Pair, over: string): Comparison {
  const [most, least] = [slow.p95Ms, fast.p95Ms];
  return {
    worse: slow.version,
    trouble: { kind: "slow", version: slow.version, overMs: (most + least) / 2 },
    text: `${slow.version} is slower by ${ms(most - least)}: p95 ${ms(most)}, ${fast.version} ${ms(least)} ${over}`,
  };
}

/** What a step of time says of a version. */
export interface Seen {
  readonly atMs: number;
  readonly requests: number;
  readonly failed: number;
  readonly p95Ms: number | undefined;
}

/** So many failures have to be missing before it was well: by chance that is one look in 150. */
const MISSING = 5;
/** So many steps in a row that were fast enough: it was not slow yet. */
const FAST_STEPS = 3;

/**
 * Since when it is so: the first step of the spell that reaches to now. `steps` are oldest first. Undefined where no step shows it yet,
 * as what is not over is no step.
 */
export function troubledSince(steps: readonly Seen[], trouble: Trouble): number | undefined {
  let since: number | undefined;
  let well = 0;
  for (const step of steps.toReversed()) {
    if (step.requests === 0) continue;
    const isBad = trouble.kind === "fails" ? step.failed > 0 : (step.p95Ms ?? 0) >= trouble.overMs;
    const enough = trouble.kind === "fails" ? MISSING / trouble.share : FAST_STEPS;
    if (isBad) since = step.atMs;
    well = isBad ? 0 : well + (trouble.kind === "fails" ? step.requests : 1);
    if (well >= enough) break;
  }
  return since;
}

type Counted = Pick<Measured, "requests" | "failed">;

function sumOf(versions: readonly Measured[]): Counted {
  const sum = (count: (one: Measured) => number) => versions.reduce((total, one) => total + count(one), 0);
  return { requests: sum(({ requests }) => requests), failed: sum(({ failed }) => failed) };
}

function shareOf({ failed, requests }: Counted): number {
  return failed / requests;
}

function percent(one: Counted): string {
  return `${(Math.round(shareOf(one) * 1_000) / 10).toFixed(1)} %`;
}

function ms(time: number): string {
  return time >= 1_000 ? `${(time / 1_000).toFixed(1)} s` : `${Math.round(time)} ms`;
}

function spanOf(secs: number): string {
  if (secs < 120) return `${secs} s`;
  return secs < 7_200 ? `${Math.round(secs / 60)} min` : `${Math.round(secs / 3_600)} h`;
}
