// Keeps the logs of running instances: notes when their lines arrived, and gives back what they hold beyond their limit.
import { instanceName } from "../../core/name.ts";
import type { LogIndexer } from "../../platform/logs/log-index.ts";
import { createLogTrimmer } from "../../platform/logs/log-trim.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { type DataPaths, STREAMS } from "../config/paths.ts";
import type { Registry } from "../registry/registry.ts";

/** Lines of different logs that came within this time may be shown in another order than they came. */
const LOOK_EVERY_MS = 100;
/** Logs looked at in one turn, about a millisecond; with more of them, the times of their lines get coarser. */
const LOOKS_A_TURN = 400;
/** A log is trimmed when it has grown by this since the last time. */
const TRIM_EVERY_BYTES = 1_048_576;

export function createLogKeeper(parts: {
  readonly registry: Registry;
  readonly paths: DataPaths;
  readonly clock: Clock;
  readonly indexer: LogIndexer;
}): Disposable {
  const { registry, paths, clock, indexer } = parts;
  const trimmer = createLogTrimmer();
  /** Sizes at the last trimming, by log. */
  const trimmed = new Map<string, number>();
  /** What is still to be looked at in this round. */
  let due: string[] = [];
  /** The logs of each instance that ran at the last round. */
  let ran: ReadonlyMap<string, readonly string[]> = new Map();

  function keep(path: string): void {
    const size = indexer.look(path);
    const before = trimmed.get(path);
    if (before !== undefined && size >= before && size - before < TRIM_EVERY_BYTES) return;
    if (size > 0) trimmer.trim(path);
    trimmed.set(path, size);
  }

  /** What runs, and once more what ran at the last round: its last lines. */
  function nextRound(): string[] {
    const runs = new Map<string, readonly string[]>();
    for (const { service, id, pid } of registry.list()) {
      if (pid === null) continue;
      const name = instanceName(service, id);
      runs.set(name, ran.get(name) ?? STREAMS.map((stream) => paths.log(service, id, stream)));
    }
    const ended = [...ran].filter(([name]) => !runs.has(name)).flatMap(([, logs]) => logs);
    for (const path of ended) trimmed.delete(path);
    ran = runs;
    return [...runs.values()].flat().concat(ended);
  }

  function look(): void {
    if (due.length === 0) due = nextRound();
    for (const path of due.splice(0, LOOKS_A_TURN)) keep(path);
  }

  const stop = clock.every(LOOK_EVERY_MS, look);
  return {
    [Symbol.dispose]() {
      stop();
      due = [];
      look();
    },
  };
}
