// Those who wait for what the checks will say of a server, each with a deadline.
import type { Clock } from "../../platform/time/clock.ts";

export type Verdict = "online" | "offline" | undefined;

type Finish = (verdict: Verdict) => void;

export class Verdicts {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Set<Finish>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves with what `settle` is told of the server; undefined when that takes longer than `deadlineMs`. */
  wait(id: string, deadlineMs: number): Promise<Verdict> {
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting);
    return new Promise((resolve) => {
      const finish: Finish = (verdict) => {
        cancel();
        waiting.delete(finish);
        if (waiting.size === 0) this.#waiting.delete(id);
        resolve(verdict);
      };
      const cancel = this.#clock.after(deadlineMs, () => finish(undefined));
      waiting.add(finish);
    });
  }

  isAwaited(id: string): boolean {
    return this.#waiting.has(id);
  }

  /** Ends every wait for the server; undefined: there is no such server any more. */
  settle(id: string, verdict: Verdict): void {
    for (const finish of this.#waiting.get(id) ?? []) finish(verdict);
  }
}
