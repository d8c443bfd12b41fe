// What one name's requests led to, over time: in steps of 10 s for an hour and of a minute for a day, and with all times of the
// last hour, so that quantiles of any window are those of the requests in it. Of fixed size, whatever the traffic.
import { BUCKET_COUNT, bucketMiddleMs, quantileBucket, quantileMs } from "./latency-histogram.ts";

export interface Counts {
  /** Those that were answered or left without an answer. */
  readonly requests: number;
  /** Answers of 500 and above, and tries that gave none. */
  readonly failed: number;
  /** Answers of 400 to 499. */
  readonly rejected: number;
}

/** Counts of a moment, with the times to the heads of the answers: the numbers of buckets, each followed by its count. */
export interface Delta extends Counts {
  readonly pairs: readonly number[];
}

/** One step of a chart. */
export interface Step extends Counts {
  /** When it began, in milliseconds since the Unix epoch. */
  readonly atMs: number;
  readonly p50Ms: number | undefined;
  readonly p95Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

/** Everything in a window. */
export interface Window extends Counts {
  quantileMs(part: number): number | undefined;
}

/** A minute as it is kept on disk: counts, then the buckets of three quantiles, 0 for none and else one more. */
export type Minute = readonly [requests: number, failed: number, rejected: number, ...quantiles: number[]];

export const STEP_MS = 10_000;
export const MINUTE_MS = 60_000;
/** One more than is asked for, as the one that is not over has a place too. */
export const HOUR_STEPS = 361;
const DAY_MINUTES = 1_441;
const QUANTILES = [0.5, 0.95, 0.99] as const;
/** Whole histograms are kept of so many steps, and of so many minutes. */
const STEP_TIMES = 30;
const MINUTE_TIMES = 60;

/** A ring of steps, each with the number of the step that is in it. */
class Ring {
  readonly stepMs: number;
  readonly length: number;
  readonly #numbers: Int32Array;
  /** requests, failed, rejected */
  readonly #counts: Uint32Array;
  readonly #quantiles: Uint16Array;

  constructor(length: number, stepMs: number) {
    this.length = length;
    this.stepMs = stepMs;
    this.#numbers = new Int32Array(length).fill(-1);
    this.#counts = new Uint32Array(3 * length);
    this.#quantiles = new Uint16Array(QUANTILES.length * length);
  }

  numberOf(atMs: number): number {
    return Math.floor(atMs / this.stepMs);
  }

  /** Adds to what is there of the same step; `quantiles` replace what there was. */
  add(number: number, [requests, failed, rejected, ...quantiles]: Minute): void {
    const place = number % this.length;
    if (this.#numbers[place] !== number) {
      this.#numbers[place] = number;
      this.#counts.fill(0, 3 * place, 3 * place + 3);
    }
    for (const [at, count] of [requests, failed, rejected].entries())
      this.#counts[3 * place + at] = (this.#counts[3 * place + at] ?? 0) + count;
    this.#quantiles.set(quantiles, QUANTILES.length * place);
  }

