// What one instance's restart policy has to remember: its restarts, and its last stretch of health.
import {
  decideRestart,
  type Ending,
  NO_RESTARTS,
  type RestartDecision,
  type RestartPolicy,
} from "../../core/restart.ts";

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
