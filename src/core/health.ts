// How health follows from checks: pure, one step a check.

/** The states that checks decide between; draining, sleeping, stopped and failed are decided by commands and exits. */
export type HealthState = "starting" | "healthy" | "unhealthy";

/** So many failed checks in a row make what was healthy unhealthy; one that passes makes it healthy again. */
export const FAILURES_TO_UNHEALTHY = 3;

export interface Health {
  readonly state: HealthState;
  /** Failed checks in a row, up to now. */
  readonly failures: number;
  /** Adopted after a restart of the server and not yet checked: it keeps its traffic until a check has spoken. */
  readonly unchecked: boolean;
  /** Monotonic time of becoming unhealthy; undefined in every other state. */
  readonly unhealthySinceMs: number | undefined;
}

/** The health of a process that was just started. It gets no traffic, and failures do not make it unhealthy: it has a deadline. */
export function freshHealth(): Health {
  return { state: "starting", failures: 0, unchecked: false, unhealthySinceMs: undefined };
}

/** The health of a process that was adopted in the state it was last known in. */
export function adoptedHealth(state: HealthState, nowMs: number): Health {
  const unhealthySinceMs = state === "unhealthy" ? nowMs : undefined;
  return { state, failures: 0, unchecked: true, unhealthySinceMs };
}

/** The health after one check that came to a verdict, at `nowMs` of the monotonic clock. */
export function nextHealth(health: Health, passed: boolean, nowMs: number): Health {
  if (passed) return { state: "healthy", failures: 0, unchecked: false, unhealthySinceMs: undefined };
  const failures = health.failures + 1;
  const fails = health.state === "healthy" && failures >= FAILURES_TO_UNHEALTHY;
  const state = fails ? "unhealthy" : health.state;
  const unhealthySinceMs = fails ? nowMs : health.unhealthySinceMs;
  return { state, failures, unchecked: false, unhealthySinceMs };
}

/** How long it has been unhealthy without a break, in milliseconds; 0 when it is not. */
export function unhealthyForMs(health: Health, nowMs: number): number {
  return health.unhealthySinceMs === undefined ? 0 : nowMs - health.unhealthySinceMs;
}
