// Waiting for something to become healthy, with a deadline and a way out.
import { Fault } from "../../core/fault.ts";
import type { Clock } from "../../platform/time/clock.ts";

export interface Patience {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Settles as `work` does; rejects with an unhealthy fault about `name` when time is up, with the signal's reason when that
 * aborts.
 */
export async function within<T>(
  { timeoutMs, signal }: Patience,
  clock: Clock,
  name: string,
  work: Promise<T>,
): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal?.reason);
  const late = () => reject(new Fault("unhealthy", `${name} was not healthy within ${timeoutMs / 1000} s`));
  const cancel = clock.after(timeoutMs, late);
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  try {
    return await Promise.race([work, over]);
  } finally {
    cancel();
    signal?.removeEventListener("abort", abort);
  }
}
