// The counters of all targets over time, of what they belong to, and of what the proxy answered itself: read every two seconds, so
// that requests pay nothing for it.
import { CountSeries } from "../core/count-series.ts";
import {
  type Counts,
  type Delta,
  MINUTE_MS,
  type Minute,
  type Step,
  TrafficSeries,
  type Window,
} from "../core/traffic-series.ts";
import type { Clock } from "../platform/time/clock.ts";
import { statusOf } from "./answers.ts";
import { isOwnCount, readOwnCount } from "./own-counts.ts";
import type { TargetTraffic } from "./traffic-counters.ts";

export interface TrafficHistory extends Disposable {
  /** Reads the counters now; what the others answer is as of the last reading. */
  refresh(): void;
  /** What came in the last so many milliseconds, at least ten seconds; undefined for a name that nothing came to. */
  window(name: string, windowMs: number): Window | undefined;
  /** Requests a second over the last ten seconds. */
  rate(name: string): number;
  /** By steps of 10 s, or of minutes. */
  steps(name: string, rangeMs: number, isMinutes: boolean): readonly Step[];
  names(): Iterable<string>;
  /** Those under which the proxy itself answered something in the last hour: see own-counts and `isLasting`. */
  ownNames(which: "lasting" | "passing"): Iterable<string>;
  /** What it answered itself since this process began, by lasting name. */
  ownTotals(): Iterable<readonly [name: string, count: number]>;
  /** All that a name's requests have led to since this process began: never less than before, whatever becomes of its targets. */
  totals(name: string): Totals | undefined;
}

export interface Totals {
  readonly requests: number;
  /** Answers by status class, 1xx to 5xx. */
  readonly statuses: readonly number[];
  /** Tries that gave no answer. */
  readonly failures: number;
}

/** The minutes of earlier processes, and where those of this one go. */
export interface MinuteJournal {
  /** All that is kept, oldest first. */
  read(): Iterable<MinuteRecord>;
  append(record: MinuteRecord): void;
}

export interface MinuteRecord {
  /** Minutes since the Unix epoch. */
  readonly minute: number;
  readonly names: Readonly<Record<string, Minute>>;
}

export interface TrafficHistoryParts {
  readonly clock: Clock;
  readonly journal: MinuteJournal | undefined;
  /** Counted since this process began. */
  traffic(): readonly TargetTraffic[];
  /** What the proxy answered itself since it was last asked, by name: see own-counts. */
  takeOwn(): Iterable<readonly [name: string, count: number]>;
  /** What a name belongs to, besides being itself: of a target its version and its service. */
  groupsOf(name: string): readonly string[];
  /** Whether a name is for good: its totals never go back, and its traffic is kept for a day. Others are let go when nothing comes. */
  isLasting(name: string): boolean;
}

export const READ_EVERY_MS = 2_000;
/** What a hundred thousand routes get of the proxy itself is read in parts, so that no reading takes long. */
const OWN_EVERY_MS = 200;
/** Readings that make up ten seconds. */
const RECENT = 5;
/** How often series that nothing comes to are let go. */
const SWEEP_MS = 600_000;
/** Of names of own answers that do not last, so many are kept of each minute, those with the most: a hundred thousand may get some. */
const MOST_KEPT = 1_000;

export function createTrafficHistory(parts: TrafficHistoryParts): TrafficHistory {
  return new History(parts);
}

class History implements TrafficHistory {
  readonly #parts: TrafficHistoryParts;
  readonly #known = new Map<string, TargetTraffic>();
  readonly #series = new Map<string, TrafficSeries>();
  /** What the proxy answered itself: of the names that last, and of the others, which may be many. */
  readonly #own = { lasting: new Map<string, CountSeries>(), passing: new Map<string, CountSeries>() };
  readonly #totals = new Map<string, { requests: number; statuses: number[]; failures: number }>();
  /** Requests by name, of each of the last readings, the newest last. */
  readonly #recent: { readonly atMs: number; readonly counts: Map<string, number> }[] = [];
  readonly #stops: readonly (() => void)[];
  #minute: number;

