// Which of a service's versions is worse, in one sentence: only what the numbers carry is said.
import { wilson } from "./judge/confidence.ts";

export interface Measured {
  readonly version: string;
  readonly requests: number;
  readonly failed: number;
  readonly p95Ms: number | undefined;
}

export interface Comparison {
  /** The version that is worse; undefined when none is, as far as can be told. */
  readonly worse: string | undefined;
  readonly text: string;
}

/** Standard deviations: both shares have to be that far from each other's. */
const SURE = 2;
/** Fewer failures may be anything. */
const LEAST_FAILED = 3;
/** Fewer answers say nothing about times. */
const ENOUGH_TIMES = 100;
/** So many times slower is said. */
const SLOWER = 1.5;

/** `versions` are those with traffic in the last `windowSecs`. */
export function compareVersions(versions: readonly Measured[], windowSecs: number): Comparison {
  const busy = versions.filter(({ requests }) => requests > 0);
  const over = `in the last ${spanOf(windowSecs)}`;
  const [worst, ...rest] = busy.toSorted((a, b) => shareOf(b) - shareOf(a));
  const best = rest.at(-1);
  if (!worst) return { worse: undefined, text: `no requests ${over}` };
  if (!best) return { worse: undefined, text: `${worst.version} fails ${percent(worst)} ${over}` };
  if (areApart(worst, best)) {
    const text = `${worst.version} is worse: it fails ${percent(worst)} of its requests, ${best.version} ${percent(best)} ${over}`;
    return { worse: worst.version, text };
  }
  const slow = slowerOf(busy);
  if (slow)
    return {
      worse: slow.slow.version,
      text: `${slow.slow.version} is slower: 95 % of its answers come within ${ms(slow.slow)}, of ${slow.fast.version} within ${ms(slow.fast)} ${over}`,
    };
  return { worse: undefined, text: `no version is worse ${over}` };
}

function areApart(worst: Measured, best: Measured): boolean {
  const [lower] = wilson([worst.requests, worst.failed], SURE);
  const [, upper] = wilson([best.requests, best.failed], SURE);
  return worst.failed >= LEAST_FAILED && lower > upper;
}

function slowerOf(versions: readonly Measured[]): { slow: Measured; fast: Measured } | undefined {
  const timed = versions
    .filter(({ requests, p95Ms }) => requests >= ENOUGH_TIMES && p95Ms !== undefined)
    .toSorted((a, b) => (b.p95Ms ?? 0) - (a.p95Ms ?? 0));
  const [slow, fast] = [timed[0], timed.at(-1)];
  if (!slow || !fast || (slow.p95Ms ?? 0) < SLOWER * (fast.p95Ms ?? 0)) return undefined;
  return { slow, fast };
}

function shareOf({ failed, requests }: Measured): number {
  return failed / requests;
}

function percent(one: Measured): string {
  return `${(Math.round(shareOf(one) * 1_000) / 10).toFixed(1)} %`;
}

function ms({ p95Ms = 0 }: Measured): string {
  return p95Ms >= 1_000 ? `${(p95Ms / 1_000).toFixed(1)} s` : `${Math.round(p95Ms)} ms`;
}

function spanOf(secs: number): string {
  if (secs < 120) return `${secs} s`;
  return secs < 7_200 ? `${Math.round(secs / 60)} min` : `${Math.round(secs / 3_600)} h`;
}
