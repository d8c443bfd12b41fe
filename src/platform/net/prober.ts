// One polling loop for any list of addresses: it decides when who is checked, and knows nothing about what a check is.
import { jittered } from "../../core/backoff.ts";
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
  /**
   * Goes on at another pace: the failures so far, a check in flight and those who wait for it stay, and the next check is
   * due so long after the last one. Watches a key that was not.
   */
  repace(key: string, probe: Probe): void;
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

export function createProber(options: ProberOptions): Prober {
  const schedule = new Schedule(options);
  return {
    watch(key, probe) {
      schedule.remove(key);
      schedule.add(new Entry(key, probe, options.clock.monotonic()));
    },
    repace(key, probe) {
      const entry = schedule.find(key);
      if (entry) schedule.repace(entry, probe);
      else schedule.add(new Entry(key, probe, options.clock.monotonic()));
    },
    unwatch: (key) => schedule.remove(key),
    async checkNow(key) {
      const entry = schedule.find(key);
      if (!entry) return undefined;
      const answered = entry.nextResult();
      if (!entry.checking) schedule.hurry(entry);
      return answered;
    },
    doubt(key) {
      const entry = schedule.find(key);
      if (!entry?.mayBeDoubted(options.clock.monotonic())) return false;
      schedule.hurry(entry);
      return true;
    },
    [Symbol.dispose]: () => schedule[Symbol.dispose](),
  };
}

/** One key that is watched: its probe, how its checks went, and who waits for the next one. */
class Entry {
  readonly key: string;
  readonly abort = new AbortController();
  probe: Probe;
  dueMs: number;
  failures = 0;
  checking = false;
  /** Until a check passes; see Probe. */
  #starting: boolean;
  /** Checks in a row, while starting, that found nothing listening. */
  #absences = 0;
  #last: { readonly ok: boolean; readonly begunAtMs: number; readonly endedAtMs: number } | undefined;
  #begunAtMs = Number.NEGATIVE_INFINITY;
  #doubtedAtMs = Number.NEGATIVE_INFINITY;
  #waiters: ((result: CheckResult | undefined) => void)[] = [];

  constructor(key: string, probe: Probe, dueMs: number) {
    this.key = key;
    this.probe = probe;
    this.#starting = probe.starting;
    this.dueMs = dueMs;
  }

  /** Never rejects. */
  check(nowMs: number): Promise<CheckResult> {
    this.checking = true;
    this.#begunAtMs = nowMs;
    return this.probe.check(this.abort.signal, this.failures).catch(defect);
  }