  /** Adds the counts of steps from `from` to before `to`. */
  sum(from: number, to: number, sum: { requests: number; failed: number; rejected: number }): void {
    for (let number = Math.max(from, 0); number < to; number++) {
      const place = number % this.length;
      if (this.#numbers[place] !== number) continue;
      sum.requests += this.#counts[3 * place] ?? 0;
      sum.failed += this.#counts[3 * place + 1] ?? 0;
      sum.rejected += this.#counts[3 * place + 2] ?? 0;
    }
  }

  /** Undefined where nothing happened. */
  at(number: number): Step | undefined {
    const place = number % this.length;
    if (this.#numbers[place] !== number) return undefined;
    const [requests = 0, failed = 0, rejected = 0] = this.#counts.subarray(3 * place, 3 * place + 3);
    const [p50Ms, p95Ms, p99Ms] = Array.from(
      this.#quantiles.subarray(QUANTILES.length * place, QUANTILES.length * (place + 1)),
      (bucket) => (bucket === 0 ? undefined : bucketMiddleMs(bucket - 1)),
    );
    return { atMs: number * this.stepMs, requests, failed, rejected, p50Ms, p95Ms, p99Ms };
  }
}

/** The histograms of the last steps, sparse. */
class Times {
  readonly #kept: ({ readonly number: number; readonly pairs: Uint16Array | Uint32Array } | undefined)[];

  constructor(length: number) {
    this.#kept = new Array(length).fill(undefined);
  }

  set(number: number, dense: Uint32Array): void {
    const pairs: number[] = [];
    for (let bucket = 0; bucket < dense.length; bucket++) {
      const count = dense[bucket] ?? 0;
      if (count > 0) pairs.push(bucket, count);
    }
    const isSmall = pairs.every((value) => value <= 0xffff);
    const packed = isSmall ? Uint16Array.from(pairs) : Uint32Array.from(pairs);
    this.#kept[number % this.#kept.length] = { number, pairs: packed };
  }

  addTo(sum: Uint32Array, number: number): void {
    const kept = this.#kept[number % this.#kept.length];
    if (kept?.number === number) addPairs(sum, kept.pairs);
  }
}

/** A step that is not over. */
class Open {
  number = -1;
  requests = 0;
  failed = 0;
  rejected = 0;
  readonly times = new Uint32Array(BUCKET_COUNT);

  begin(number: number): void {
    this.number = number;
    this.requests = this.failed = this.rejected = 0;
    this.times.fill(0);
  }

  add({ requests, failed, rejected, pairs }: Delta): void {
    this.requests += requests;
    this.failed += failed;
    this.rejected += rejected;
    addPairs(this.times, pairs);
  }

  record(): Minute {
    const quantiles = QUANTILES.map((part) => (quantileBucket(this.times, part) ?? -1) + 1);
    return [this.requests, this.failed, this.rejected, ...quantiles];
  }
}

export class TrafficSeries {
  readonly #hour = new Ring(HOUR_STEPS, STEP_MS);
  readonly #day: Ring | undefined;
  readonly #stepTimes = new Times(STEP_TIMES);
  readonly #minuteTimes = new Times(MINUTE_TIMES);
  readonly #step = new Open();
  readonly #minute = new Open();
  /** The last minute that has ended, until it is taken. */
  #ended: { readonly number: number; readonly minute: Minute } | undefined;

  /** Without a day it costs a third: for single instances. */
  constructor(hasDay: boolean) {
    this.#day = hasDay ? new Ring(DAY_MINUTES, MINUTE_MS) : undefined;
  }

  /** Adds what came until `nowMs`; time may stand, and be set back. */
  add(nowMs: number, delta: Delta): void {
    this.#settle(nowMs);
    this.#step.add(delta);
    this.#minute.add(delta);
  }

  /** What happened in a minute that has just ended, once; undefined when nothing did. */
  takeMinute(number: number, nowMs: number): Minute | undefined {
    this.#settle(nowMs);
    if (this.#ended?.number !== number) return undefined;
    const { minute } = this.#ended;
    this.#ended = undefined;
    return minute;
  }

  /** Closes the steps that are over. */
  #settle(nowMs: number): void {
    const step = Math.floor(nowMs / STEP_MS);
    if (this.#step.number !== step) {
      this.#close(this.#step, this.#hour, this.#stepTimes);
      this.#step.begin(step);
    }
    const number = Math.floor(nowMs / MINUTE_MS);
    if (this.#minute.number === number) return;
    if (this.#minute.requests > 0)
      this.#ended = { number: this.#minute.number, minute: this.#minute.record() };
    this.#close(this.#minute, this.#day, this.#minuteTimes);
    this.#minute.begin(number);
  }

  /** A minute that an earlier server has counted. */
  restore(number: number, minute: Minute, nowMs: number): void {
    this.#day?.add(number, minute);
    const [requests, failed, rejected, ...quantiles] = minute;
    const steps = MINUTE_MS / STEP_MS;
    // Within the minute it is not known when; the sum is right.
    for (let at = 0; at < steps; at++) {
      const part = (count: number) =>
        Math.floor((count * (at + 1)) / steps) - Math.floor((count * at) / steps);
      this.#hour.add(restoredStep(number * steps + at, nowMs), [
        part(requests),
        part(failed),
        part(rejected),
        ...quantiles,
      ]);
    }
  }

  /** What came in the last `windowMs`, to the step; up to an hour. Whole steps, and what has come since. Its times are of when they are asked for first. */
  window(nowMs: number, windowMs: number): Window {
    this.#settle(nowMs);
    const { number: last, requests, failed, rejected } = this.#step;
    const steps = Math.min(HOUR_STEPS - 1, Math.round(windowMs / STEP_MS));
    const sum = { requests, failed, rejected };
    this.#hour.sum(last - steps, last, sum);
    let times: Uint32Array | undefined;
    return {
      ...sum,
      quantileMs: (part) => {
        times ??= this.#times(last - steps, last);
        return quantileMs(times, part);
      },
    };
  }

  /** The steps of a range that have ended, oldest first, and those in which nothing happened too. */
  steps(nowMs: number, rangeMs: number, isMinutes: boolean): Step[] {
    this.#settle(nowMs);
    const ring = isMinutes ? this.#day : this.#hour;
    if (!ring) return [];
    const last = ring.numberOf(nowMs);
    const count = Math.min(ring.length - 1, Math.round(rangeMs / ring.stepMs));
    return Array.from({ length: count }, (_, at) => {
      const number = last - count + at;
      const nothing = { atMs: number * ring.stepMs, requests: 0, failed: 0, rejected: 0 };
      return ring.at(number) ?? { ...nothing, p50Ms: undefined, p95Ms: undefined, p99Ms: undefined };
    });
  }

  /** Whether anything happened in the last day, or the last hour of one that has no day. */
  isIdle(nowMs: number): boolean {
    return this.steps(nowMs, Number.MAX_SAFE_INTEGER, this.#day !== undefined).every(
      ({ requests }) => requests === 0,
    );
  }

  #close(open: Open, ring: Ring | undefined, times: Times): void {
    if (open.number < 0 || open.requests === 0) return;
    ring?.add(open.number, open.record());
    times.set(open.number, open.times);
  }

  /** Those of a range and of the step that is not over; from minutes where the steps are not kept any more. */
  #times(from: number, to: number): Uint32Array {
    const times = new Uint32Array(BUCKET_COUNT);
    if (this.#step.number === to) times.set(this.#step.times);
    const perMinute = MINUTE_MS / STEP_MS;
    const oldest = to - STEP_TIMES;
    let number = from;
    if (number < oldest) {
      const minutes = Math.ceil(oldest / perMinute);
      for (let minute = Math.floor(number / perMinute); minute < minutes; minute++)
        this.#minuteTimes.addTo(times, minute);
      number = minutes * perMinute;
    }
    for (; number < to; number++) this.#stepTimes.addTo(times, number);
    return times;
  }
}

/** What an earlier process counted came before now, also when the minute is not over. */
export function restoredStep(step: number, nowMs: number): number {
  return Math.min(step, Math.floor(nowMs / STEP_MS) - 1);
}

function addPairs(sum: Uint32Array, pairs: ArrayLike<number>): void {
  for (let at = 0; at < pairs.length; at += 2) {
    const bucket = pairs[at] ?? 0;
    sum[bucket] = (sum[bucket] ?? 0) + (pairs[at + 1] ?? 0);
  }
}
