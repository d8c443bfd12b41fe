// Waiting for an instance to become healthy by the state that it shows.
import { Fault } from "../../core/fault.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Registry } from "../registry/registry.ts";
import type { Instance } from "./instance.ts";
import { type Patience, within } from "./patience.ts";

/**
 * Resolves when the instance is healthy. Rejects with an unhealthy fault when it failed for good or time is up, with a
 * conflict when it was stopped or removed meanwhile, with the signal's reason when that aborts.
 */
export async function untilHealthy(
  instance: Instance,
  registry: Registry,
  clock: Clock,
  patience: Patience,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = () => {
    const row = registry.find(instance.service, instance.id);
    if (!row || row.desired === "stopped")
      reject(new Fault("conflict", `${instance.name} was stopped meanwhile`));
    else if (row.state === "healthy") resolve();
    else if (row.state === "failed")
      reject(new Fault("unhealthy", `${instance.name} failed: it ${row.reason}`));
  };
  const unwatch = instance.onChange(look);
  look();
  try {
    await within(patience, clock, instance.name, promise);
  } finally {
    unwatch();
  }
}
