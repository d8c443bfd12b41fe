// Tries at servers that wait for the head of their answer: slow ones are a reason to look into their server, and those that
// another server can take are cut when theirs is down.
import type { Clock } from "../../platform/time/clock.ts";

/**
 * A server that has not answered a request for this long is looked at, at most once a second, though some answers simply
 * take longer: with the 7.5 s of its checks, one that hangs is left after 8 s.
 */
const SLOW_MS = 400;
const SWEEP_MS = 100;

type Waiting = Map<string, Set<SlowTry>>;

/** One try that waits for the head of its answer. */
export class SlowTry {
  readonly targetId: string;
  readonly sinceMs: number;
  /** Whether another server may take over while this one is silent. */
  readonly isSafe: boolean;
  /** Given up by us, as its server was found to be down. */
  wasCut = false;
  readonly #waiting: Waiting;
  /** There once somebody asks for the signal. */
  #abort: AbortController | undefined;
  /** Its head has come, or it has failed. */
  #isOver = false;

  constructor(waiting: Waiting, targetId: string, sinceMs: number, isSafe: boolean) {
    this.#waiting = waiting;
    this.targetId = targetId;
    this.sinceMs = sinceMs;
    this.isSafe = isSafe;
  }

  /** What ends the try. Listening costs, so it is only waited for once it is slow enough to be asked for this. */
  signal(request: Request): AbortSignal {
    // A long answer outlasts its try: nobody waits for its head any more, and no other server could take it over.
    if (this.#isOver) return request.signal;
    const abort = new AbortController();
    this.#abort = abort;
    if (request.signal.aborted) abort.abort();
    else request.signal.addEventListener("abort", () => abort.abort(), { once: true });
    const tries = this.#waiting.get(this.targetId) ?? new Set();
    tries.add(this);
    this.#waiting.set(this.targetId, tries);
    return abort.signal;
  }

  cut(): void {
    if (!this.isSafe) return;
    this.wasCut = true;
    this.#abort?.abort();
  }

  end(): void {
    this.#isOver = true;
    const tries = this.#waiting.get(this.targetId);
    tries?.delete(this);
    if (tries?.size === 0) this.#waiting.delete(this.targetId);
  }
}

export interface SlowTries extends Disposable {
  begin(targetId: string, isSafe: boolean): SlowTry;
  /** Tries at this server that may be made elsewhere end now. */
  cut(targetId: string): void;
}

/** `onSlow` is called again and again, for as long as a server keeps a try waiting: coalesce. */
export function createSlowTries(clock: Clock, onSlow: (targetId: string) => void): SlowTries {
  const waiting: Waiting = new Map();
  const stop = clock.every(SWEEP_MS, () => {
    const limit = clock.monotonic() - SLOW_MS;
    for (const [id, tries] of waiting) {
      // They wait in the order in which they began, so the first is the slowest.
      const [first] = tries;
      if (first && first.sinceMs <= limit) onSlow(id);
    }
  });
  return {
    begin: (targetId, isSafe) => new SlowTry(waiting, targetId, clock.monotonic(), isSafe),
    cut(targetId) {
      for (const pending of waiting.get(targetId) ?? []) pending.cut();
    },
    [Symbol.dispose]: stop,
  };
}
