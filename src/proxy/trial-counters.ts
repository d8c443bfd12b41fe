// What first tries led to while a version is judged beside others, by target and by split of the traffic.
import { LATENCY_BUCKETS, latencyBucketOf } from "../core/judge/latency-buckets.ts";

/**
 * Counted since it was last taken, of requests that their turn or their cookie sent to this target: without retries, which
 * are likelier to fail, and without requests that name it.
 */
export interface TrialCounts {
  readonly route: string;
  /** The split that was in force when they came. */
  readonly split: string;
  readonly target: string;
  readonly begun: number;
  /** Those that came to an end in any way. */
  readonly ended: number;
  /** Those that were answered or failed: not those that the visitor gave up. */
  readonly answers: number;
  /** 5xx, and tries that gave no answer or broke off in its middle; of kept visitors see `visitors`. */
  readonly errors: number;
  /** 4xx. */
  readonly rejections: number;
  /** Connections that were refused, among the errors. */
  readonly refused: number;
  /** Errors that the visitor did not see, as a later try was answered; and those that it did see. */
  readonly rescued: number;
  readonly seen: number;
  /** Answers but 5xx by the time to their head: where visitors are kept, only of new ones, who come by turn. */
  readonly buckets: readonly number[];
  /** Visitors that a cookie keeps and that saw an error, by their number, each once: one who always fails is one. */
  readonly visitors: readonly number[];
}

type Counting = { -readonly [K in keyof TrialCounts]: TrialCounts[K] } & {
  readonly buckets: number[];
  readonly visitors: number[];
};

/** More of them are not told apart: by then there is no doubt. */
const MOST_VISITORS = 10_000;

export class TrialCounters {
  /** By split and target. */
  readonly #counts = new Map<string, Counting>();
  /** Who saw an error, of the last split of each route. */
  readonly #seen = new Map<string, { readonly split: string; readonly visitors: Set<number> }>();

  begin(about: TrialVisit): TrialTry {
    this.of(about).begun += 1;
    return new TrialTry(this, about);
  }

  of({ route, split, target }: TrialSubject): Counting {
    const key = `${split} ${target}`;
    const known = this.#counts.get(key);
    if (known !== undefined) return known;
    const buckets = new Array<number>(LATENCY_BUCKETS).fill(0);
    const none = {
      begun: 0,
      ended: 0,
      answers: 0,
      errors: 0,
      rejections: 0,
      refused: 0,
      rescued: 0,
      seen: 0,
    };
    const fresh: Counting = { route, split, target, ...none, buckets, visitors: [] };
    this.#counts.set(key, fresh);
    return fresh;
  }

  /** An error of a visitor that is kept counts once in a split. */
  isFirstOf({ route, split }: TrialSubject, visitor: number): boolean {
    let seen = this.#seen.get(route);
    if (seen?.split !== split) {
      seen = { split, visitors: new Set() };
      this.#seen.set(route, seen);
    }
    if (seen.visitors.has(visitor) || seen.visitors.size >= MOST_VISITORS) return false;
    seen.visitors.add(visitor);
    return true;
  }

  /** What somebody else has counted. */
  add(counts: TrialCounts): void {
    const sum = this.of(counts);
    for (const what of [
      "begun",
      "ended",
      "answers",
      "errors",
      "rejections",
      "refused",
      "rescued",
      "seen",
    ] as const)
      sum[what] += counts[what];
    for (const [bucket, count] of counts.buckets.entries())
      if (count > 0) sum.buckets[bucket] = (sum.buckets[bucket] ?? 0) + count;
    sum.visitors.push(...counts.visitors.slice(0, MOST_VISITORS - sum.visitors.length));
  }

  /** Everything since it was last taken. */
  take(): TrialCounts[] {
    const counts = [...this.#counts.values()];
    this.#counts.clear();
    return counts;
  }

  /** Forgets routes where nothing is judged any more. */
  retain(judged: ReadonlySet<string>): void {
    for (const [key, { route }] of this.#counts) if (!judged.has(route)) this.#counts.delete(key);
    for (const route of this.#seen.keys()) if (!judged.has(route)) this.#seen.delete(route);
  }
}

/** Whose counters a try is. */
export interface TrialSubject {
  readonly route: string;
  readonly split: string;
  readonly target: string;
}

/** Where the visitor of a try comes from. */
export interface TrialVisit extends TrialSubject {
  /** It came by turn, and no cookie said where it belongs. */
  readonly isByTurn: boolean;
  /** The number of a visitor that a cookie keeps. */
  visitor(): number | undefined;
}

/** One first try, from its start until its outcome is known. */
export class TrialTry {
  readonly #counters: TrialCounters;
  readonly #visit: TrialVisit;
  #isEnded = false;
  #hasFailed = false;
  #isSettled = false;

  constructor(counters: TrialCounters, visit: TrialVisit) {
    this.#counters = counters;
    this.#visit = visit;
  }

  answered(status: number, headMs: number): void {
    if (!this.#end()) return;
    const counts = this.#counters.of(this.#visit);
    counts.answers += 1;
    if (status >= 400 && status < 500) counts.rejections += 1;
    if (status >= 500) this.#fail();
    else if (this.#visit.isByTurn) count(counts.buckets, latencyBucketOf(headMs));
  }

  /** Without an answer, or in its middle. */
  failed(isRefused: boolean): void {
    const counts = this.#counters.of(this.#visit);
    const isBroken = !this.#end();
    if (!isBroken) counts.answers += 1;
    if (isRefused) counts.refused += 1;
    this.#fail();
    if (isBroken) this.settled(500);
  }

  /** What the visitor gets in the end, from this try or from a later one. */
  settled(status: number): void {
    if (!this.#hasFailed || this.#isSettled) return;
    this.#isSettled = true;
    const counts = this.#counters.of(this.#visit);
    if (status < 500) counts.rescued += 1;
    else counts.seen += 1;
  }

  /** The visitor is the reason that nothing came of it. */
  left(): void {
    this.#end();
  }

  #end(): boolean {
    if (this.#isEnded) return false;
    this.#isEnded = true;
    this.#counters.of(this.#visit).ended += 1;
    return true;
  }

  #fail(): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    const counts = this.#counters.of(this.#visit);
    const visitor = this.#visit.visitor();
    if (visitor === undefined) counts.errors += 1;
    else if (this.#counters.isFirstOf(this.#visit, visitor)) counts.visitors.push(visitor);
  }
}

function count(buckets: number[], at: number): void {
  buckets[at] = (buckets[at] ?? 0) + 1;
}
