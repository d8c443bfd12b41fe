// One operation at a time for each key, in the order asked for; who waits is told for whom.
import { Fault } from "../../core/fault.ts";
import type { Clock } from "./clock.ts";

export interface Turn {
  /** What holds the key meanwhile, as others are told: `deploy of api:v2`. */
  readonly name: string;
  /** How long it may wait for its turn. */
  readonly waitMs: number;
  /** Gives up waiting, with the signal's reason; once the work runs it is the work's own business. */
  readonly signal?: AbortSignal;
  /** Called once, before waiting, with the name of the one whose turn it is. */
  readonly onWait?: (holder: string) => void;
}

export interface KeyedLock {
  /** Runs `work` when all earlier ones of the key have ended, however they ended. Rejects with a Fault when that takes too long. */
  run<T>(key: string, turn: Turn, work: () => Promise<T>): Promise<T>;
  /** The name of the one whose turn it is. */
  holder(key: string): string | undefined;
}

interface Waiter {
  readonly name: string;
  start(): void;
}

/** At most `maxWaiting` wait for one key; more are refused. */
export function createKeyedLock(clock: Clock, maxWaiting = 100): KeyedLock {
  /** By key: the one whose turn it is, then those who wait. */
  const queues = new Map<string, Waiter[]>();

  /** Resolves when it is the waiter's turn; rejects, and leaves the queue, when it is not in time. */
  function queueUp(key: string, queue: Waiter[], turn: Turn): Promise<Waiter> {
    const { promise, resolve, reject } = Promise.withResolvers<Waiter>();
    const waiter: Waiter = { name: turn.name, start: () => leave(() => resolve(waiter)) };
    const holder = queue[0]?.name;
    const cancelTimer = clock.after(turn.waitMs, () => giveUp(tooLate(turn, queue[0]?.name ?? key)));
    const abort = () => giveUp(turn.signal?.reason);
    turn.signal?.addEventListener("abort", abort, { once: true });

    function leave(settle: () => void): void {
      cancelTimer();
      turn.signal?.removeEventListener("abort", abort);
      settle();
    }

    function giveUp(reason: unknown): void {
      queue.splice(queue.indexOf(waiter), 1);
      leave(() => reject(reason));
    }

    queue.push(waiter);
    if (holder === undefined) waiter.start();
    else turn.onWait?.(holder);
    return promise;
  }

  function next(key: string, queue: Waiter[]): void {
    queue.shift();
    if (queue[0]) queue[0].start();
    else queues.delete(key);
  }

  return {
    async run(key, turn, work) {
      turn.signal?.throwIfAborted();
      const queue = queues.get(key) ?? [];
      if (queue.length > maxWaiting) throw tooMany(turn, key, maxWaiting);
      queues.set(key, queue);
      await queueUp(key, queue, turn);
      try {
        return await work();
      } finally {
        next(key, queue);
      }
    },
    holder: (key) => queues.get(key)?.[0]?.name,
  };
}

function tooLate({ name, waitMs }: Turn, holder: string): Fault {
  return new Fault(
    "stopped_waiting",
    `${name} has waited ${waitMs / 1000} s for ${holder}; nothing was changed`,
    "try again when that is done",
  );
}

function tooMany({ name }: Turn, key: string, maxWaiting: number): Fault {
  return new Fault("conflict", `${name} was refused: ${maxWaiting} others wait for ${key} already`);
}

/** Work that follows each other: each begins when the one before it has ended, however it did. */
export function createTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  };
}
