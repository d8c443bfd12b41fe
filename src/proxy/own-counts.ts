// What the proxy answers itself, counted like what targets answer: under a name of its own for each route and reason.
import type { AnswerName } from "./answers.ts";

/** No name of a target or a route has an exclamation mark. */
const UNTRIED = ":!";
const TRIED = ":!!";
/** Answers that are meant, and no trouble of anybody's. */
const MEANT: ReadonlySet<AnswerName> = new Set(["maintenance", "asleep"]);

/** Lines of the access log that had no room: counted as an own answer of no route, so that workers tell of them too. */
export const DROPPED_LINES = ":!!dropped";

export interface OwnCount {
  readonly route: string;
  readonly reason: AnswerName;
  /** It is no request of the route's that is counted nowhere else: a target's try was, or it is what an operator has asked for. */
  readonly isCounted: boolean;
}

/** The name to count under. `isTried`: a target has been asked, and its failure is counted as its own. */
export function ownCountName(route: string, reason: AnswerName, isTried: boolean): string {
  return `${route}${isTried || MEANT.has(reason) ? TRIED : UNTRIED}${reason}`;
}

/** Undefined: it is the name of a target. */
export function readOwnCount(name: string): OwnCount | undefined {
  const at = name.indexOf(UNTRIED);
  if (at < 0) return undefined;
  const isCounted = name.startsWith(TRIED, at);
  const reason = name.slice(at + (isCounted ? TRIED : UNTRIED).length) as AnswerName;
  return { route: name.slice(0, at), reason, isCounted };
}

/** Whether something is counted under this name for one of these routes, or for none at all. */
export function isOwnCountOf(name: string, routes: ReadonlySet<string>): boolean {
  const own = readOwnCount(name);
  return own !== undefined && (own.route === "" || routes.has(own.route));
}
