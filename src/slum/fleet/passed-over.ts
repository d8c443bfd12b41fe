// Servers that had no app for a tenant, and are passed over for it for a while: few at any time, however many tenants there are.
import type { Clock } from "../../platform/time/clock.ts";

const PASS_OVER_MS = 10_000;

export class PassedOver {
  readonly #clock: Clock;
  /** Until when, by tenant and server; all for the same time, so the oldest are first. */
  readonly #untilMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(tenant: string, server: string): void {
    const nowMs = this.#clock.monotonic();
    for (const [key, untilMs] of this.#untilMs) {
      if (untilMs > nowMs) break;
      this.#untilMs.delete(key);
    }
    const key = keyOf(tenant, server);
    this.#untilMs.delete(key);
    this.#untilMs.set(key, nowMs + PASS_OVER_MS);
  }

  get isEmpty(): boolean {
    return this.#untilMs.size === 0;
  }

  has(tenant: string, server: string): boolean {
    return (this.#untilMs.get(keyOf(tenant, server)) ?? 0) > this.#clock.monotonic();
  }
}

const keyOf = (tenant: string, server: string) => `${tenant} ${server}`;
