// Rescue: what a canary fails is answered by the version before it, and its visitor notices nothing.
import type { Target } from "../../core/route.ts";
import type { RequestState } from "./request-state.ts";

/** Statuses that say that the canary, not the visitor's request, is the matter. */
const RESCUED: ReadonlySet<number> = new Set([502, 503, 504]);

/** Whether somebody else may give another answer than this one. */
export function isRescued({ route }: RequestState, status: number): boolean {
  return RESCUED.has(status) || (status === 500 && route.trial?.rescue?.on500 === true);
}

/**
 * Who answers in the place of a target that has failed; undefined: nobody may. Only what changes nothing (GET, HEAD) is
 * asked twice after it was sent.
 */
export function rescuerOf({ route, method, body, label }: RequestState, failed: Target): string | undefined {
  const rescue = route.trial?.rescue;
  const changesNothing = method === "GET" || method === "HEAD";
  if (rescue === undefined || !changesNothing || label !== undefined) return undefined;
  if (!rescue.from.includes(failed.label) || !body.isEmpty) return undefined;
  const isReady = ({ label: one, readiness }: Target) => rescue.to.includes(one) && readiness === "ready";
  return route.targets.find(isReady)?.label;
}
