// The counters of all targets over time, and of what they belong to: read every two seconds, so that requests pay nothing for it.
import {
  type Delta,
  MINUTE_MS,
  type Minute,
  type Step,
  TrafficSeries,
  type Window,
} from "../core/traffic-series.ts";
import type { Clock } from "../platform/time/clock.ts";
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
  /** All that a name's requests have led to since this process began: never less than before, whatever becomes of its targets. */
  totals(name: string): Totals | undefined;
}

export interface Totals {
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
  traffic(): readonly TargetTraffic[];
  /** Whether workers that outlived a server may tell what they had counted for it; else nothing was before this one. */
  readonly inherits: boolean;
  /** What a target belongs to, besides being itself: its version, its service. These are kept for a day. */
  groupsOf(targetId: string): readonly string[];
}

export const READ_EVERY_MS = 2_000;
/** Readings that make up ten seconds. */
const RECENT = 5;
/** Workers that outlived a server tell the next one at its start what they had counted for the last. */
const INHERITED_MS = 2_000;
/** How often series that nothing comes to are let go. */
const SWEEP_MS = 600_000;

export function createTrafficHistory(parts: TrafficHistoryParts): TrafficHistory {
  return new History(parts);
}

class History implements TrafficHistory {
  readonly #parts: TrafficHistoryParts;
  readonly #known = new Map<string, TargetTraffic>();
  readonly #series = new Map<string, TrafficSeries>();
  readonly #totals = new Map<string, { statuses: number[]; failures: number }>();
  /** Requests by name, of each of the last readings, the newest last. */
  readonly #recent: { readonly atMs: number; readonly counts: Map<string, number> }[] = [];
  readonly #openedAtMs: number;
  readonly #stops: readonly (() => void)[];
  #minute: number;

  constructor(parts: TrafficHistoryParts) {
    this.#parts = parts;
    const { clock } = parts;
    this.#openedAtMs = clock.monotonic();
    this.#minute = Math.floor(clock.now() / MINUTE_MS);
    this.#restore();
    this.#recent.push({ atMs: clock.monotonic(), counts: new Map() });
    this.#stops = [
      clock.every(READ_EVERY_MS, () => this.#tick()),
      clock.every(SWEEP_MS, () => this.#sweep()),
    ];
  }

  window(name: string, windowMs: number): Window | undefined {
    return this.#series.get(name)?.window(this.#parts.clock.now(), windowMs);
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
    for (const { minute, names } of this.#parts.journal?.read() ?? [])
      for (const [name, counts] of Object.entries(names)) this.#of(name).restore(minute, counts);
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
    const { clock, traffic, groupsOf, inherits } = this.#parts;
    const isInherited = inherits && clock.monotonic() - this.#openedAtMs <= INHERITED_MS;
    const nowMs = clock.now();
    for (const now of traffic()) {
      const known = this.#known.get(now.id);
      if (known && known.statuses === now.statuses && known.failures === now.failures) continue;
      this.#known.set(now.id, now);
      const before = known ?? (isInherited ? now : undefined);
      // A target that was forgotten and came again counts from nothing.
      const isSame = before && before.failures <= now.failures && answered(before) <= answered(now);
      const delta = deltaOf(isSame ? before : undefined, now);
      if (delta.requests === 0) continue;
      for (const name of [now.id, ...groupsOf(now.id)]) this.#add(name, nowMs, delta);
    }
  }

  #add(name: string, nowMs: number, delta: Change): void {
    this.#of(name).add(nowMs, delta);
    this.#count(name, delta);
    const counts = this.#recent.at(-1)?.counts;
    counts?.set(name, (counts.get(name) ?? 0) + delta.requests);
  }

  #count(name: string, { statuses, failures }: Change): void {
    const total = this.#totals.get(name) ?? { statuses: [0, 0, 0, 0, 0], failures: 0 };
    this.#totals.set(name, total);
    total.statuses = total.statuses.map((count, at) => count + (statuses[at] ?? 0));
    total.failures += failures;
  }

  /** Names of targets have a colon. */
  #of(name: string): TrafficSeries {
    const known = this.#series.get(name);
    if (known) return known;
    const made = new TrafficSeries(!name.includes(":"));
    this.#series.set(name, made);
    return made;
  }

  /** Closes the minute, and writes what happened in it. */
  #keep(nowMs: number): void {
    const names: Record<string, Minute> = {};
    for (const [name, series] of this.#series) {
      const minute = series.takeMinute(this.#minute, nowMs);
      if (minute) names[name] = minute;
    }
    if (Object.keys(names).length > 0) this.#parts.journal?.append({ minute: this.#minute, names });
    this.#minute = Math.floor(nowMs / MINUTE_MS);
  }

  #sweep(): void {
    const nowMs = this.#parts.clock.now();
    for (const [name, series] of this.#series) if (series.isIdle(nowMs)) this.#series.delete(name);
    // Those of services and versions stay: a counter does not go back.
    for (const name of this.#totals.keys())
      if (name.includes(":") && !this.#series.has(name)) this.#totals.delete(name);
    const there = new Set(this.#parts.traffic().map(({ id }) => id));
    for (const id of this.#known.keys()) if (!there.has(id)) this.#known.delete(id);
  }
}

function answered({ statuses }: TargetTraffic): number {
  return statuses.reduce((sum, count) => sum + count, 0);
}

interface Change extends Delta, Totals {}

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
