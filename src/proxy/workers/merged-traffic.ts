// The counters of many workers as one: each tells what has changed, and what it told is added up.

import { BUCKET_COUNT } from "../../core/latency-histogram.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Load } from "../forward/in-flight.ts";
import { isOwnCountOf } from "../own-counts.ts";
import { NONE_UNANSWERED, STATUS_CLASSES, type TargetTraffic, type Unanswered } from "../traffic-counters.ts";
import type { Report } from "./protocol.ts";

/** Answers the targets whose counters have moved since it was last asked; all of them the first time. */
export function createReporter(loads: () => Iterable<Load>): () => Report[] {
  const told = new WeakMap<Load, TargetTraffic>();
  return () => {
    const moved: Report[] = [];
    for (const load of loads()) {
      const now = load.traffic();
      if (!hasMoved(now, told.get(load))) continue;
      told.set(load, now);
      moved.push(reportOf(now));
    }
    return moved;
  };
}

/** An answer makes `statuses` another array: see Meter. */
function hasMoved(now: TargetTraffic, then: TargetTraffic | undefined): boolean {
  return (
    now.statuses !== then?.statuses ||
    now.requests !== then.requests ||
    now.failures !== then.failures ||
    now.inFlight !== then.inFlight ||
    now.unanswered.overdue.some((count, place) => count !== then.unanswered.overdue[place])
  );
}

function reportOf(traffic: TargetTraffic): Report {
  const buckets = traffic.buckets.flatMap((count, bucket) => (count === 0 ? [] : [bucket, count]));
  const { count, clients, overdue } = traffic.unanswered;
  return {
    ...traffic,
    unanswered: { count, clients: [...clients], overdue: [...overdue] },
    statuses: [...traffic.statuses],
    buckets,
  };
}

/** As many as a worker tells of. */
const MOST_CLIENTS = 3;

export interface MergedTraffic {
  /** What one worker, known by any object, said; its counters are added to what was known of it before. */
  take(worker: object, reports: readonly Report[]): void;
  /** A worker is no more: what it counted stays, what it had in flight is gone. */
  leave(worker: object): void;
  all(): readonly TargetTraffic[];
  busy(): readonly TargetTraffic[];
  /** Forgets targets that are neither in the set nor busy, and what was answered for routes that are not there. */
  retain(ids: ReadonlySet<string>, routes: ReadonlySet<string>): void;
}

interface Sum {
  readonly id: string;
  inFlight: number;
  requests: number;
  failures: number;
  unanswered: Unanswered;
  /** When something was last in flight, on the monotonic clock. */
  busyAt: number;
  /** Handed out as they are: whoever adds to them makes new ones. */
  statuses: number[];
  buckets: number[];
}

export function createMergedTraffic(clock: Clock): MergedTraffic {
  const sums = new Map<string, Sum>();
  const said = new Map<object, Map<string, Report>>();

  function add(sum: Sum, report: Report, before: Report | undefined): void {
    // A target that a worker had forgotten begins anew.
    const base = before !== undefined && before.requests <= report.requests ? before : undefined;
    sum.inFlight += report.inFlight - (before?.inFlight ?? 0);
    sum.requests += report.requests - (base?.requests ?? 0);
    sum.failures += report.failures - (base?.failures ?? 0);
    sum.unanswered = added(sum.unanswered, report.unanswered, before?.unanswered, base?.unanswered);
    // What others left unanswered before this answer is over.
    if (total(report.statuses) > total(base?.statuses ?? []))
      sum.unanswered = { ...sum.unanswered, clients: report.unanswered.clients };
    sum.busyAt = Math.max(sum.busyAt, clock.monotonic() - report.idleMs);
    sum.statuses = [...sum.statuses];
    sum.buckets = [...sum.buckets];
    for (const [i, count] of report.statuses.entries()) grow(sum.statuses, i, count);
    for (const [i, count] of base?.statuses.entries() ?? []) grow(sum.statuses, i, -count);
    addBuckets(sum.buckets, report.buckets, 1);
    if (base !== undefined) addBuckets(sum.buckets, base.buckets, -1);
  }

  function sumOf(id: string): Sum {
    const known = sums.get(id);
    if (known !== undefined) return known;
    const zeros = (count: number) => new Array<number>(count).fill(0);
    const statuses = zeros(STATUS_CLASSES);
    const buckets = zeros(BUCKET_COUNT);
    const sum = {
      id,
      inFlight: 0,
      requests: 0,
      failures: 0,
      unanswered: NONE_UNANSWERED,
      busyAt: Number.NEGATIVE_INFINITY,
      statuses,
      buckets,
    };
    sums.set(id, sum);
    return sum;
  }

  function show({ busyAt, ...counts }: Sum): TargetTraffic {
    return { ...counts, idleMs: counts.inFlight > 0 ? 0 : clock.monotonic() - busyAt };
  }

  return {
    take(worker, reports) {
      const before = said.get(worker) ?? new Map<string, Report>();
      said.set(worker, before);
      for (const report of reports) {
        add(sumOf(report.id), report, before.get(report.id));
        before.set(report.id, report);
      }
    },
    leave(worker) {
      for (const { id, inFlight, unanswered } of said.get(worker)?.values() ?? []) {
        const sum = sums.get(id);
        if (sum === undefined || inFlight === 0) continue;
        sum.unanswered = added(
          sum.unanswered,
          { ...NONE_UNANSWERED, count: unanswered.count },
          unanswered,
          unanswered,
        );
        sum.inFlight -= inFlight;
        sum.busyAt = clock.monotonic();
      }
      said.delete(worker);
    },
    all: () => Array.from(sums.values(), show),
    busy: () =>
      sums
        .values()
        .filter(({ inFlight }) => inFlight > 0)
        .map(show)
        .toArray(),
    retain(ids, routes) {
      for (const { id, inFlight } of sums.values()) {
        if (inFlight > 0 || ids.has(id) || isOwnCountOf(id, routes)) continue;
        sums.delete(id);
        for (const reports of said.values()) reports.delete(id);
      }
    },
  };
}

/** `before` is what the same worker said last, `base` the same unless it has begun to count anew. */
function added(
  sum: Unanswered,
  said: Unanswered,
  before: Unanswered | undefined,
  base: Unanswered | undefined,
): Unanswered {
  const others = sum.clients.filter((client) => !before?.clients.includes(client));
  return {
    count: sum.count + said.count - (base?.count ?? 0),
    clients: [...new Set([...said.clients, ...others])].slice(0, MOST_CLIENTS),
    overdue: sum.overdue.map(
      (count, place) => count + (said.overdue[place] ?? 0) - (before?.overdue[place] ?? 0),
    ),
  };
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function grow(counts: number[], at: number, by: number): void {
  counts[at] = (counts[at] ?? 0) + by;
}

/** `pairs`: the number of a bucket and its count, again and again. */
function addBuckets(counts: number[], pairs: readonly number[], times: 1 | -1): void {
  for (let i = 0; i < pairs.length; i += 2) grow(counts, pairs[i] ?? 0, times * (pairs[i + 1] ?? 0));
}
