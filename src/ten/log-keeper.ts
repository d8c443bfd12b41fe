// Keeps the logs of running instances: notes when their lines arrived, and gives back what they hold beyond their limit.
import { instanceName } from "../core/name.ts";
import type { Clock } from "../platform/clock.ts";
import type { LogIndexer } from "../platform/log-index.ts";
import { createLogTrimmer } from "../platform/log-trim.ts";
import { type DataPaths, STREAMS } from "./paths.ts";
import type { Registry } from "./registry.ts";

/** Lines of different logs that came within this time may be shown in another order than they came. */
const LOOK_EVERY_MS = 100;
/** Instances looked at in one turn, about a millisecond; with more of them, the times of their lines get coarser. */
const LOOKS_A_TURN = 200;
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
  let due: (readonly [service: string, id: string])[] = [];
  let ran = new Map<string, readonly [service: string, id: string]>();

  function keep(path: string): void {
    const size = indexer.look(path);
    const before = trimmed.get(path);
    if (before !== undefined && size >= before && size - before < TRIM_EVERY_BYTES) return;
    if (size > 0) trimmer.trim(path);
    trimmed.set(path, size);
  }

  /** What runs, and once more what ran at the last round: its last lines. */
  function nextRound(): (readonly [service: string, id: string])[] {
    const running = registry.list().filter((row) => row.pid !== null);
    const runs = new Map(
      running.map(({ service, id }) => [instanceName(service, id), [service, id] as const]),
    );
    const round = new Map([...ran, ...runs]);
    for (const [name, [service, id]] of ran) {
      if (!runs.has(name)) for (const stream of STREAMS) trimmed.delete(paths.log(service, id, stream));
    }
    ran = runs;
    return [...round.values()];
  }

  function look(): void {
    if (due.length === 0) due = nextRound();
    for (const [service, id] of due.splice(0, LOOKS_A_TURN))
      for (const stream of STREAMS) keep(paths.log(service, id, stream));
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
