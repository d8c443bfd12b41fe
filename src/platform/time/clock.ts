// Time as an interface, so that tests move it by hand.

export interface Clock {
  /** Milliseconds since the Unix epoch: for what people read and what is stored, never for intervals. */
  now(): number;
  /** Milliseconds that only ever grow: for intervals and deadlines, untouched when the wall clock jumps. */
  monotonic(): number;
  /** Calls back once after `delayMs`; the returned function cancels. A pending timer does not keep the process alive. */
  after(delayMs: number, call: () => void): () => void;
  /** Calls back every `periodMs` until the returned function is called. */
  every(periodMs: number, call: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, call) {
    const timer = setTimeout(call, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
  every(periodMs, call) {
    const timer = setInterval(call, periodMs);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** Resolves after `delayMs` of `clock`, or earlier with `signal`'s reason as a rejection. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** A signal that aborts after `delayMs` of `clock`, or with `signal`; to be disposed when what it bounds has ended. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

export function createDeadline(clock: Clock, delayMs: number, signal?: AbortSignal): Deadline {
  const late = new AbortController();
  const cancel = clock.after(delayMs, () => {
    late.abort(new DOMException(`no end within ${delayMs / 1000} s`, "TimeoutError"));
  });
  return {
    signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
    [Symbol.dispose]: cancel,
  };
}

/** Waits until `work` has ended, however it did, or until `limitMs` of `clock` are over. */
export async function atMost(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<void> {
  const over = Promise.withResolvers<void>();
  const cancel = clock.after(limitMs, over.resolve);
  await Promise.race([work.catch(() => {}), over.promise]);
  cancel();
}