  /** Counts a result, and answers those who wait for it before anybody else hears of it. */
  take(result: CheckResult, nowMs: number): void {
    this.checking = false;
    this.#starting &&= !result.ok;
    this.#absences = this.#starting && result.absent ? this.#absences + 1 : 0;
    if (result.ok) this.failures = 0;
    else if (this.#absences === 0 && !result.inconclusive) this.failures++;
    this.#last = { ok: result.ok, begunAtMs: this.#begunAtMs, endedAtMs: nowMs };
    this.answer(result);
  }

  /** The result of the check under way, or of the next one. */
  nextResult(): Promise<CheckResult | undefined> {
    return new Promise((resolve) => void this.#waiters.push(resolve));
  }

  answer(result: CheckResult | undefined): void {
    for (const resolve of this.#waiters.splice(0)) resolve(result);
  }

  repace(probe: Probe): void {
    this.probe = probe;
    this.#starting = probe.starting;
    this.#absences = 0;
  }

  /** Sets when the next check is due; `spread` is a factor for intervals. */
  schedule(spread: number): void {
    if (this.#last) this.dueMs = this.#last.endedAtMs + this.#pauseMs(this.#last, spread);
  }

  mayBeDoubted(nowMs: number): boolean {
    if (this.checking || this.#starting || this.failures > 0) return false;
    if (nowMs - this.#doubtedAtMs < DOUBT_EVERY_MS) return false;
    this.#doubtedAtMs = nowMs;
    return true;
  }

  #pauseMs(
    { ok, begunAtMs, endedAtMs }: { ok: boolean; begunAtMs: number; endedAtMs: number },
    spread: number,
  ) {
    const { intervalMs, retryMs, retryAfterHangMs } = this.probe;
    if (this.#absences > 0) return growing(ABSENT_FIRST_MS, this.#absences);
    if (this.#starting) return growing(STARTING_FIRST_MS, this.failures);
    if (ok) return intervalMs * spread;
    const pause = retryMs[Math.max(0, this.failures - 1)] ?? retryMs.at(-1) ?? intervalMs;
    return endedAtMs - begunAtMs > pause ? (retryAfterHangMs ?? pause) : pause;
  }
}

/** The one loop: starts what is due, the longest due first, as many at once as may be. */
class Schedule implements Disposable {
  readonly #options: ProberOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #stopTicking: () => void;
  #running = 0;
  #nextDueMs = Number.POSITIVE_INFINITY;

  constructor(options: ProberOptions) {
    this.#options = options;
    this.#stopTicking = options.clock.every(TICK_MS, () => this.#tick());
  }

  find(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  add(entry: Entry): void {
    this.#entries.set(entry.key, entry);
    this.#startDue();
  }

  remove(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    entry.abort.abort();
    entry.answer(undefined);
  }

  repace(entry: Entry, probe: Probe): void {
    entry.repace(probe);
    this.#plan(entry);
    this.#tick();
  }

  /** Before everything that is merely due. */
  hurry(entry: Entry): void {
    entry.dueMs = Number.NEGATIVE_INFINITY;
    this.#startDue();
  }

  [Symbol.dispose](): void {
    this.#stopTicking();
    for (const key of [...this.#entries.keys()]) this.remove(key);
  }

  #tick(): void {
    if (this.#nextDueMs <= this.#horizonMs()) this.#startDue();
  }

  /** Half a tick ahead: checks start on time on average, not half a tick late. */
  #horizonMs(): number {
    return this.#options.clock.monotonic() + TICK_MS / 2;
  }

  #startDue(): void {
    const limit = this.#horizonMs();
    const due: Entry[] = [];
    this.#nextDueMs = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries.values()) {
      if (entry.checking) continue;
      if (entry.dueMs <= limit) due.push(entry);
      else this.#nextDueMs = Math.min(this.#nextDueMs, entry.dueMs);
    }
    due.sort((a, b) => a.dueMs - b.dueMs);
    for (const entry of due.splice(0, this.#options.concurrency - this.#running)) void this.#run(entry);
    this.#nextDueMs = Math.min(this.#nextDueMs, due[0]?.dueMs ?? this.#nextDueMs);
  }

  async #run(entry: Entry): Promise<void> {
    const { clock, onResult } = this.#options;
    this.#running++;
    const result = await entry.check(clock.monotonic());
    this.#running--;
    if (this.#entries.get(entry.key) === entry) {
      entry.take(result, clock.monotonic());
      this.#plan(entry);
      // Last, as it may watch the key anew, at another pace or not at all.
      onResult(entry.key, result);
    }
    this.#tick();
  }

  #plan(entry: Entry): void {
    const { jitter = 0, random = Math.random } = this.#options;
    entry.schedule(jittered(1, jitter, random()));
    if (!entry.checking) this.#nextDueMs = Math.min(this.#nextDueMs, entry.dueMs);
  }
}

/** The pause of one that starts, after so many checks in a row. */
function growing(firstMs: number, checks: number): number {
  return Math.min(STARTING_MAX_MS, firstMs * STARTING_GROWTH ** Math.max(0, checks - 1));
}

/** Checks do not reject; one that does is our fault and says nothing about the target. */
function defect(thrown: unknown): CheckResult {
  return { ok: false, latencyMs: 0, detail: `cannot check: ${messageOf(thrown)}`, inconclusive: true };
}
