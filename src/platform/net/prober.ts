// One polling loop for any list of addresses: it decides when who is checked, and knows nothing about what a check is.
import { messageOf } from "../../core/fault.ts";
import type { Clock } from "../time/clock.ts";
import type { CheckResult } from "./health-check.ts";

export interface Probe {
  /** One check. Must settle in bounded time; `failures` is how many in a row have failed before it. */
  check(signal: AbortSignal, failures: number): Promise<CheckResult>;
  /** From the end of one check that passed to the start of the next. */
  readonly intervalMs: number;
  /** The pause after the first, second... failure in a row; the last one repeats. */
  readonly retryMs: readonly number[];
  /** The pause after a failure that took longer than its pause would be: by then a hang has cost enough time. */
  readonly retryAfterHangMs?: number;
  /**
   * Until the first check that passes: at once, then after 100 ms growing to 1 s; while nothing listens, after 15 ms
   * growing to 1 s, as a refused connection disturbs nobody.
   */
  readonly starting: boolean;
}

export interface Prober extends Disposable {
  /** Checks `key` from now on, at once first; a probe it had before is forgotten. */
  watch(key: string, probe: Probe): void;
  /** No result of `key` is reported any more; its check in flight is aborted. */
  unwatch(key: string): void;
  /** Checks now and reports as always; joins a check in flight. Undefined when the key is not watched, or not for long enough. */
  checkNow(key: string): Promise<CheckResult | undefined>;
  /**
   * Something made us doubt (a refused, reset or timed-out request): checks at once, but at most once a second, and not
   * while a failure is being repeated anyway, so that a burst of requests does not count as a row of failures. False when
   * none was started.
   */
  doubt(key: string): boolean;
}

export interface ProberOptions {
  readonly clock: Clock;
  /** Hears every result of what is watched, in order for each key; inconclusive ones say nothing about the target. */
  readonly onResult: (key: string, result: CheckResult) => void;
  /** Checks in flight at once; what is due beyond that waits, longest due first. */
  readonly concurrency: number;
  /** Spreads intervals by up to this part either way; with `random`, from 0 up to 1. */
  readonly jitter?: number;
  readonly random?: () => number;
}

const TICK_MS = 25;
const STARTING_FIRST_MS = 100;
const ABSENT_FIRST_MS = 15;
const STARTING_GROWTH = 1.5;
const STARTING_MAX_MS = 1000;
const DOUBT_EVERY_MS = 1000;

interface Entry {
  readonly key: string;
  readonly probe: Probe;
  readonly abort: AbortController;
  dueMs: number;
  failures: number;
  /** Checks in a row, while starting, that found nothing listening. */
  absences: number;
  starting: boolean;
  checking: boolean;
  begunAtMs: number;
  doubtedAtMs: number;
  waiters: ((result: CheckResult | undefined) => void)[];
}

