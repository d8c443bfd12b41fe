// Restarts of what has been unhealthy for too long: one instance of a service at a time.
import { messageOf } from "../../core/fault.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Instance } from "./instance.ts";

export interface SickQueueParts {
  readonly clock: Clock;
  /** Whether it still is what it was queued for: it may have been removed, or got well. */
  isSick(instance: Instance): boolean;
  /** Restarts it, and resolves when it is healthy again or has had its time for that. */
  restart(instance: Instance): Promise<void>;
  onTrouble(text: string): void;
}

const RETRY_MS = 1_000;

/** A fault that the instances of a service share does not take all of them at once. */
export function createSickQueue({ clock, isSick, restart, onTrouble }: SickQueueParts) {
  const restarting = new Set<string>();

  return function add(instance: Instance): void {
    if (!isSick(instance)) return;
    if (restarting.has(instance.service)) {
      clock.after(RETRY_MS, () => add(instance));
      return;
    }
    restarting.add(instance.service);
    restart(instance)
      .catch((thrown) => onTrouble(`${instance.name}: ${messageOf(thrown)}`))
      .finally(() => restarting.delete(instance.service));
  };
}
