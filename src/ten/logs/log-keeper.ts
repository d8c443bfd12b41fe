// Keeps the logs of running instances: notes when their lines arrived, gives back what they hold beyond their limit, and finds those that were moved.
import { instanceName } from "../../core/name.ts";
import type { LogIndexer } from "../../platform/logs/log-index.ts";
import { LogSources, type LogWriter } from "../../platform/logs/log-sources.ts";
import { createLogTrimmer } from "../../platform/logs/log-trim.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { type DataPaths, STREAMS, type Stream } from "../config/paths.ts";
import type { InstanceRow, Registry } from "../registry/registry.ts";

/** Lines of different logs that came within this time may be shown in another order than they came. */
const LOOK_EVERY_MS = 100;
/** Logs looked at in one turn, about a millisecond; with more of them, the times of their lines get coarser. */
const LOOKS_A_TURN = 400;
/** A log is trimmed when it has grown by this since the last time. */
const TRIM_EVERY_BYTES = 1_048_576;
/** The access log is looked at once in so many looks. */
const ACCESS_EVERY = 50;
/** Of a process that writes to what it was given. */
const DESCRIPTORS: Readonly<Record<Stream, number>> = { stdout: 1, stderr: 2 };

export interface LogKeeper extends Disposable {
  /** Where what belongs at that path is to be read. */
  sourceOf(path: string): string;
}

/** One log of an instance that runs. */
interface Kept {
  readonly service: string;
  readonly id: string;
  readonly stream: Stream;
  readonly path: string;
  readonly writer: LogWriter;
}

export function createLogKeeper(parts: {
  readonly registry: Registry;
  readonly paths: DataPaths;
  readonly clock: Clock;
  readonly indexer: LogIndexer;
}): LogKeeper {
  const { registry, paths, clock, indexer } = parts;
  const trimmer = createLogTrimmer();
  const sources = new LogSources();
  /** Sizes at the last trimming, by log. */
  const trimmed = new Map<string, number>();
  /** Sizes at the last look. */
  const sizes = new Map<string, number>();
  /** What is still to be looked at in this round. */
  let due: Kept[] = [];
  /** The logs of each instance that ran at the last round. */
  let ran: ReadonlyMap<string, readonly Kept[]> = new Map();

  function keep(log: Kept): void {
    const { path } = log;
    const source = sources.of(path);
    const before = sizes.get(path);
    const size = indexer.look(path, source);
    sizes.set(path, size);
    // A file that only grows is the one that it was.
    const mayBeGone = before === undefined || size === 0 || size < before || source !== path;
    if (mayBeGone && sources.look(path, log.writer)) tell(log);
    trim(path, size);
  }

  function trim(path: string, size: number): void {
    const before = trimmed.get(path);
    if (before !== undefined && size >= before && size - before < TRIM_EVERY_BYTES) return;
    if (size > 0) trimmer.trim(sources.of(path));
    trimmed.set(path, size);
  }

  function tell({ service, id, stream, path }: Kept): void {
    const text = `${path} was removed or moved while ${instanceName(service, id)} runs: its ${stream} is read and bounded through its process, and is lost with that; the next start makes a file anew`;
    // Told again by the next look when it cannot be written now.
    registry
      .write((writer) => writer.event(service, id, "log.moved", text))
      .catch(() => sources.forget(path));
  }

  /** What runs, and once more what ran at the last round: its last lines. */
  function nextRound(): Kept[] {
    const runs = new Map<string, readonly Kept[]>();
    for (const row of registry.list()) {
      if (row.pid === null || row.startTime === null) continue;
      const name = instanceName(row.service, row.id);
      const known = ran.get(name);
      runs.set(name, known?.[0]?.writer.pid === row.pid ? known : logsOf(row, row.pid, row.startTime));
    }
    const ended = [...ran].filter(([name]) => !runs.has(name)).flatMap(([, logs]) => logs);
    for (const { path } of ended) for (const known of [trimmed, sizes]) known.delete(path);
    ran = runs;
    return [...runs.values()].flat().concat(ended);
  }

  function logsOf({ service, id }: InstanceRow, pid: number, startTime: string): readonly Kept[] {
    return STREAMS.map((stream) => {
      const path = paths.log(service, id, stream);
      // Of another process before it.
      sources.forget(path);
      sizes.delete(path);
      return { service, id, stream, path, writer: { pid, startTime, descriptor: DESCRIPTORS[stream] } };
    });
  }

  let accessAt = 0;

  function look(): void {
    if (accessAt++ % ACCESS_EVERY === 0) trimmer.trim(paths.accessLog);
    if (due.length === 0) due = nextRound();
    for (const log of due.splice(0, LOOKS_A_TURN)) keep(log);
  }

  const stop = clock.every(LOOK_EVERY_MS, look);
  return {
    sourceOf: (path) => sources.of(path),
    [Symbol.dispose]() {
      stop();
      due = [];
      look();
    },
  };
}
