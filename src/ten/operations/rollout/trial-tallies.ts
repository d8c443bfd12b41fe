// What the data plane counted of a rollout, as the judge takes it: by split, each visitor once a step; and what needs no statistics.
import type { Tally, Tick } from "../../../core/judge/evidence.ts";
import { LATENCY_BUCKETS } from "../../../core/judge/latency-buckets.ts";
import type { Harm } from "../../../core/judge/rollout-state.ts";
import type { TrialCounts } from "../../../proxy/trial-counters.ts";

type Side = "canary" | "stable";
type Counting = { -readonly [K in keyof Omit<Tally, "buckets">]: number } & { readonly buckets: number[] };

/** More of them are not told apart. */
const MOST_VISITORS = 10_000;
/** Splits whose share is remembered: a request may take as long as a few of them last. */
const KEPT_SPLITS = 16;
const REFUSED_IN_A_ROW = 5;
const UNANSWERED = 5;
const SILENT_MS = 10_000;

export class TrialTallies {
  /** The canary's share under each split, the newest last. */
  readonly #shares = new Map<string, number>();
  readonly #ticks = new Map<string, Record<Side, Counting>>();
  readonly #visitors: Record<Side, Set<number>> = { canary: new Set(), stable: new Set() };
  readonly #silence = new Silence();
  #step = "";
  #refused = 0;
  #harm = { rescued: 0, seen: 0 };

  /** What is in force now. `step` is another one whenever visitors are to be counted anew. */
  use(split: string, share: number, step: string): void {
    this.#shares.delete(split);
    this.#shares.set(split, share);
    const [oldest] = this.#shares.keys();
    if (this.#shares.size > KEPT_SPLITS && oldest !== undefined) this.#shares.delete(oldest);
    if (step === this.#step) return;
    this.#step = step;
    for (const seen of Object.values(this.#visitors)) seen.clear();
  }

  add(counts: TrialCounts, side: Side): void {
    this.#silence.add(counts, side);
    if (side === "canary") {
      this.#refused = refusedInARow(this.#refused, counts);
      this.#harm.rescued += counts.rescued;
      this.#harm.seen += counts.seen;
    }
    // Counted under a split of an earlier server.
    if (!this.#shares.has(counts.split)) return;
    const tick = this.#ticks.get(counts.split) ?? { canary: none(), stable: none() };
    this.#ticks.set(counts.split, tick);
    const tally = tick[side];
    tally.answers += counts.answers;
    tally.errors += counts.errors + this.#firstErrors(counts.visitors, side);
    tally.rejections += counts.rejections;
    for (const [bucket, count] of counts.buckets.entries())
      if (count > 0) tally.buckets[bucket] = (tally.buckets[bucket] ?? 0) + count;
  }

  get isEmpty(): boolean {
    return this.#ticks.size === 0;
  }

  /** Errors of the canary that have not been taken. */
  get errors(): number {
    return this.#ticks.values().reduce((sum, { canary }) => sum + canary.errors, 0);
  }

  /** All that has been added since it was last taken, one tick for each split. */
  take(): Tick[] {
    const ticks = Array.from(this.#ticks, ([split, sides]) => ({
      ...sides,
      share: this.#shares.get(split) ?? 0,
    }));
    this.#ticks.clear();
    return ticks;
  }

  /** What became of the canary's errors since it was last asked. */
  takeHarm(): Harm {
    const harm = this.#harm;
    this.#harm = { rescued: 0, seen: 0 };
    return harm;
  }

  /** What the canary does not do any more, in words that read on after its name. */
  failure(nowMs: number, share: number): string | undefined {
    const silence = this.#silence.failure(nowMs, share);
    return this.#refused >= REFUSED_IN_A_ROW ? `refused ${this.#refused} connections in a row` : silence;
  }

  #firstErrors(visitors: readonly number[], side: Side): number {
    const seen = this.#visitors[side];
    let first = 0;
    for (const visitor of visitors) {
      if (seen.has(visitor) || seen.size >= MOST_VISITORS) continue;
      seen.add(visitor);
      first += 1;
    }
    return first;
  }
}

function none(): Counting {
  return { answers: 0, errors: 0, rejections: 0, buckets: new Array<number>(LATENCY_BUCKETS).fill(0) };
}

/** In a row as far as a tenth of a second tells: whoever answers in it breaks the row. */
function refusedInARow(before: number, { answers, refused }: TrialCounts): number {
  if (answers > refused) return 0;
  return before + refused;
}

/** Whether the canary answers none of several requests that wait too long, while the stable answers, and quicker. */
class Silence {
  readonly #waiting = { canary: new Waiting(), stable: new Waiting() };
  #answeredAtMs: number | undefined;
  #hasStableAnswered = false;
  #isNew = { canary: false, stable: false };

  add(counts: TrialCounts, side: Side): void {
    if (counts.answers > 0) this.#isNew[side] = true;
    this.#waiting[side].add(counts);
  }

  failure(nowMs: number, share: number): string | undefined {
    const { canary, stable } = this.#waiting;
    const [ours, theirs] = [canary.longAt(nowMs), stable.longAt(nowMs)];
    if (this.#isNew.canary || canary.count === 0) {
      this.#answeredAtMs = nowMs;
      this.#hasStableAnswered = false;
    }
    this.#answeredAtMs ??= nowMs;
    this.#hasStableAnswered ||= this.#isNew.stable;
    this.#isNew = { canary: false, stable: false };
    if (nowMs - this.#answeredAtMs < SILENT_MS || !this.#hasStableAnswered || ours < UNANSWERED)
      return undefined;
    // Where the stable's requests take as long (long polling), it is no silence.
    if (theirs * share * 4 >= ours * (1 - share)) return undefined;
    return `has answered nothing for ${SILENT_MS / 1000} s, ${ours} requests wait`;
  }
}

/** The requests of one side that have no answer yet. */
class Waiting {
  /** How many had begun by then, the newest last. */
  readonly #begun: { readonly atMs: number; readonly count: number }[] = [];
  #all = 0;
  #ended = 0;

  add({ begun, ended }: TrialCounts): void {
    this.#all += begun;
    this.#ended += ended;
  }

  get count(): number {
    return this.#all - this.#ended;
  }

  /** Those that have waited for `SILENT_MS` or longer. To be asked again and again. */
  longAt(nowMs: number): number {
    this.#begun.push({ atMs: nowMs, count: this.#all });
    while ((this.#begun[1]?.atMs ?? nowMs) <= nowMs - SILENT_MS) this.#begun.shift();
    const [then] = this.#begun;
    return then === undefined || then.atMs > nowMs - SILENT_MS ? 0 : Math.max(0, then.count - this.#ended);
  }
}
