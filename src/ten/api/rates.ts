// What is said of an instance or a version now: over the shortest time in which enough has come to say it.
import { wilson } from "../../core/judge/confidence.ts";
import type { Window } from "../../core/traffic-series.ts";
import type { TargetTraffic } from "../../proxy/traffic-counters.ts";
import type { TrafficHistory } from "../../proxy/traffic-history.ts";

export interface Rate {
  /** Over the last ten seconds. */
  readonly requestsPerSec: number;
  /** Over the last `windowSecs`. */
  readonly errorPercent: number;
  /** Milliseconds to the head of the answer, over the same time; null when nothing was answered in it. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  readonly windowSecs: number;
}

/** Seconds. */
const WINDOWS = [10, 60, 300, 3_600] as const;
/** Of a version that fails one request in twenty, so many show none in a chance of 1 to 28,000. */
const ENOUGH = 200;
/** Standard deviations: a look at the page every two seconds for a day is wrong by chance once. */
const SURE = 4;
const NONE: Rate = {
  requestsPerSec: 0,
  errorPercent: 0,
  p50Ms: null,
  p95Ms: null,
  p99Ms: null,
  windowSecs: WINDOWS[0],
};

/** `name` is that of an instance, a version (`api/v2`) or a service, as the history has them. */
export function rateOf(history: Pick<TrafficHistory, "window" | "rate">, name: string): Rate {
  const windows: Seen[] = [];
  for (const secs of WINDOWS) {
    const window = history.window(name, secs * 1000);
    if (!window) return NONE;
    windows.push({ secs, window });
    if (window.requests >= ENOUGH) break;
  }
  const { secs, window } = tellingOf(windows) ?? { secs: 0, window: undefined };
  if (!window) return NONE;
  const quantile = (part: number) => rounded(window.quantileMs(part));
  return {
    requestsPerSec: Math.round(history.rate(name) * 10) / 10,
    errorPercent: Math.round(shareOf(window) * 10_000) / 100,
    p50Ms: quantile(0.5),
    p95Ms: quantile(0.95),
    p99Ms: quantile(0.99),
    windowSecs: secs,
  };
}

interface Seen {
  readonly secs: number;
  readonly window: Window;
}

/** The longest, as long as no shorter one says clearly otherwise: that it has begun to fail, or that it is well again. */
function tellingOf(windows: readonly Seen[]): Seen | undefined {
  const longest = windows.at(-1);
  const share = longest ? shareOf(longest.window) : 0;
  return windows.find(({ window }) => isOutside(share, window)) ?? longest;
}

function shareOf({ failed, requests }: Window): number {
  return requests === 0 ? 0 : failed / requests;
}

/** Whether a share is not to be believed of what was seen. */
function isOutside(share: number, { failed, requests }: Window): boolean {
  const [lower, upper] = wilson([requests, failed], SURE);
  return share < lower || share > upper;
}

/** Tries that gave no answer, and answers that say the server failed. */
export function errorsOf(traffic: TargetTraffic): number {
  return traffic.failures + (traffic.statuses[4] ?? 0);
}

function rounded(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms * 100) / 100;
}
