// The status of a server, step by step from the results of its checks: pure, with monotonic time from outside.
import { backoff } from "../../core/backoff.ts";

export type ServerStatus = "unknown" | "online" | "offline";

/** So many failed checks in a row, the first and its two confirmations, make a server offline. */
export const FAILURES_TO_OFFLINE = 3;
/** Good polls that a server needs before its own tenants return to it; doubled for every time it went down lately. */
const PASSES_TO_SETTLE = 2;
const PASSES_TO_SETTLE_MAX = 16;
/** How long a fall is remembered for that. */
const FLAP_MEMORY_MS = 600_000;

export interface Standing {
  readonly status: ServerStatus;
  /** Monotonic time of the last change of status. */
  readonly sinceMs: number;
  /** Checks in a row, up to now. */
  readonly failures: number;
  readonly passes: number;
  /** Monotonic time of the first of the failures in a row; undefined while the last check passed. */
  readonly failingSinceMs: number | undefined;
  /** When it became steady enough for its own tenants; undefined while it is not. */
  readonly settledAtMs: number | undefined;
  /** When it went offline, within the last ten minutes. */
  readonly falls: readonly number[];
}

/** A server that was just added, or slum that has just started: routable, as nothing speaks against it. */
export function freshStanding(nowMs: number): Standing {
  return {
    status: "unknown",
    sinceMs: nowMs,
    failures: 0,
    passes: 0,
    failingSinceMs: undefined,
    settledAtMs: Number.NEGATIVE_INFINITY,
    falls: [],
  };
}

/** The standing after one check that came to a verdict. */
export function nextStanding(standing: Standing, passed: boolean, nowMs: number): Standing {
  return passed ? afterPass(standing, nowMs) : afterFailure(standing, nowMs);
}

function afterPass(before: Standing, nowMs: number): Standing {
  const passes = before.passes + 1;
  const falls = before.falls.filter((atMs) => nowMs - atMs < FLAP_MEMORY_MS);
  const isSteady = passes >= backoff(PASSES_TO_SETTLE, PASSES_TO_SETTLE_MAX, Math.max(0, falls.length - 1));
  return {
    status: "online",
    sinceMs: before.status === "online" ? before.sinceMs : nowMs,
    failures: 0,
    passes,
    failingSinceMs: undefined,
    settledAtMs: before.settledAtMs ?? (isSteady ? nowMs : undefined),
    falls,
  };
}

function afterFailure(before: Standing, nowMs: number): Standing {
  const failures = before.failures + 1;
  const falls = before.status !== "offline" && failures >= FAILURES_TO_OFFLINE;
  return {
    status: falls ? "offline" : before.status,
    sinceMs: falls ? nowMs : before.sinceMs,
    failures,
    passes: 0,
    failingSinceMs: before.failingSinceMs ?? nowMs,
    settledAtMs: falls ? undefined : before.settledAtMs,
    falls: falls ? [...before.falls, nowMs] : before.falls,
  };
}
