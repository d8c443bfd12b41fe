// What the proxy answers itself, counted under a name of its own for each route, reason and target that was asked last.
import { type AnswerName, statusOf } from "./answers.ts";

/** No name of a target or a route has an exclamation mark or an at sign. */
const UNTRIED = ":!";
const TRIED = ":!!";
const ASKED = "@";
/** Answers that are meant, and no trouble of anybody's. */
const MEANT: ReadonlySet<AnswerName> = new Set(["maintenance", "asleep"]);

/** Lines of the access log that had no room: counted as an own answer of no route, so that workers tell of them too. */
export const DROPPED_LINES = ":!!dropped";

export interface OwnCount {
  /** Empty: of no route. */
  readonly route: string;
  readonly reason: AnswerName;
  /** The target that was asked last; empty: none, or it is not told. */
  readonly target: string;
  /** It is no request of the route's that is counted nowhere else: a target's try was, or it is what an operator has asked for. */
  readonly isCounted: boolean;
}

/** The name to count under. `isTried`: a target has been asked, and its failure is counted as its own. */
export function ownCountName(route: string, reason: AnswerName, isTried: boolean, target = ""): string {
  const name = `${route}${isTried || MEANT.has(reason) ? TRIED : UNTRIED}${reason}`;
  return target === "" ? name : `${name}${ASKED}${target}`;
}

export function isOwnCount(name: string): boolean {
  return name.includes(UNTRIED);
}

/** Undefined: it is the name of a target or of a group of them. */
export function readOwnCount(name: string): OwnCount | undefined {
  const at = name.indexOf(UNTRIED);
  if (at < 0) return undefined;
  const isCounted = name.startsWith(TRIED, at);
  const [reason = "", target = ""] = name.slice(at + (isCounted ? TRIED : UNTRIED).length).split(ASKED);
  return { route: name.slice(0, at), reason: reason as AnswerName, target, isCounted };
}

/** One increment an answer; whoever reads takes what there is. As many names as there were answers of different kinds since. */
export class OwnCounts {
  #counts = new Map<string, number>();

  add(name: string, count = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + count);
  }

  /** Everything since it was last taken. */
  take(): ReadonlyMap<string, number> {
    const taken = this.#counts;
    if (taken.size > 0) this.#counts = new Map();
    return taken;
  }
}

export interface ReasonCount {
  readonly reason: AnswerName;
  readonly status: number;
  /** The target that was asked last; empty: none, or it is not told. */
  readonly target: string;
  readonly count: number;
  /** In the last minute. */
  readonly lately: number;
}

/** Own answers in a time, and how many there were in each shorter and longer one. */
export interface OwnWindow {
  readonly windowSecs: number;
  /** In `windowSecs`, the most frequent first. */
  readonly reasons: readonly ReasonCount[];
  readonly windows: readonly { readonly windowSecs: number; readonly count: number }[];
}

/** What is told of, what of it is of late, and the times beside it. */
const WINDOW_SECS = 300;
const LATE_SECS = 60;
const WINDOWS_SECS = [10, LATE_SECS, WINDOW_SECS, 3_600];

/** Of these names: of what is told, those of one reason and target are one. `window` is of a name, in milliseconds. */
export function ownWindow(
  names: Iterable<string>,
  window: (name: string, windowMs: number) => { readonly requests: number } | undefined,
): OwnWindow {
  const reasons = new Map<string, ReasonCount>();
  const sums = WINDOWS_SECS.map(() => 0);
  for (const name of names) {
    const own = readOwnCount(name);
    if (own === undefined) continue;
    const counts = WINDOWS_SECS.map((secs) => window(name, secs * 1000)?.requests ?? 0);
    for (const [place, count] of counts.entries()) sums[place] = (sums[place] ?? 0) + count;
    const count = counts[WINDOWS_SECS.indexOf(WINDOW_SECS)] ?? 0;
    if (count === 0) continue;
    const { reason, target } = own;
    const key = `${reason}${ASKED}${target}`;
    const before = reasons.get(key);
    reasons.set(key, {
      reason,
      status: statusOf(reason),
      target,
      count: (before?.count ?? 0) + count,
      lately: (before?.lately ?? 0) + (counts[WINDOWS_SECS.indexOf(LATE_SECS)] ?? 0),
    });
  }
  return {
    windowSecs: WINDOW_SECS,
    reasons: [...reasons.values()].toSorted((a, b) => b.count - a.count),
    windows: WINDOWS_SECS.map((windowSecs, place) => ({ windowSecs, count: sums[place] ?? 0 })),
  };
}
