// Polls the registry, one poll after the other: publishes what this slum observes, follows what others have changed, and tells trouble.
import type { Log } from "../../platform/log.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Observations } from "../registry/observations.ts";
import type { Registry } from "../registry/registry.ts";

export interface RegistryPollParts {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** What this slum observes now. */
  readonly observe: () => Observations;
  /** After each poll. */
  readonly onPolled: () => void;
  /** The registry can be used again, after it could not. */
  readonly onBack: () => void;
  readonly onDefect: (thrown: unknown) => void;
}

/** So that not all slums poll at the same moment. */
const JITTER = 0.2;

export function pollRegistry(parts: RegistryPollParts): Disposable {
  const { registry, clock, log } = parts;
  let trouble = registry.trouble;
  let isDisposed = false;
  let cancel = () => {};
  pollLater();

  function pollLater(): void {
    if (isDisposed) return;
    const delayMs = registry.pollMs * (1 - JITTER * parts.random());
    cancel = clock.after(delayMs, () => void poll().catch(parts.onDefect).finally(pollLater));
  }

  async function poll(): Promise<void> {
    await registry.poll(parts.observe());
    parts.onPolled();
    if (registry.trouble === trouble || isDisposed) return;
    trouble = registry.trouble;
    if (trouble !== undefined) return log.warn(`${trouble}; routing goes on without it`);
    log.info("the registry is back");
    parts.onBack();
  }

  return {
    [Symbol.dispose]() {
      isDisposed = true;
      cancel();
    },
  };
}
