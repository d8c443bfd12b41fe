// Recent rates of each instance: differences between readings of cumulative counters, over the last ten seconds.
import type { Clock } from "../../platform/time/clock.ts";
import { quantileMs, type TargetTraffic } from "../../proxy/traffic-counters.ts";

export interface Rate {
  readonly requestsPerSec: number;
  readonly errorPercent: number;
  /** Milliseconds to the head of the answer; null when nothing was answered lately. */
  readonly p95Ms: number | null;
}

export interface Rates extends Disposable {
  /** Up to this reading, which must be of now; without one there is no rate. */
  of(now: TargetTraffic | undefined): Rate;
}

interface Reading {
  readonly atMs: number;
  readonly targets: ReadonlyMap<string, TargetTraffic>;
}

const EVERY_MS = 1_000;
const READINGS = 11;
const NONE: Rate = { requestsPerSec: 0, errorPercent: 0, p95Ms: null };

/** Reads `traffic` once a second until disposed, not at once: what workers counted for an earlier server is no rate. */
export function createRates(clock: Clock, traffic: () => readonly TargetTraffic[]): Rates {
  const readings: Reading[] = [];

  function read(): void {
    readings.push({ atMs: clock.monotonic(), targets: new Map(traffic().map((one) => [one.id, one])) });
    if (readings.length > READINGS) readings.shift();
  }

  const stop = clock.every(EVERY_MS, read);
  return {
    of(now) {
      const oldest = readings[0];
      if (!oldest || !now) return NONE;
      return rateBetween(oldest.targets.get(now.id), now, clock.monotonic() - oldest.atMs);
    },
    [Symbol.dispose]: stop,
  };
}

function rateBetween(from: TargetTraffic | undefined, to: TargetTraffic, elapsedMs: number): Rate {
  const requests = to.requests - (from?.requests ?? 0);
  if (requests <= 0) return NONE;
  const errors = errorsOf(to) - (from ? errorsOf(from) : 0);
  const buckets = to.buckets.map((count, index) => count - (from?.buckets[index] ?? 0));
  return {
    requestsPerSec: Math.round((requests / Math.max(elapsedMs, EVERY_MS)) * 10_000) / 10,
    errorPercent: Math.round((errors / requests) * 10_000) / 100,
    p95Ms: round(quantileMs(buckets, 0.95)),
  };
}

/** Tries that gave no answer, and answers that say the server failed. */
export function errorsOf(traffic: TargetTraffic): number {
  return traffic.failures + (traffic.statuses[4] ?? 0);
}

function round(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms * 100) / 100;
}
