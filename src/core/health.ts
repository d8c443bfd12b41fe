// How health follows from checks: pure, one step a check.

/** The states that checks decide between; draining, sleeping, stopped and failed are decided by commands and exits. */
export type HealthState = "starting" | "healthy" | "unhealthy";

/** So many failed checks in a row make what was healthy unhealthy; one that passes makes it healthy again. */
const FAILURES_TO_UNHEALTHY = 3;

export interface Health {
  readonly state: HealthState;
  /** Failed checks in a row, up to now. */
  readonly failures: number;
  /** Adopted after a restart of the server and not yet checked: it keeps its traffic until a check has spoken. */
  readonly unchecked: boolean;
}

/** The health of a process that was just started. It gets no traffic, and failures do not make it unhealthy: it has a deadline. */
export function freshHealth(): Health {
  return { state: "starting", failures: 0, unchecked: false };
}

/** The health of a process that was adopted in the state it was last known in. */
export function adoptedHealth(state: HealthState): Health {
  return { state, failures: 0, unchecked: true };
}

/** The health after one check that came to a verdict. */
export function nextHealth(health: Health, passed: boolean): Health {
  if (passed) return { state: "healthy", failures: 0, unchecked: false };
  const failures = health.failures + 1;
  const fails = health.state === "healthy" && failures >= FAILURES_TO_UNHEALTHY;
  const state = fails ? "unhealthy" : health.state;
  return { state, failures, unchecked: false };
}
