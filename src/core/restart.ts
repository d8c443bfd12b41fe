// Whether and when something that ended is started again: pure, with time and chance passed in.
import { backoff } from "./backoff.ts";

export type RestartMode = "on-failure" | "always" | "never";

export interface RestartPolicy {
  readonly mode: RestartMode;
  /** More restarts than this within `restartWindowMs` is `failed`. */
  readonly maxRestarts: number;
  readonly restartWindowMs: number;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  /** How often what has failed is tried all the same; 0 = never. */
  readonly failedRetryMs: number;
}

/** Why something needs a decision: a process ended by itself, or was unhealthy for too long, or could not be started at all. */
export type Ending = "exited_zero" | "exited_failing" | "unhealthy" | "not_started";

/** What is remembered between endings; times are monotonic. Starts as `NO_RESTARTS`. */
export interface RestartHistory {
  /** Times of restarts, oldest first; those older than the window are forgotten. */
  readonly restartsAtMs: readonly number[];
  /** Restarts since the last minute of health. */
  readonly streak: number;
}

export const NO_RESTARTS: RestartHistory = { restartsAtMs: [], streak: 0 };

/** So long a health forgives earlier restarts. */
const FORGIVEN_AFTER_MS = 60_000;

/**
 * `restart`: start again after `delayMs`. `fail`: shown as failed, started again after `delayMs` if that is given.
 * `rest`: it ended as it should, nothing is started.
 */
export type RestartDecision =
  | { readonly action: "restart"; readonly delayMs: number; readonly history: RestartHistory }
  | { readonly action: "fail"; readonly delayMs: number | undefined; readonly history: RestartHistory }
  | { readonly action: "rest"; readonly history: RestartHistory };

/**
 * Decides after one ending. `healthyForMs` is its last unbroken stretch of health, also when it had turned unhealthy since;
 * `chance` is 0 up to 1 and spreads the delays, so that what fell together does not rise together.
 */
export function decideRestart(
  policy: RestartPolicy,
  history: RestartHistory,
  ending: Ending,
  healthyForMs: number,
  nowMs: number,
  chance: number,
): RestartDecision {
  if (!wanted(policy.mode, ending)) return { action: "rest", history };
  const forgiven = healthyForMs >= FORGIVEN_AFTER_MS;
  const streak = forgiven ? 0 : history.streak;
  const within = history.restartsAtMs.filter((at) => at > nowMs - policy.restartWindowMs);
  // The list is only ever compared with maxRestarts, so it need not grow beyond that.
  const restartsAtMs = [...within, nowMs].slice(-(policy.maxRestarts + 1));
  const next = { restartsAtMs, streak: streak + 1 };
  if (restartsAtMs.length > policy.maxRestarts) {
    return { action: "fail", delayMs: policy.failedRetryMs || undefined, history: next };
  }
  return { action: "restart", delayMs: backoffMs(policy, streak, chance), history: next };
}

/** The delay before restart number `streak` (from 0): none, then doubling from base to max, each spread over its lower half. */
export function backoffMs(
  policy: Pick<RestartPolicy, "backoffBaseMs" | "backoffMaxMs">,
  streak: number,
  chance: number,
): number {
  if (streak === 0) return 0;
  const top = backoff(policy.backoffBaseMs, policy.backoffMaxMs, streak);
  const bottom = Math.max(Math.min(policy.backoffBaseMs, top), top / 2);
  return Math.round(bottom + chance * (top - bottom));
}

function wanted(mode: RestartMode, ending: Ending): boolean {
  if (mode === "on-failure") return ending !== "exited_zero";
  return mode === "always";
}

/** What the restart policy has to remember of an instance: its restarts, and its last stretch of health. */
export class Restarts {
  #history = NO_RESTARTS;
  /** On the monotonic clock: the current, or else the last, stretch of health. */
  #healthy = { fromMs: 0, toMs: 0 };

  /** A check passed at `nowMs`; `goesOn` when the one before had passed too. */
  passed(nowMs: number, goesOn: boolean): void {
    this.#healthy = { fromMs: goesOn ? this.#healthy.fromMs : nowMs, toMs: nowMs };
  }

  /** `chance` is 0 up to 1. */
  decide(policy: RestartPolicy, ending: Ending, nowMs: number, chance: number): RestartDecision {
    const healthyForMs = this.#healthy.toMs - this.#healthy.fromMs;
    const decision = decideRestart(policy, this.#history, ending, healthyForMs, nowMs, chance);
    this.#history = decision.history;
    this.#healthy = { fromMs: nowMs, toMs: nowMs };
    return decision;
  }
}

/** Reads on after how it ended. */
export function describeNextTry(delayMs: number | undefined): string {
  if (delayMs === undefined) return "";
  if (delayMs === 0) return ", restarting";
  return `, next try in ${delayMs < 1000 ? `${delayMs} ms` : `${Math.ceil(delayMs / 1000)} s`}`;
}
