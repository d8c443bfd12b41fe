// A clock that only moves when a test moves it.
import type { Clock } from "../../src/platform/time/clock.ts";

export interface ManualClock extends Clock {
  /** Moves time forward, running due timers in their order and letting promises settle between them. */
  advance(ms: number): Promise<void>;
}

interface Timer {
  at: number;
  readonly period: number | undefined;
  readonly call: () => void;
}

export function createManualClock(startMs = 1_700_000_000_000): ManualClock {
  let elapsed = 0;
  const timers = new Set<Timer>();

  function add(timer: Timer): () => void {
    timers.add(timer);
    return () => timers.delete(timer);
  }

  function nextDue(limit: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of timers) if (timer.at <= limit && (!first || timer.at < first.at)) first = timer;
    return first;
  }

  return {
    now: () => startMs + elapsed,
    monotonic: () => elapsed,
    after: (delayMs, call) => add({ at: elapsed + delayMs, period: undefined, call }),
    every: (periodMs, call) => add({ at: elapsed + periodMs, period: periodMs, call }),
    async advance(ms) {
      const limit = elapsed + ms;
      for (let timer = nextDue(limit); timer; timer = nextDue(limit)) {
        elapsed = Math.max(elapsed, timer.at);
        if (timer.period === undefined) timers.delete(timer);
        else timer.at += timer.period;
        timer.call();
        await Bun.sleep(0);
      }
      elapsed = limit;
      await Bun.sleep(0);
    },
  };
}
