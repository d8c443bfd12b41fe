// Which authorities are left alone for now: one that is down, or turns name after name away, is not asked for each name anew.
import { backoff } from "../core/backoff.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { AcmeProblem } from "./acme/problem.ts";
import type { CertificateStore } from "./store/store.ts";

/** What is not tried before a moment, by a limit of ours or an authority's wish. */
export class NotNow extends Error {
  readonly until: number;

  constructor(reason: string, until: number) {
    super(reason);
    this.until = until;
  }
}

interface Hold {
  /** In a row. */
  readonly failures: number;
  readonly until: number;
  readonly reason: string;
}

const LEAST_MS = 60_000;
const MOST_MS = 30 * 60_000;
/** Where a limit is over is not said for the whole account, but so many names in a row are no accident. */
const NAMES_TURNED_AWAY = 3;
const LIMIT_MS = 3_600_000;
const LIMIT_MOST_MS = 24 * 3_600_000;

export class Holds {
  readonly #store: CertificateStore;
  readonly #clock: Clock;
  readonly #holds = new Map<string, Hold>();
  readonly #turnedAway = new Map<string, Set<string>>();

  constructor(store: CertificateStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** What was found out before the last end. */
  async open(urls: readonly string[]): Promise<void> {
    for (const url of urls) {
      const hold = parsed(await this.#store.get("account", keyOf(url)));
      if (hold !== undefined) this.#holds.set(url, hold);
    }
  }

  /** Undefined when it may be asked. */
  of(url: string): NotNow | undefined {
    const hold = this.#holds.get(url);
    if (hold === undefined || hold.until <= this.#clock.now()) return undefined;
    return new NotNow(hold.reason, hold.until);
  }

  async failed(url: string, name: string, problem: AcmeProblem): Promise<void> {
    const now = this.#clock.now();
    const { retryAfterMs = 0, message } = problem;
    const before = this.#holds.get(url);
    // Orders that were out side by side have failed of the same.
    const isSame = before !== undefined && before.until > now;
    const failures = (before?.failures ?? 0) + (isSame ? 0 : 1);
    if (problem.isDown)
      return this.#hold(url, {
        failures,
        until:
          now + Math.min(LIMIT_MOST_MS, Math.max(retryAfterMs, backoff(LEAST_MS, MOST_MS, failures - 1))),
        reason: message,
      });
    if (problem.type !== "rateLimited") return;
    const names = this.#turnedAway.get(url) ?? new Set();
    this.#turnedAway.set(url, names.add(name));
    if (names.size < NAMES_TURNED_AWAY) return;
    await this.#hold(url, {
      failures,
      until: now + Math.min(LIMIT_MOST_MS, retryAfterMs || LIMIT_MS),
      reason: message,
    });
  }

  /** It has done what it was asked. */
  async answered(url: string): Promise<void> {
    this.#turnedAway.delete(url);
    if (this.#holds.delete(url)) await this.#store.delete("account", keyOf(url));
  }

  async #hold(url: string, hold: Hold): Promise<void> {
    this.#turnedAway.delete(url);
    const before = this.#holds.get(url);
    const until = Math.max(hold.until, before?.until ?? 0);
    this.#holds.set(url, { ...hold, until });
    // That it can be kept is of no use to who is told of the failure.
    await this.#store.put("account", keyOf(url), JSON.stringify({ ...hold, until })).catch(() => {});
  }
}

function keyOf(url: string): string {
  return `hold ${url}`;
}

function parsed(text: string | undefined): Hold | undefined {
  try {
    const hold = JSON.parse(text ?? "") as Partial<Hold>;
    const { failures, until, reason } = hold;
    if (typeof failures !== "number" || typeof until !== "number" || typeof reason !== "string")
      return undefined;
    return { failures, until, reason };
  } catch {
    return undefined;
  }
}
