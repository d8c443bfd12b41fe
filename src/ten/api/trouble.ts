// How bad a service is off for those who visit it, and what is done about it: what the page and `ten top` show first.
import type { ComparisonView, InstanceView, LastChange, ServiceRate } from "./shapes.ts";

/** Whether an instance has a part in what is wrong with its service. */
export function isDegraded(one: InstanceView, rate: ServiceRate | undefined): boolean {
  if (!rate || rate.comparison.trouble === null || one.share === 0) return false;
  return rate.comparison.worse === null || rate.comparison.worse === one.version;
}

/** By what is counted in a header, and found by a filter. */
export const DEGRADED = "degraded";

/** What an instance is found by, besides its names. */
export function statesOf(one: InstanceView, rate: ServiceRate | undefined): string[] {
  return isDegraded(one, rate) ? [one.state, DEGRADED] : [one.state];
}

type Rates = ReadonlyMap<string, ServiceRate>;

/** Those whose visitors are worst off first, then by name. */
export function troubledFirst<
  T extends readonly [service: string, instances: readonly InstanceView[], ...unknown[]],
>(services: readonly T[], rates: Rates): T[] {
  const ranks = new Map(services.map(([name, these]) => [name, rank(these, rates.get(name))]));
  const of = (name: string) => ranks.get(name) ?? 0;
  return services.toSorted(([a], [b]) => of(b) - of(a) || a.localeCompare(b));
}

/** What nobody gets, before what some do not get, before what they get badly, before what has no traffic yet. */
function rank(instances: readonly InstanceView[], rate: ServiceRate | undefined): number {
  const bad = instances.filter(({ state }) => state === "failed" || state === "unhealthy");
  const isMeant = bad.some(({ weight }) => weight > 0);
  if (isMeant && instances.every(({ state, share }) => state !== "healthy" || share === 0)) return 4;
  if (isMeant) return 3;
  if (rate && rate.comparison.trouble !== null) return 2;
  return bad.length > 0 ? 1 : 0;
}

export type Remedy =
  | { readonly kind: "rollback"; readonly command: string }
  | { readonly kind: "route"; readonly command: string; readonly to: InstanceView };

/** Back to the older version, or on to the newer one; undefined where there is no other. `instances`: all of the service. */
export function remedyOf(
  { service, comparison: { worse } }: ServiceRate,
  instances: readonly InstanceView[],
): Remedy | undefined {
  const serving = instances.filter(({ share }) => share > 0);
  const newest = serving.toSorted((a, b) => b.deployed - a.deployed)[0];
  if (!newest || instances.every(({ version }) => version === newest.version)) return undefined;
  if (worse === null || newest.version === worse)
    return { kind: "rollback", command: `ten rollback ${service}` };
  return { kind: "route", command: `ten route ${service} --to ${newest.version}`, to: newest };
}

/** A change that came so shortly before is named beside it. */
const NEAR_MS = 60_000;
/** A step of what was counted is so long: it may begin before the change. */
const STEP_MS = 10_000;

/** Since when it is so, and the change with which it began; undefined while nothing is wrong. */
export function beginOf(
  { since }: ComparisonView,
  change: LastChange | undefined,
): { readonly sinceMs: number; readonly change: LastChange | undefined } | undefined {
  if (since === null) return undefined;
  const changedMs = change ? Date.parse(change.at) : Number.NaN;
  const sinceMs = Date.parse(since);
  const isNear = sinceMs >= changedMs - STEP_MS && sinceMs <= changedMs + NEAR_MS;
  return isNear ? { sinceMs: Math.max(sinceMs, changedMs), change } : { sinceMs, change: undefined };
}
