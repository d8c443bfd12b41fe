// Instances that have stopped answering: one that hangs still accepts connections, and only silence gives it away.
import type { Clock } from "../../platform/time/clock.ts";
import type { TargetTraffic } from "../../proxy/traffic-counters.ts";

/** What was seen of a target when it was first seen with something in flight, or had answered since. */
interface Seen {
  readonly answered: number;
  readonly sinceMs: number;
  doubted: boolean;
}

const LOOK_EVERY_MS = 100;
const SILENT_MS = 100;

/**
 * Calls `doubt` until it is heard once for each silence: a target that has something in flight and has answered nothing
 * for 0.1 to 0.2 s is checked at once, not at its next turn; a check that was made before it fell silent says nothing about it.
 * A slow answer, or a stream, costs it one more check. Looks until disposed.
 */
export function watchStalls(
  clock: Clock,
  busy: () => readonly TargetTraffic[],
  doubt: (target: string) => boolean,
): Disposable {
  let seen = new Map<string, Seen>();

  function look(): void {
    const sinceMs = clock.monotonic();
    const next = new Map<string, Seen>();
    for (const { id, failures, statuses } of busy()) {
      const answered = statuses.reduce((sum, count) => sum + count, failures);
      const before = seen.get(id);
      const isSilent = before?.answered === answered;
      const now = isSilent ? before : { answered, sinceMs, doubted: false };
      if (isSilent && !before.doubted && sinceMs - before.sinceMs >= SILENT_MS) now.doubted = doubt(id);
      next.set(id, now);
    }
    seen = next;
  }

  return { [Symbol.dispose]: clock.every(LOOK_EVERY_MS, look) };
}
