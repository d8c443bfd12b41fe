// The counters of many workers as one: each tells what has changed, and what it told is added up.

import { BUCKET_COUNT } from "../../core/latency-histogram.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Load } from "../forward/in-flight.ts";
import {
  type Meter,
  NONE_UNANSWERED,
  STATUS_CLASSES,
  type TargetTraffic,
  type Unanswered,
} from "../traffic-counters.ts";
import type { Report } from "./protocol.ts";

/**
 * Tells what the counters of all targets have gained since they were last told, to whomever: each count is told once, whoever listens.
 * Counters that are given count as told.
 */
export class Reporter {
  readonly #loads: () => Iterable<Load>;
  /** A meter is its target's for as long as that counts. */
  readonly #told = new WeakMap<Meter, TargetTraffic>();
  /** What who listens has heard of. */
  #heard = new WeakSet<Meter>();

  constructor(loads: () => Iterable<Load>, isTold = false) {
    this.#loads = loads;
    if (isTold) for (const load of loads()) this.#told.set(load.meter, load.traffic());
  }

  /** Somebody else listens from now on, who has to hear what is in flight. */
  begin(): void {
    this.#heard = new WeakSet();
  }

  /** The targets whose counters have moved since they were last told; all of them the first time. */
  moved(): Report[] {
    const moved: Report[] = [];
    for (const load of this.#loads()) {
      const { meter } = load;
      const now = load.traffic();
      const then = this.#told.get(meter);
      if (this.#heard.has(meter) && !hasMoved(now, then)) continue;
      this.#heard.add(meter);
      this.#told.set(meter, now);
      moved.push(reportOf(now, then));
    }
    return moved;
  }
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

function reportOf(now: TargetTraffic, then: TargetTraffic | undefined): Report {
  const gained = (count: number, at: number) => count - (then?.buckets[at] ?? 0);
  const { count, clients, overdue } = now.unanswered;
  return {
    id: now.id,
    inFlight: now.inFlight,
    idleMs: now.idleMs,
    requests: now.requests - (then?.requests ?? 0),
    failures: now.failures - (then?.failures ?? 0),
    unanswered: {
      count: count - (then?.unanswered.count ?? 0),
      clients: [...clients],
      overdue: [...overdue],
    },
    statuses: now.statuses.map((one, at) => one - (then?.statuses[at] ?? 0)),
    buckets:
      now.buckets === then?.buckets
        ? []
        : now.buckets.flatMap((one, at) => (gained(one, at) === 0 ? [] : [at, gained(one, at)])),
  };
}

/** All that was counted, and nothing of what is in flight. */
export function countsOf(traffic: TargetTraffic): Report {
  const { count } = traffic.unanswered;
  return reportOf({ ...traffic, inFlight: 0, unanswered: { ...NONE_UNANSWERED, count } }, undefined);
}

/** As many as a worker tells of. */
const MOST_CLIENTS = 3;

export interface MergedTraffic {
  /** What one worker, known by any object, said: what it has counted since it last said something is added. */
  take(worker: object, reports: readonly Report[]): void;
  /** A worker is no more: what it counted stays, what it had in flight is gone. */
  leave(worker: object): void;
  all(): readonly TargetTraffic[];
  busy(): readonly TargetTraffic[];
  /** Forgets targets that are neither in the set nor busy. */
  retain(ids: ReadonlySet<string>): void;
}

/** What a worker said last of what is now, and not counted. */
interface Gauges extends Pick<Unanswered, "clients" | "overdue"> {
  readonly inFlight: number;
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
  const said = new Map<object, Map<string, Gauges>>();

  function add(sum: Sum, report: Report, before: Gauges | undefined): void {
    sum.inFlight += report.inFlight - (before?.inFlight ?? 0);
    sum.requests += report.requests;
    sum.failures += report.failures;
    sum.unanswered = added(sum.unanswered, report.unanswered, before);
    const hasAnswered = report.statuses.some((count) => count > 0);
    // What others left unanswered before this answer is over.
    if (hasAnswered) sum.unanswered = { ...sum.unanswered, clients: report.unanswered.clients };
    sum.busyAt = Math.max(sum.busyAt, clock.monotonic() - report.idleMs);
    if (hasAnswered) sum.statuses = sum.statuses.map((count, at) => count + (report.statuses[at] ?? 0));
    if (report.buckets.length > 0) sum.buckets = withPairs(sum.buckets, report.buckets);
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
      const before = said.get(worker) ?? new Map<string, Gauges>();
      said.set(worker, before);
      for (const report of reports) {
        const { id, inFlight, unanswered } = report;
        add(sumOf(id), report, before.get(id));
        before.set(id, { inFlight, clients: unanswered.clients, overdue: unanswered.overdue });
      }
    },
    leave(worker) {
      for (const [id, gauges] of said.get(worker) ?? []) {
        const sum = sums.get(id);
        if (sum === undefined || gauges.inFlight === 0) continue;
        sum.unanswered = added(sum.unanswered, NONE_UNANSWERED, gauges);
        sum.inFlight -= gauges.inFlight;
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
    retain(ids) {
      for (const { id, inFlight } of sums.values()) {
        if (inFlight > 0 || ids.has(id)) continue;
        sums.delete(id);
        for (const reports of said.values()) reports.delete(id);
      }
    },
  };
}

/** `before` is what the same worker said last. */
function added(sum: Unanswered, said: Unanswered, before: Gauges | undefined): Unanswered {
  const others = sum.clients.filter((client) => !before?.clients.includes(client));
  return {
    count: sum.count + said.count,
    clients: [...new Set([...said.clients, ...others])].slice(0, MOST_CLIENTS),
    overdue: sum.overdue.map(
      (count, place) => count + (said.overdue[place] ?? 0) - (before?.overdue[place] ?? 0),
    ),
  };
}

/** `pairs`: the number of a bucket and its count, again and again. */
function withPairs(counts: readonly number[], pairs: readonly number[]): number[] {
  const sum = [...counts];
  for (let at = 0; at < pairs.length; at += 2) {
    const bucket = pairs[at] ?? 0;
    sum[bucket] = (sum[bucket] ?? 0) + (pairs[at + 1] ?? 0);
  }
  return sum;
}
