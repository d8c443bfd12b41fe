// What a command would do to a split, by the same arithmetic as the server's, to be shown before it is done.
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { type Plan, planRoute, planShare, planStop, type Service } from "../../core/rollout.ts";
import { usable } from "../../core/round-robin.ts";
import type { Readiness } from "../../core/route.ts";
import { at, shareOf, sum, type Weights } from "../../core/weight.ts";
import type { SplitView } from "../api/shapes.ts";

/** One instance of a split as it is, and as it would be. */
export interface Line {
  readonly id: string;
  readonly version: string;
  readonly before: Part;
  /** Undefined when it would not run any more. */
  readonly after: Part | undefined;
}

/** Both in percent. */
export interface Part {
  readonly weight: number;
  readonly share: number;
}

/** What would be, and what speaks against it: then it takes `force`. */
export interface Outlook {
  readonly lines: readonly Line[];
  readonly fault: Fault | undefined;
}

export type Planned =
  | { readonly kind: "weight"; readonly id: string; readonly percent: number }
  | { readonly kind: "route"; readonly from: string | undefined; readonly to: string }
  | { readonly kind: "stop"; readonly id: string };

export function outlook(name: string, split: SplitView, planned: Planned): Outlook {
  const service = serviceOf(name, split);
  try {
    return { lines: linesAfter(name, split, plan(service, planned, false).weights), fault: undefined };
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    return { lines: forced(service, split, planned), fault: thrown };
  }
}

/** A split and what the server says it would be, where only the server can say it. */
export function compare(now: SplitView, then: SplitView): Line[] {
  const before = new Map(now.map((one) => [one.id, one]));
  return then.map(({ id, version, weight, share }) => {
    const { weight: was = 0, share: had = 0 } = before.get(id) ?? {};
    return { id, version, before: { weight: was, share: had }, after: { weight, share } };
  });
}

/** The same when nobody minds; nothing changes where not even that is possible. */
function forced(service: Service, split: SplitView, planned: Planned): readonly Line[] {
  try {
    return linesAfter(service.name, split, plan(service, planned, true).weights);
  } catch {
    return linesAfter(service.name, split, new Map(service.members.map((m) => [m.id, m.weight])));
  }
}

function plan(service: Service, planned: Planned, force: boolean): Plan {
  switch (planned.kind) {
    case "weight":
      return planShare(service, planned.id, Math.round(planned.percent * 100), force);
    case "route":
      return planRoute(service, planned.from, planned.to, force);
    case "stop":
      return planStop(service, [planned.id], force);
  }
}

/** As the plans see it: a split has the instances that should run, in the order of their creation. */
function serviceOf(name: string, split: SplitView): Service {
  const members = split.map(({ id, version, state, weight }, place) => ({
    id: labelOf(id),
    version,
    weight: Math.round(weight * 100),
    runs: true,
    healthy: state === "healthy",
    sleeps: state === "sleeping",
    deployed: place,
    deployedAfter: 0,
  }));
  return { name, members };
}

function linesAfter(name: string, split: SplitView, weights: Weights): Line[] {
  const targets = split.map(({ id, state }) => ({
    id,
    weight: at(weights, labelOf(id)),
    readiness: READINESS[state] ?? "out",
  }));
  const used = usable({ targets });
  const total = sum(used.map(({ weight }) => weight));
  const shares = new Map(used.map(({ id, weight }) => [id, shareOf(weight, total)]));
  return split.map(({ id, version, weight, share }) => {
    const label = labelOf(id);
    const after = { weight: at(weights, label) / 100, share: shares.get(instanceName(name, label)) ?? 0 };
    return { id, version, before: { weight, share }, after: weights.has(label) ? after : undefined };
  });
}

const READINESS: Readonly<Record<string, Readiness>> = {
  healthy: "ready",
  sleeping: "asleep",
  unhealthy: "unsure",
};

/** `v2` of `api:v2`. */
export function labelOf(id: string): string {
  return id.slice(id.indexOf(":") + 1);
}

/** A version and its part of the traffic, in percent. */
export interface VersionShare {
  readonly version: string;
  readonly share: number;
}

/** Versions in the order of their first instance, each with what its instances have together. */
export function versionShares(
  instances: readonly { readonly version: string; readonly share: number }[],
): VersionShare[] {
  const shares = new Map<string, number>();
  for (const { version, share } of instances) shares.set(version, (shares.get(version) ?? 0) + share);
  return [...shares].map(([version, share]) => ({ version, share: Math.round(share * 100) / 100 }));
}
