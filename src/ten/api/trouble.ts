// How bad a service is off for those who visit it, and what is done about it: what the page and `ten top` show first.
import { STEP_MS } from "../../core/traffic-series.ts";
import type { ComparisonView, InstanceView, LastChange, ServiceRate } from "./shapes.ts";

/** Whether an instance has a part in what is wrong with its service. */
export function isDegraded(one: InstanceView, rate: ServiceRate | undefined): boolean {
  if (!rate || rate.comparison.trouble === null || one.share === 0) return false;
  return rate.comparison.worse === null || rate.comparison.worse === one.version;
}

const DEGRADED = "degraded";

/** What an instance is found by, besides its names. */
export function statesOf(one: InstanceView, rate: ServiceRate | undefined): string[] {
  return isDegraded(one, rate) ? [one.state, DEGRADED] : [one.state];
}

type Rates = ReadonlyMap<string, ServiceRate>;

/** Whether all the words of a filter are in its names and states. */
export function isFound(one: InstanceView, rates: Rates, words: readonly string[]): boolean {
  const text = [one.id, one.version, ...statesOf(one, rates.get(one.service))].join(" ");
  return words.every((word) => text.includes(word));
}

/** How many are failed, unhealthy, or serve worse than they should: each a word that a filter finds them by. */
export function troublesOf(
  instances: readonly InstanceView[],
  rates: Rates,
): readonly { readonly word: string; readonly count: number }[] {
  const states = instances.flatMap((one) => statesOf(one, rates.get(one.service)));
  return ["failed", "unhealthy", DEGRADED].map((word) => ({
    word,
    count: states.filter((state) => state === word).length,
  }));
}

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
  const newest = newestOf(instances.filter(({ share }) => share > 0));
  if (!newest || instances.every(({ version }) => version === newest.version)) return undefined;
  const command = commandAgainst(service, newest, worse);
  return worse === null || newest.version === worse
    ? { kind: "rollback", command }
    : { kind: "route", command, to: newest };
}

type Deployed = Pick<InstanceView, "version" | "deployed">;

/** Deployed last. */
export function newestOf<T extends Deployed>(serving: readonly T[]): T | undefined {
  return serving.toSorted((a, b) => b.deployed - a.deployed)[0];
}

/** Takes the traffic of a version away: back from the `newest`, or on to it. `bad` null: all that serve are bad alike. */
export function commandAgainst(service: string, newest: Deployed | undefined, bad: string | null): string {
  return newest === undefined || bad === null || newest.version === bad
    ? `ten rollback ${service}`
    : `ten route ${service} --to ${newest.version}`;
}

/** A change that came so shortly before is named beside it. */
const NEAR_MS = 60_000;

/** Since when it is so (a step of what was counted may begin before the change), and the change with which it began; undefined while nothing is wrong. */
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
