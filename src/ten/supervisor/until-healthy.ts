// Waiting for an instance to become healthy, with a deadline and a way out.
import { Fault } from "../../core/fault.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Registry } from "../registry/registry.ts";
import type { Instance } from "./instance.ts";

export interface Patience {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Resolves when the instance is healthy. Rejects with an unhealthy fault when it failed for good or time is up, with a
 * conflict when it was stopped or removed meanwhile, with the signal's reason when that aborts.
 */
export async function untilHealthy(
  instance: Instance,
  registry: Registry,
  clock: Clock,
  { timeoutMs, signal }: Patience,
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
  const abort = () => reject(signal?.reason);
  const late = () =>
    reject(new Fault("unhealthy", `${instance.name} was not healthy within ${timeoutMs / 1000} s`));
  const cancel = clock.after(timeoutMs, late);
  const unwatch = instance.onChange(look);
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  look();
  try {
    await promise;
  } finally {
    cancel();
    unwatch();
    signal?.removeEventListener("abort", abort);
  }
}
