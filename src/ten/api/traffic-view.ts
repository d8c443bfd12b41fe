// A service's traffic over time, version by version, with what was done to it meanwhile: what charts are drawn of.
import type { z } from "zod";
import type { Step } from "../../core/traffic-series.ts";
import type { TrafficHistory } from "../../proxy/traffic-history.ts";
import type { EventRow, Registry } from "../registry/registry.ts";
import { comparisonOf } from "./comparison.ts";
import { rateOf } from "./rates.ts";
import type { TRAFFIC_RANGES, trafficAnswer } from "./shapes.ts";
import { versionName } from "./traffic-groups.ts";

type TrafficView = z.infer<typeof trafficAnswer>;
type Range = (typeof TRAFFIC_RANGES)[number];

const RANGES: Readonly<Record<Range, { readonly secs: number; readonly isMinutes: boolean }>> = {
  "15m": { secs: 900, isMinutes: false },
  "1h": { secs: 3_600, isMinutes: false },
  "24h": { secs: 86_400, isMinutes: true },
};
const MARKED = /^(?:traffic|deploy\.failed|maintenance|rollout\..*|restart|reload)$/;
const MARKS = 50;

export function trafficOf(
  { history, registry, nowMs }: { history: TrafficHistory; registry: Registry; nowMs: number },
  service: string,
  range: Range,
): TrafficView {
  const { secs, isMinutes } = RANGES[range];
  history.refresh();
  const prefix = versionName(service, "");
  const names = [...history.names()].filter((name) => name.startsWith(prefix));
  const versions = names
    .map((name) => ({ name, steps: history.steps(name, secs * 1000, isMinutes) }))
    .filter(({ steps }) => steps.some(({ requests }) => requests > 0))
    .map(({ name, steps }) => ({
      version: name.slice(prefix.length),
      ...columnsOf(steps),
      ...nowOf(history, name),
    }))
    .sort((a, b) => orderOf(registry, service, a.version) - orderOf(registry, service, b.version));
  const all = columnsOf(history.steps(service, secs * 1000, isMinutes));
  const stepMs = isMinutes ? 60_000 : 10_000;
  const startMs = (Math.floor(nowMs / stepMs) - Math.round((secs * 1000) / stepMs)) * stepMs;
  return {
    service,
    range,
    start: new Date(startMs).toISOString(),
    step_secs: stepMs / 1000,
    total: all,
    versions,
    comparison: comparisonOf(history, service, registry.list(service)),
    marks: marksOf(registry, service, startMs),
  };
}

function columnsOf(steps: readonly Step[]) {
  const rounded = (ms: number | undefined) => (ms === undefined ? null : Math.round(ms * 100) / 100);
  return {
    requests: steps.map(({ requests }) => requests),
    failed: steps.map(({ failed }) => failed),
    p95_ms: steps.map(({ p95Ms }) => rounded(p95Ms)),
  };
}

function nowOf(history: TrafficHistory, name: string) {
  const rate = rateOf(history, name);
  return {
    requests_per_sec: rate.requestsPerSec,
    error_percent: rate.errorPercent,
    error_window_secs: rate.windowSecs,
    p50_ms: rate.p50Ms,
    now_p95_ms: rate.p95Ms,
    p99_ms: rate.p99Ms,
  };
}

/** When it was last deployed; those that are gone come first. */
function orderOf(registry: Registry, service: string, version: string): number {
  const rows = registry.list(service).filter((row) => row.version === version);
  return Math.max(0, ...rows.map(({ deployed }) => deployed));
}

function marksOf(registry: Registry, service: string, sinceMs: number) {
  const events = registry.events({ service, sinceMs, limit: 2_000 });
  return events.filter(isMark).slice(-MARKS).map(toMark);
}

/** What somebody did, or what a rollout decided: not what instances do by themselves. */
function isMark({ kind, actor }: EventRow): boolean {
  return MARKED.test(kind) && (kind !== "restart" || actor !== null);
}

function toMark({ at, kind, instance, detail, actor }: EventRow) {
  const [text = ""] = detail.split("\n");
  return { at: new Date(at).toISOString(), kind, id: instance, text, by: actor };
}
