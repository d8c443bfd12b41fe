// Passive health: instances that pass their checks and answer no request leave the split, and come back by one request let through.

import { quantileMs } from "../../core/latency-histogram.ts";
import { mostMarked, probePauseMs, type Reading, SilenceWatch } from "../../core/passive-health.ts";
import type { Probe } from "../../core/route.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { TargetTraffic } from "../../proxy/traffic-counters.ts";
import type { InstanceRow, Registry } from "../registry/registry.ts";
import type { Instance } from "./instance.ts";

export interface SilenceParts {
  readonly registry: Registry;
  readonly clock: Clock;
  /** How many workers the proxy has. */
  readonly workers: number;
  traffic(): readonly TargetTraffic[];
  find(row: InstanceRow): Instance | undefined;
  onTrouble(text: string): void;
}

const LOOK_EVERY_MS = 1_000;
const REASON = "passes its check, answers no request";

/** One that was marked, and what it had answered by then. */
interface Marked {
  readonly instance: Instance;
  readonly runKey: string;
  readonly answered: number;
  /** How often a worker was asked to let a request through. */
  asked: number;
  /** What had been sent to it when the last one was asked, until that has had a visitor for it. */
  sentBefore: number | undefined;
  /** How many requests have been let through. */
  probes: number;
  nextProbeMs: number;
}

/** Looks once a second until disposed. The mark belongs to a run: the process after it begins without. */
export function watchSilence({
  registry,
  clock,
  workers,
  traffic,
  find,
  onTrouble,
}: SilenceParts): Disposable {
  const watches = new Map<string, SilenceWatch>();
  const marked = new Map<string, Marked>();

  function look(): void {
    const services = Map.groupBy(registry.list().filter(mayServe), (row) => row.service);
    const shared = [...services].filter(([, rows]) => rows.length > 1);
    for (const name of watches.keys()) if (!services.has(name)) watches.delete(name);
    if (shared.length === 0 && marked.size === 0) return;
    const counts = new Map(traffic().map((one) => [one.id, one]));
    for (const [service, rows] of shared) lookAt(service, rows, counts);
    for (const [name, mark] of marked) follow(name, mark, counts.get(name));
  }

  function lookAt(
    service: string,
    rows: readonly InstanceRow[],
    counts: ReadonlyMap<string, TargetTraffic>,
  ): void {
    const instances = new Map(rows.flatMap((row) => entryOf(find(row))));
    const readings = [...instances.keys()].flatMap((name) => readingOf(counts.get(name)));
    const watch = watches.get(service) ?? new SilenceWatch();
    watches.set(service, watch);
    const silent = watch.look(clock.monotonic(), readings);
    const isMarked = (name: string) => marked.has(name);
    let room = mostMarked(instances.size) - [...instances.keys()].filter(isMarked).length;
    for (const name of silent) {
      const instance = instances.get(name);
      if (room <= 0 || isMarked(name) || !instance) continue;
      room -= 1;
      mark(instance, counts.get(name));
    }
  }

  function mark(instance: Instance, count: TargetTraffic | undefined): void {
    if (!instance.run) return;
    if (instance.row.state === "healthy") {
      instance.run.silence = { reason: REASON, probe: undefined };
      onTrouble(`${instance.name}: ${REASON}`);
      instance.show("unhealthy", REASON);
    }
    marked.set(instance.name, {
      instance,
      runKey: instance.run.key,
      answered: answeredBy(count),
      asked: 0,
      sentBefore: undefined,
      probes: 0,
      nextProbeMs: clock.monotonic() + probePauseMs(0),
    });
  }

  /** Back when it has answered; otherwise one more request is let through when its pause is over. */
  function follow(name: string, mark: Marked, count: TargetTraffic | undefined): void {
    const { instance, runKey, answered } = mark;
    if (instance.run?.key !== runKey) marked.delete(name);
    else if (answeredBy(count) > answered) {
      marked.delete(name);
      answersAgain(instance);
    } else if (clock.monotonic() >= mark.nextProbeMs) probe(mark, count?.requests ?? 0);
  }

  /** Each worker in its turn is asked to let one request through, until one has had a visitor for it. */
  function probe(mark: Marked, sent: number): void {
    if (mark.sentBefore !== undefined && sent > mark.sentBefore) {
      mark.sentBefore = undefined;
      mark.probes += 1;
      mark.nextProbeMs = clock.monotonic() + probePauseMs(mark.probes);
      return;
    }
    const phase = (mark.asked % workers) / workers;
    mark.sentBefore = sent;
    mark.asked += 1;
    letOneThrough(mark.instance, { number: mark.asked, phase });
  }

  return { [Symbol.dispose]: clock.every(LOOK_EVERY_MS, look) };
}

/** One request is let through to it, to see whether it answers. */
function letOneThrough(instance: Instance, probe: Probe): void {
  const { run, row } = instance;
  if (!run?.silence) return;
  run.silence = { ...run.silence, probe };
  instance.show(row.state, row.reason);
}

function answersAgain(instance: Instance): void {
  const { run, row } = instance;
  if (!run?.silence) return;
  run.silence = undefined;
  if (row.state === "unhealthy" && run.state === "healthy")
    instance.show("healthy", "answers requests again");
}

/** Those that traffic is shared among, marked ones included. */
function mayServe({ desired, weight, state }: InstanceRow): boolean {
  return desired === "running" && weight > 0 && (state === "healthy" || state === "unhealthy");
}

/** Those that fail their checks are out of the split already. */
function entryOf(instance: Instance | undefined): [string, Instance][] {
  return instance?.run?.health.state === "healthy" ? [[instance.name, instance]] : [];
}

function readingOf(count: TargetTraffic | undefined): Reading[] {
  if (!count) return [];
  const { count: unanswered, clients, overdue } = count.unanswered;
  const p99Ms = quantileMs(count.buckets, 0.99);
  return [{ id: count.id, answered: answeredBy(count), unanswered, clients, overdue, p99Ms }];
}

function answeredBy(count: TargetTraffic | undefined): number {
  return count?.statuses.reduce((sum, one) => sum + one, 0) ?? 0;
}
