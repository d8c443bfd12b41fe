// What is under way to each target: counted from the pick to the last byte read from it, and waited for when it drains.
import type { Clock } from "../../platform/time/clock.ts";
import { Meter, type TargetTraffic } from "../traffic-counters.ts";
import type { RequestState } from "./request-state.ts";
import { UnansweredCounter } from "./unanswered.ts";

/** What all loads of one target share: its counters, and what is open at any address. Lives as long as it is routed or busy. */
class Whole {
  readonly id: string;
  readonly clock: Clock;
  readonly meter = new Meter();
  readonly unanswered: UnansweredCounter<RequestState>;
  open = 0;
  /** Those of them that only watch. */
  checks = 0;
  /** When the last one that is no check ended, on the monotonic clock. */
  idleSince: number;
  /** What the next request is counted in. */
  current: Load;
  /** The loads of addresses that it has left, while they are busy. */
  readonly leaving = new Set<Load>();
  readonly onEnd = new Set<() => void>();

  constructor(id: string, clock: Clock) {
    this.id = id;
    this.clock = clock;
    this.unanswered = new UnansweredCounter(({ visitor }: RequestState) => visitor);
    this.idleSince = clock.monotonic();
    this.current = new Load(this);
  }

  /** It is at this address from now on; undefined: it gets nothing more. */
  route(at: string | undefined): void {
    const { current } = this;
    if (at !== undefined && current.at !== undefined && at !== current.at) {
      if (current.open > 0) this.leaving.add(current);
      current.isRouted = false;
      this.current = new Load(this);
    }
    this.current.isRouted = at !== undefined;
    this.current.at = at ?? this.current.at;
  }

  /** Requests that nothing new joins. */
  leftover(): number {
    return this.current.isRouted ? this.open - this.current.open : this.open;
  }
}

/** One target's open requests at one address, and its counters. */
export class Load {
  /** Its address, once that has been published. */
  at: string | undefined;
  /** Whether new requests go there. */
  isRouted = false;
  open = 0;
  /** The field that names the target on its answers, as it is written. */
  line: Buffer | undefined;
  readonly #whole: Whole;

  constructor(whole: Whole) {
    this.#whole = whole;
  }

  get id(): string {
    return this.#whole.id;
  }

  get meter(): Meter {
    return this.#whole.meter;
  }

  get unanswered(): UnansweredCounter<RequestState> {
    return this.#whole.unanswered;
  }

  /** `isCheck`: it is no use of the target, which is idle all along. */
  begin(isCheck = false): void {
    this.open += 1;
    this.#whole.open += 1;
    this.#whole.meter.requests += 1;
    if (isCheck) this.#whole.checks += 1;
  }

  /** As it began. */
  end(isCheck = false): void {
    const whole = this.#whole;
    this.open -= 1;
    whole.open -= 1;
    if (isCheck) whole.checks -= 1;
    else if (whole.open === whole.checks) whole.idleSince = whole.clock.monotonic();
    if (this.open > 0) return;
    whole.leaving.delete(this);
    for (const call of whole.onEnd) call();
  }

  /**
   * Resolves with what is still open to the target, at addresses that get nothing more: 0 as soon as nothing is, or the
   * rest after `deadlineMs`.
   */
  drained(deadlineMs: number): Promise<number> {
    const whole = this.#whole;
    if (whole.leftover() === 0) return Promise.resolve(0);
    return new Promise((resolve) => {
      const finish = () => {
        cancel();
        whole.onEnd.delete(look);
        resolve(whole.leftover());
      };
      const look = () => {
        if (whole.leftover() === 0) finish();
      };
      const cancel = whole.clock.after(deadlineMs, finish);
      whole.onEnd.add(look);
    });
  }

  /** Of the target, at whichever address. */
  traffic(): TargetTraffic {
    const { id, meter, open, checks, idleSince, clock } = this.#whole;
    const unanswered = this.#whole.unanswered.read(clock.monotonic());
    const { requests, failures } = meter;
    const { statuses, buckets } = meter.counts();
    const idleMs = open > checks ? 0 : clock.monotonic() - idleSince;
    return { id, inFlight: open, idleMs, requests, failures, unanswered, statuses, buckets };
  }
}

export interface InFlight {
  /** The load that the target's next request is counted in; made when it is first asked for. */
  of(targetId: string): Load;
  /** One load of each target. */
  all(): Iterable<Load>;
  /** Those with open requests. */
  busy(): Iterable<Load>;
  /**
   * What there is, with the address of each; undefined for those that get nothing more. Requests of a target that has moved
   * go on where they are. Forgets targets that are not named and not busy.
   */
  retain(targets: ReadonlyMap<string, string | undefined>): void;
  /** None of them gets anything new. */
  close(): void;
}

export function createInFlight(clock: Clock): InFlight {
  const wholes = new Map<string, Whole>();
  let addresses: ReadonlyMap<string, string | undefined> = new Map();
  return {
    of(targetId) {
      const known = wholes.get(targetId);
      if (known !== undefined) return known.current;
      const whole = new Whole(targetId, clock);
      whole.route(addresses.get(targetId));
      wholes.set(targetId, whole);
      return whole.current;
    },
    all: () => wholes.values().map(({ current }) => current),
    busy: () =>
      wholes
        .values()
        .filter(({ open }) => open > 0)
        .map(({ current }) => current),
    retain(targets) {
      addresses = targets;
      for (const [id, whole] of wholes) {
        whole.route(targets.get(id));
        if (whole.open === 0 && !targets.has(id)) wholes.delete(id);
      }
    },
    close() {
      addresses = new Map();
      for (const whole of wholes.values()) whole.route(undefined);
    },
  };
}
