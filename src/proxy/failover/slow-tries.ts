// Tries at servers that wait for the head of their answer: slow ones are a reason to look into their server, and those that
// another server can take are cut when theirs is down.
import type { Clock } from "../../platform/time/clock.ts";

/**
 * A server that has not answered a request for this long is looked at, at most once a second, though some answers simply
 * take longer: with the 7.5 s of its checks, one that hangs is left after 8 s.
 */
const SLOW_MS = 400;
const SWEEP_MS = 100;

/** One try that waits for the head of its answer. */
export interface SlowTry {
  readonly targetId: string;
  readonly sinceMs: number;
  /** Whether another server may take over while this one is silent. */
  readonly isSafe: boolean;
  /** Given up by us, as its server was found to be down. */
  wasCut: boolean;
  abort(): void;
}

export interface SlowTries extends Disposable {
  /** `abort` ends it, for another server to take it over. */
  begin(targetId: string, isSafe: boolean, abort: () => void): SlowTry;
  /** It has waited long enough to be looked at: most never do, and it costs. */
  watch(one: SlowTry): void;
  /** Its head has come, or it has failed. */
  end(one: SlowTry): void;
  /** Tries at this server that may be made elsewhere end now. */
  cut(targetId: string): void;
}

/** `onSlow` is called again and again, for as long as a server keeps a try waiting: coalesce. */
export function createSlowTries(clock: Clock, onSlow: (targetId: string) => void): SlowTries {
  const waiting = new Map<string, Set<SlowTry>>();
  const stop = clock.every(SWEEP_MS, () => {
    const limit = clock.monotonic() - SLOW_MS;
    for (const [id, tries] of waiting) {
      // They wait in the order in which they began, so the first is the slowest.
      const [first] = tries;
      if (first && first.sinceMs <= limit) onSlow(id);
    }
  });
  return {
    begin: (targetId, isSafe, abort) => ({
      targetId,
      sinceMs: clock.monotonic(),
      isSafe,
      wasCut: false,
      abort,
    }),
    watch(one) {
      const tries = waiting.get(one.targetId) ?? new Set();
      tries.add(one);
      waiting.set(one.targetId, tries);
    },
    end(one) {
      const tries = waiting.get(one.targetId);
      tries?.delete(one);
      if (tries?.size === 0) waiting.delete(one.targetId);
    },
    cut(targetId) {
      for (const one of [...(waiting.get(targetId) ?? [])]) {
        if (!one.isSafe) continue;
        one.wasCut = true;
        one.abort();
      }
    },
    [Symbol.dispose]: stop,
  };
}
