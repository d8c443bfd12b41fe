// What is under way to each target: counted from the pick to the last byte read from it, and waited for when it drains.
import type { Clock } from "../../platform/time/clock.ts";
import { Meter, type TargetTraffic } from "../traffic-counters.ts";

/** One target's open requests and its counters. Lives as long as the target is routed or has something open. */
export class Load {
  readonly id: string;
  readonly meter = new Meter();
  open = 0;
  /** When `open` last became 0, on the monotonic clock. */
  idleSince: number;
  readonly #clock: Clock;
  readonly #onIdle = new Set<() => void>();

  constructor(id: string, clock: Clock) {
    this.id = id;
    this.#clock = clock;
    this.idleSince = clock.monotonic();
  }

  begin(): void {
    this.open += 1;
    this.meter.requests += 1;
  }

  end(): void {
    this.open -= 1;
    if (this.open > 0) return;
    this.idleSince = this.#clock.monotonic();
    for (const call of this.#onIdle) call();
  }

  /** Resolves with what is still open: 0 as soon as nothing is, or the rest after `deadlineMs`. */
  drained(deadlineMs: number): Promise<number> {
    if (this.open === 0) return Promise.resolve(0);
    return new Promise((resolve) => {
      const finish = () => {
        cancel();
        this.#onIdle.delete(finish);
        resolve(this.open);
      };
      const cancel = this.#clock.after(deadlineMs, finish);
      this.#onIdle.add(finish);
    });
  }

  traffic(): TargetTraffic {
    const { requests, failures } = this.meter;
    const { statuses, buckets } = this.meter.counts();
    const idleMs = this.open > 0 ? 0 : this.#clock.monotonic() - this.idleSince;
    return {
      id: this.id,
      inFlight: this.open,
      idleMs,
      requests,
      failures,
      statuses,
      buckets,
    };
  }
}

export interface InFlight {
  /** The load of a target, made when it is first asked for. */
  of(targetId: string): Load;
  all(): Iterable<Load>;
  /** Those with open requests. */
  busy(): Iterable<Load>;
  /** Forgets targets that are neither in the set nor busy. */
  retain(ids: ReadonlySet<string>): void;
}

export function createInFlight(clock: Clock): InFlight {
  const loads = new Map<string, Load>();
  return {
    of(targetId) {
      const known = loads.get(targetId);
      if (known !== undefined) return known;
      const load = new Load(targetId, clock);
      loads.set(targetId, load);
      return load;
    },
    all: () => loads.values(),
    busy: () => loads.values().filter(({ open }) => open > 0),
    retain(ids) {
      for (const [id, load] of loads) if (load.open === 0 && !ids.has(id)) loads.delete(id);
    },
  };
}
