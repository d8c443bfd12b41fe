// Where a request goes next: a target, a reason to wait, or the answer when there is neither.

import { type Selection, usable } from "../../core/round-robin.ts";
import type { Maintenance, Route, Target } from "../../core/route.ts";
import type { RouteTable } from "../../core/route-table.ts";
import type { AnswerName } from "../answers.ts";
import { looksAt, type RequestState } from "./request-state.ts";
import type { Verdict } from "./waiting.ts";

/** A reason to wait, and how to tell from a table that it is over. */
export class Pause {
  /** `arrival` is a target that comes; `settling` is news about one that has just failed; `demand` is one to be made. */
  readonly why: "arrival" | "settling" | "demand";
  /** The label of the target waited for; undefined when any will do. */
  readonly label: string | undefined;
  readonly judge: (table: RouteTable) => Verdict;

  constructor(why: Pause["why"], label: string | undefined, judge: (table: RouteTable) => Verdict) {
    this.why = why;
    this.label = label;
    this.judge = judge;
  }
}

/** The target to send to now, a reason to wait, or the answer when there is neither. Counts a weighted pick once. */
export function choose(
  visit: RequestState,
  table: RouteTable,
  selection: Selection,
): Target | Pause | AnswerName {
  const entry = table.routes.get(visit.route.name);
  if (entry === undefined) return visit.failure ?? "nothing_routable";
  visit.route = entry.route;
  if (visit.tried !== undefined) forgetChanged(visit.tried, visit.route);
  if (visit.label === undefined) visit.sticky = entry.sticky;
  const rescuer = visit.rescuer === undefined ? undefined : entry.targets.get(visit.rescuer);
  if (rescuer !== undefined && serves(rescuer)) return rescuer;
  const label = visit.label ?? visit.picked;
  if (label === undefined) return chooseByWeight(visit, selection);
  const target = entry.targets.get(label);
  return visit.label === undefined ? choosePicked(visit, target, selection) : chooseNamed(visit, target);
}

function chooseByWeight(visit: RequestState, selection: Selection): Target | Pause | AnswerName {
  const { route, tried } = visit;
  if (route.maintenance !== undefined && visit.attempts === 0 && !isOpen(visit, route.maintenance)) {
    return "maintenance";
  }
  const isFirst = tried === undefined && visit.attempts === 0;
  const home = visit.home();
  const target =
    home ?? (isFirst ? selection.selectWeighted(route) : selection.alternative(route, tried ?? NONE));
  if (target !== undefined) {
    if (isFirst && isSharing(route, target)) visit.turn = { target: target.id, isHome: home !== undefined };
    if (target.readiness !== "asleep") return target;
    if (visit.isCheck) return "asleep";
    visit.picked = target.label;
    return untilTarget(route.name, target.label);
  }
  if (route.targets.some(isComing)) return untilAny(route.name);
  if (tried !== undefined && tried.size > 0) return untilChanged(visit, tried);
  return visit.failure ?? (visit.waitUntil === undefined ? "nothing_routable" : "start_failed");
}

/** Whether a target has a part of the split: a silent one that is asked once for a sign of life has none. */
function isSharing(route: Route, target: Target): boolean {
  return target.readiness !== "unsure" || usable(route).includes(target);
}

/** Whether a request is one that targets answer during maintenance too. */
function isOpen({ head }: RequestState, { openPath }: Maintenance): boolean {
  return openPath !== undefined && looksAt(head, openPath);
}

const NONE: ReadonlyMap<string, Target> = new Map();

/** The sleeping target whose turn it was; when it does not wake, an awake sibling. */
function choosePicked(
  visit: RequestState,
  target: Target | undefined,
  selection: Selection,
): Target | Pause | AnswerName {
  if (target !== undefined && target.weight > 0) {
    if (serves(target)) {
      visit.picked = undefined;
      return target;
    }
    if (target.readiness !== "out" && !visit.isLate) return untilTarget(visit.route.name, target.label);
  }
  visit.picked = undefined;
  const other = selection.alternative(visit.route, visit.tried ?? NONE);
  return other !== undefined && serves(other) ? other : "start_failed";
}

function chooseNamed(visit: RequestState, target: Target | undefined): Target | Pause | AnswerName {
  const { route } = visit;
  if (target === undefined) {
    if (route.policy.onDemand !== true || visit.label === undefined) return "unknown_instance";
    if (visit.demand === "refused") return "nothing_routable";
    return visit.demand === "made" ? "unknown_instance" : untilMade(visit, visit.label);
  }
  if (visit.tried?.has(target.id)) return untilChanged(visit, visit.tried);
  if (serves(target)) return target;
  if (visit.isCheck && target.readiness === "asleep") return "asleep";
  if (target.readiness !== "out") return untilTarget(route.name, target.label);
  return visit.failure ?? (visit.waitUntil === undefined ? "nothing_routable" : "start_failed");
}

function serves({ readiness }: Target): boolean {
  return readiness === "ready" || readiness === "unsure";
}

function isComing({ weight, readiness }: Target): boolean {
  return weight > 0 && readiness === "coming";
}

function untilTarget(route: string, label: string): Pause {
  return new Pause("arrival", label, (table) => {
    const target = table.routes.get(route)?.targets.get(label);
    if (target === undefined || target.readiness === "out") return "fail";
    return serves(target) ? "go" : "stay";
  });
}

function untilAny(route: string): Pause {
  return new Pause("arrival", undefined, (table) => {
    const targets = table.routes.get(route)?.route.targets ?? [];
    if (targets.some((target) => target.weight > 0 && (serves(target) || target.readiness === "asleep")))
      return "go";
    return targets.some(isComing) ? "stay" : "fail";
  });
}

function untilMade(visit: RequestState, label: string): Pause {
  return new Pause("demand", label, (table) => {
    if (table.routes.get(visit.route.name)?.targets.has(label)) return "go";
    return visit.demand === "open" ? "stay" : "go";
  });
}

/** Until a target that failed the request is no longer as it was, or another serves. */
function untilChanged(visit: RequestState, tried: ReadonlyMap<string, Target>): Pause {
  return new Pause("settling", undefined, (table) => {
    const entry = table.routes.get(visit.route.name);
    for (const target of tried.values()) if (isChanged(entry?.targets.get(target.label), target)) return "go";
    if (visit.label !== undefined) return "stay";
    const isOther = (target: Target) => target.weight > 0 && serves(target) && !tried.has(target.id);
    return entry?.route.targets.some(isOther) ? "go" : "stay";
  });
}

/** Whether a target that failed is gone, on its way back, or a new process at another address. */
export function isChanged(now: Target | undefined, then: Target): boolean {
  return (
    now === undefined ||
    !serves(now) ||
    now.address.port !== then.address.port ||
    now.address.host !== then.address.host
  );
}

function forgetChanged(tried: Map<string, Target>, route: Route): void {
  for (const target of route.targets) {
    const then = tried.get(target.id);
    if (then !== undefined && isChanged(target, then)) tried.delete(target.id);
  }
}
