// Named timers of one owner: starting one again replaces it, and all are ended together.
import type { Clock } from "./clock.ts";

export interface Timers<Name extends string> extends Disposable {
  /** Calls back once after `delayMs`; a pending timer of that name is dropped. */
  start(name: Name, delayMs: number, call: () => void): void;
  drop(name: Name): void;
  /** Drops all of them; they may be started again. */
  clear(): void;
}

export function createTimers<Name extends string>(clock: Clock): Timers<Name> {
  const pending = new Map<Name, () => void>();

  function drop(name: Name): void {
    pending.get(name)?.();
    pending.delete(name);
  }

  function clear(): void {
    for (const name of [...pending.keys()]) drop(name);
  }

  return {
    start(name, delayMs, call) {
      drop(name);
      const cancel = clock.after(delayMs, () => {
        pending.delete(name);
        call();
      });
      pending.set(name, cancel);
    },
    drop,
    clear,
    [Symbol.dispose]: clear,
  };
}