export function createProber(options: ProberOptions): Prober {
  const { clock, onResult, concurrency, jitter = 0, random = Math.random } = options;
  const entries = new Map<string, Entry>();
  let running = 0;
  let nextDueMs = Number.POSITIVE_INFINITY;
  const stopTicking = clock.every(TICK_MS, tick);

  function tick(): void {
    if (nextDueMs <= horizon()) startDue();
  }

  /** Half a tick ahead: checks start on time on average, not half a tick late. */
  function horizon(): number {
    return clock.monotonic() + TICK_MS / 2;
  }

  function startDue(): void {
    const limit = horizon();
    const due: Entry[] = [];
    nextDueMs = Number.POSITIVE_INFINITY;
    for (const entry of entries.values()) {
      if (entry.checking) continue;
      if (entry.dueMs <= limit) due.push(entry);
      else nextDueMs = Math.min(nextDueMs, entry.dueMs);
    }
    due.sort((a, b) => a.dueMs - b.dueMs);
    for (const entry of due.splice(0, concurrency - running)) void run(entry);
    nextDueMs = Math.min(nextDueMs, due[0]?.dueMs ?? nextDueMs);
  }

  async function run(entry: Entry): Promise<void> {
    running++;
    entry.checking = true;
    entry.begunAtMs = clock.monotonic();
    const result = await entry.probe.check(entry.abort.signal, entry.failures).catch(defect);
    running--;
    entry.checking = false;
    if (entries.get(entry.key) === entry) finish(entry, result);
    tick();
  }

  function finish(entry: Entry, result: CheckResult): void {
    entry.starting &&= !result.ok;
    entry.absences = entry.starting && result.absent ? entry.absences + 1 : 0;
    if (result.ok) entry.failures = 0;
    else if (entry.absences === 0 && !result.inconclusive) entry.failures++;
    const nowMs = clock.monotonic();
    entry.dueMs = nowMs + pauseMs(entry, result.ok, nowMs - entry.begunAtMs);
    nextDueMs = Math.min(nextDueMs, entry.dueMs);
    onResult(entry.key, result);
    answer(entry, result);
  }

  function pauseMs({ probe, failures, absences, starting }: Entry, ok: boolean, tookMs: number): number {
    if (absences > 0) return growing(ABSENT_FIRST_MS, absences);
    if (starting) return growing(STARTING_FIRST_MS, failures);
    if (ok) return probe.intervalMs * (1 + jitter * (2 * random() - 1));
    const pause = probe.retryMs[Math.max(0, failures - 1)] ?? probe.retryMs.at(-1) ?? probe.intervalMs;
    return tookMs > pause ? (probe.retryAfterHangMs ?? pause) : pause;
  }

  function answer(entry: Entry, result: CheckResult | undefined): void {
    for (const resolve of entry.waiters.splice(0)) resolve(result);
  }

  function remove(entry: Entry): void {
    entries.delete(entry.key);
    entry.abort.abort();
    answer(entry, undefined);
  }

  function hurry(entry: Entry): void {
    // Before everything that is merely due.
    entry.dueMs = Number.NEGATIVE_INFINITY;
    startDue();
  }

  return {
    watch(key, probe) {
      this.unwatch(key);
      const abort = new AbortController();
      const { starting } = probe;
      const dueMs = clock.monotonic();
      const past = Number.NEGATIVE_INFINITY;
      entries.set(key, {
        key,
        probe,
        abort,
        dueMs,
        failures: 0,
        absences: 0,
        starting,
        checking: false,
        begunAtMs: past,
        doubtedAtMs: past,
        waiters: [],
      });
      startDue();
    },
    unwatch(key) {
      const entry = entries.get(key);
      if (entry) remove(entry);
    },
    checkNow(key) {
      const entry = entries.get(key);
      if (!entry) return Promise.resolve(undefined);
      const { promise, resolve } = Promise.withResolvers<CheckResult | undefined>();
      entry.waiters.push(resolve);
      if (!entry.checking) hurry(entry);
      return promise;
    },
    doubt(key) {
      const entry = entries.get(key);
      const now = clock.monotonic();
      if (!entry || entry.checking || entry.starting || entry.failures > 0) return false;
      if (now - entry.doubtedAtMs < DOUBT_EVERY_MS) return false;
      entry.doubtedAtMs = now;
      hurry(entry);
      return true;
    },
    [Symbol.dispose]() {
      stopTicking();
      for (const entry of [...entries.values()]) remove(entry);
    },
  };
}

/** The pause of one that starts, after so many checks in a row. */
function growing(firstMs: number, checks: number): number {
  return Math.min(STARTING_MAX_MS, firstMs * STARTING_GROWTH ** Math.max(0, checks - 1));
}

/** Checks do not reject; one that does is our fault and says nothing about the target. */
function defect(thrown: unknown): CheckResult {
  return { ok: false, latencyMs: 0, detail: `cannot check: ${messageOf(thrown)}`, inconclusive: true };
}
