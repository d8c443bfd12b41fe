// What happened to each target's requests, counted cheaply enough for the hot path and mergeable over workers.
import { BUCKET_COUNT, bucketOf } from "../core/latency-histogram.ts";

/** Requests that were left without an answer: reset, refused, timed out, or still waiting. Uploads, upgrades and streams of events are not among them. */
export interface Unanswered {
  /** Those that have ended, since the target was first routed. */
  readonly count: number;
  /** Up to three different clients, hashed, that those are from which ended since the last answer, or wait for long. */
  readonly clients: readonly number[];
  /** How many wait for longer than 5, 10, 20, 40 and 80 s. */
  readonly overdue: readonly number[];
}

export const NONE_UNANSWERED: Unanswered = { count: 0, clients: [], overdue: [0, 0, 0, 0, 0] };

/** Cumulative counts of one target since it was first routed: rates are differences of two readings. */
export interface TargetTraffic {
  readonly id: string;
  /** Requests and open streams, from the pick to the last byte read from the target. */
  readonly inFlight: number;
  /** Milliseconds since something was last in flight; 0 while something is. */
  readonly idleMs: number;
  /** Requests that were sent or tried. */
  readonly requests: number;
  /** Answers by status class: 1xx, 2xx, 3xx, 4xx, 5xx. */
  readonly statuses: readonly number[];
  /** Tries that gave no answer or broke off in its middle; not those that the visitor gave up. */
  readonly failures: number;
  /** Requests that got no answer at all; see UnansweredCounter. */
  readonly unanswered: Unanswered;
  /** Answers by the time to their head, in the buckets of core/latency-histogram. */
  readonly buckets: readonly number[];
}

/** 1xx to 5xx. */
export const STATUS_CLASSES = 5;

/** The counters of one target. */
export class Meter {
  requests = 0;
  failures = 0;
  readonly statuses = new Uint32Array(STATUS_CLASSES);
  readonly buckets = new Uint32Array(BUCKET_COUNT);
  #counts: Pick<TargetTraffic, "statuses" | "buckets"> | undefined;

  /** A copy, made anew only after an answer: most targets are read more often than they answer. */
  counts(): Pick<TargetTraffic, "statuses" | "buckets"> {
    this.#counts ??= { statuses: [...this.statuses], buckets: [...this.buckets] };
    return this.#counts;
  }

  answered(status: number, headMs: number): void {
    const at = ((status / 100) | 0) - 1;
    this.statuses[at] = (this.statuses[at] ?? 0) + 1;
    const bucket = bucketOf(headMs);
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
    this.#counts = undefined;
  }
}
