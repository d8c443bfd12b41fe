// Which version of a service is worse, by how much, and since when: of those that take traffic now.
import type { z } from "zod";
import {
  type Comparison,
  compareVersions,
  type Trouble,
  troubledSince,
} from "../../core/compare-versions.ts";
import { MINUTE_MS, STEP_MS } from "../../core/traffic-series.ts";
import type { TrafficHistory } from "../../proxy/traffic-history.ts";
import type { InstanceRow } from "../registry/registry.ts";
import type { comparison } from "./shapes.ts";
import { versionName } from "./traffic-groups.ts";

export type History = Pick<TrafficHistory, "window" | "steps">;

/** Versions are compared by what they did in the last five minutes, or in the last hour when that is little. */
const COMPARED_SECS = [300, 3_600] as const;
const ENOUGH = 200;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Those that are meant to take traffic. */
export function servingOf(rows: readonly InstanceRow[]): InstanceRow[] {
  return rows.filter(({ desired, weight }) => desired === "running" && weight > 0);
}

/** `rows` are the service's instances: one that is taken back is nobody's trouble any more. */
export function comparisonOf(
  history: History,
  service: string,
  rows: readonly InstanceRow[],
): z.infer<typeof comparison> {
  const serving = servingOf(rows);
  const { worse, trouble, text } = compare(history, service, [
    ...new Set(serving.map(({ version }) => version)),
  ]);
  const sinceMs = trouble && sinceOf(history, service, trouble, serving);
  return {
    worse: worse ?? null,
    text,
    trouble: trouble?.kind ?? null,
    since: sinceMs === undefined ? null : new Date(sinceMs).toISOString(),
  };
}

function compare(history: History, service: string, versions: readonly string[]): Comparison {
  const [shorter, longer] = COMPARED_SECS;
  const measure = (secs: number) =>
    versions.flatMap((version) => {
      const window = history.window(versionName(service, version), secs * 1000);
      if (!window || window.requests === 0) return [];
      return [{ version, ...window }];
    });
  const recent = measure(shorter);
  const isEnough = recent.length > 1 && recent.every(({ requests }) => requests >= ENOUGH);
  const found = compareVersions(recent, shorter);
  if (isEnough || found.trouble !== undefined || recent.length < 2) return found;
  return compareVersions(measure(longer), longer);
}

/** By steps of ten seconds, and by minutes where it is older than an hour. */
function sinceOf(
  history: History,
  service: string,
  trouble: Trouble,
  serving: readonly InstanceRow[],
): number | undefined {
  const name = trouble.version === undefined ? service : versionName(service, trouble.version);
  const steps = history.steps(name, HOUR_MS, false);
  const last = steps.at(-1);
  // What no step shows that is over came in the one that is not.
  const since = troubledSince(steps, trouble) ?? (last && last.atMs + STEP_MS);
  if (since === undefined) return undefined;
  const isOlder = since < (steps[0]?.atMs ?? 0) + MINUTE_MS;
  const found = isOlder ? troubledSince(history.steps(name, DAY_MS, true), trouble) : undefined;
  // A step begins before what came in it.
  const meant = serving.filter(({ version }) => trouble.version === undefined || version === trouble.version);
  return Math.max(found ?? since, Math.min(...meant.map(({ createdAt }) => createdAt)));
}