  constructor(parts: TrafficHistoryParts) {
    this.#parts = parts;
    const { clock } = parts;
    this.#minute = Math.floor(clock.now() / MINUTE_MS);
    this.#restore();
    this.#recent.push({ atMs: clock.monotonic(), counts: new Map() });
    this.#stops = [
      clock.every(READ_EVERY_MS, () => this.#tick()),
      clock.every(OWN_EVERY_MS, () => this.#readOwn()),
      clock.every(SWEEP_MS, () => this.#sweep()),
    ];
  }

  window(name: string, windowMs: number): Window | undefined {
    const nowMs = this.#parts.clock.now();
    if (!isOwnCount(name)) return this.#series.get(name)?.window(nowMs, windowMs);
    const own = this.#ownPlace(name).get(name);
    return own && { ...ownCounts(name, own.sum(nowMs, windowMs)), quantileMs: () => undefined };
  }

  rate(name: string): number {
    const [oldest] = this.#recent;
    const seconds = (this.#parts.clock.monotonic() - (oldest?.atMs ?? 0)) / 1000;
    const requests = this.#recent.reduce((sum, { counts }) => sum + (counts.get(name) ?? 0), 0);
    return requests / Math.max(seconds, READ_EVERY_MS / 1000);
  }

  steps(name: string, rangeMs: number, isMinutes: boolean): readonly Step[] {
    return this.#series.get(name)?.steps(this.#parts.clock.now(), rangeMs, isMinutes) ?? [];
  }

  names(): Iterable<string> {
    return this.#series.keys();
  }

  ownNames(which: "lasting" | "passing"): Iterable<string> {
    return this.#own[which].keys();
  }

  *ownTotals(): Iterable<readonly [string, number]> {
    for (const [name, { requests }] of this.#totals) if (isOwnCount(name)) yield [name, requests];
  }

  totals(name: string): Totals | undefined {
    return this.#totals.get(name);
  }

  [Symbol.dispose](): void {
    for (const stop of this.#stops) stop();
    // What has been counted of this minute is kept as far as it goes; the rest of it adds up when it is read.
    this.refresh();
    this.#keep(this.#parts.clock.now() + MINUTE_MS);
  }

  #restore(): void {
    const nowMs = this.#parts.clock.now();
    for (const { minute, names } of this.#parts.journal?.read() ?? [])
      for (const [name, counts] of Object.entries(names))
        (isOwnCount(name) ? this.#ownOf(name) : this.#of(name)).restore(minute, counts, nowMs);
  }

  #tick(): void {
    this.refresh();
    this.#recent.push({ atMs: this.#parts.clock.monotonic(), counts: new Map() });
    while (this.#recent.length > RECENT + 1) this.#recent.shift();
    const now = this.#parts.clock.now();
    if (Math.floor(now / MINUTE_MS) !== this.#minute) this.#keep(now);
  }

  /** Adds what each target has had since it was last read: a target that is gone takes nothing with it. */
  refresh(): void {
    const { clock, traffic, groupsOf } = this.#parts;
    const nowMs = clock.now();
    for (const now of traffic()) {
      const known = this.#known.get(now.id);
      if (known && known.statuses === now.statuses && known.failures === now.failures) continue;
      this.#known.set(now.id, now);
      // A target that was forgotten and came again counts from nothing.
      const isSame = known && known.failures <= now.failures && answered(known) <= answered(now);
      const delta = deltaOf(isSame ? known : undefined, now);
      if (delta.requests === 0) continue;
      for (const name of [now.id, ...groupsOf(now.id)]) this.#add(name, nowMs, delta);
    }
    this.#readOwn();
  }

  #readOwn(): void {
    const { clock, takeOwn, groupsOf, isLasting } = this.#parts;
    const nowMs = clock.now();
    const sums = new Map<string, Sum>();
    for (const [name, count] of takeOwn()) {
      const kind = kindOf(name);
      const grow = (of: string) => {
        const sum = sums.get(of) ?? { requests: 0, statuses: [0, 0, 0, 0, 0] };
        sum.requests += count;
        if (kind > 0) sum.statuses[kind - 1] = (sum.statuses[kind - 1] ?? 0) + count;
        sums.set(of, sum);
      };
      // Of own answers for one route only windows are told: there may be a hundred thousand.
      if (isLasting(name)) grow(name);
      else this.#ownOf(name).add(nowMs, count);
      for (const group of groupsOf(name)) grow(group);
    }
    for (const [name, sum] of sums) this.#add(name, nowMs, ownDelta(sum));
  }

  #add(name: string, nowMs: number, delta: Change): void {
    if (isOwnCount(name)) this.#ownOf(name).add(nowMs, delta.requests);
    else this.#of(name).add(nowMs, delta);
    this.#count(name, delta);
    const counts = this.#recent.at(-1)?.counts;
    counts?.set(name, (counts.get(name) ?? 0) + delta.requests);
  }

  #count(name: string, { requests, statuses, failures }: Change): void {
    const total = this.#totals.get(name) ?? { requests: 0, statuses: [0, 0, 0, 0, 0], failures: 0 };
    this.#totals.set(name, total);
    total.requests += requests;
    total.statuses = total.statuses.map((count, at) => count + (statuses[at] ?? 0));
    total.failures += failures;
  }

  #of(name: string): TrafficSeries {
    const known = this.#series.get(name);
    if (known) return known;
    const made = new TrafficSeries(this.#parts.isLasting(name));
    this.#series.set(name, made);
    return made;
  }

  #ownPlace(name: string): Map<string, CountSeries> {
    return this.#own[this.#parts.isLasting(name) ? "lasting" : "passing"];
  }

  #ownOf(name: string): CountSeries {
    const place = this.#ownPlace(name);
    const known = place.get(name);
    if (known) return known;
    const made = new CountSeries();
    place.set(name, made);
    return made;
  }

  /** Closes the minute, and writes what happened in it. */
  #keep(nowMs: number): void {
    const names: Record<string, Minute> = {};
    for (const [name, series] of this.#series) {
      const minute = series.takeMinute(this.#minute, nowMs);
      if (minute) names[name] = minute;
    }
    for (const [name, count] of this.#ownOfMinute()) {
      const { requests, failed, rejected } = ownCounts(name, count);
      names[name] = [requests, failed, rejected];
    }
    if (Object.keys(names).length > 0) this.#parts.journal?.append({ minute: this.#minute, names });
    this.#minute = Math.floor(nowMs / MINUTE_MS);
  }

  #ownOfMinute(): (readonly [name: string, count: number])[] {
    const { lasting, passing } = this.#own;
    const counted = (place: ReadonlyMap<string, CountSeries>) =>
      Array.from(place, ([name, series]) => [name, series.minute(this.#minute)] as const).filter(
        ([, count]) => count > 0,
      );
    return [...counted(lasting), ...most(counted(passing), MOST_KEPT)];
  }

  #sweep(): void {
    const nowMs = this.#parts.clock.now();
    for (const place of [this.#own.lasting, this.#own.passing])
      for (const [name, series] of place) if (series.isIdle(nowMs)) place.delete(name);
    for (const [name, series] of this.#series) if (series.isIdle(nowMs)) this.#series.delete(name);
    for (const name of this.#totals.keys())
      if (!this.#parts.isLasting(name) && !this.#series.has(name)) this.#totals.delete(name);
    const there = new Set(this.#parts.traffic().map(({ id }) => id));
    for (const id of this.#known.keys()) if (!there.has(id)) this.#known.delete(id);
  }
}

/** Those with the highest counts, at most `room` of them: of a hundred thousand without putting all in order. */
function most(
  all: readonly (readonly [name: string, count: number])[],
  room: number,
): (readonly [name: string, count: number])[] {
  if (all.length <= room) return [...all];
  const least =
    Uint32Array.from(all, ([, count]) => count)
      .toSorted()
      .at(-room) ?? 0;
  const above = all.filter(([, count]) => count > least);
  return [...above, ...all.filter(([, count]) => count === least).slice(0, room - above.length)];
}

function answered({ statuses }: TargetTraffic): number {
  return statuses.reduce((sum, count) => sum + count, 0);
}

/** Own answers; `statuses` by class. */
interface Sum {
  requests: number;
  readonly statuses: number[];
}

interface Change extends Delta, Totals {}

/** The class of the status that an own answer has: 5 for 503; 0 for what is no answer. */
function kindOf(name: string): number {
  return Math.floor(statusOf(readOwnCount(name)?.reason ?? "") / 100);
}

function ownCounts(name: string, requests: number): Counts {
  const kind = kindOf(name);
  return { requests, failed: kind === 5 ? requests : 0, rejected: kind === 4 ? requests : 0 };
}

/** How long an own answer took says nothing about anybody. */
function ownDelta({ requests, statuses }: Sum): Change {
  const [, , , rejected = 0, failed = 0] = statuses;
  return { requests, failed, rejected, statuses, failures: 0, pairs: [] };
}

function deltaOf(before: TargetTraffic | undefined, now: TargetTraffic): Change {
  const status = (at: number) => (now.statuses[at] ?? 0) - (before?.statuses[at] ?? 0);
  const failures = now.failures - (before?.failures ?? 0);
  const pairs: number[] = [];
  if (before?.buckets !== now.buckets)
    for (let bucket = 0; bucket < now.buckets.length; bucket++) {
      const count = (now.buckets[bucket] ?? 0) - (before?.buckets[bucket] ?? 0);
      if (count > 0) pairs.push(bucket, count);
    }
  return {
    statuses: now.statuses.map((_, at) => status(at)),
    failures,
    requests: answered(now) - (before ? answered(before) : 0) + failures,
    failed: status(4) + failures,
    rejected: status(3),
    pairs,
  };
}
