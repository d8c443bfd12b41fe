// What is shown of instances: rows, lives and traffic put together for the API.
import { instanceName } from "../core/name.ts";
import { shareOf, sum } from "../core/weight.ts";
import type { Usage } from "../platform/stats.ts";
import type { TargetTraffic } from "../proxy/metrics.ts";
import { errorsOf, type Rates } from "./rates.ts";
import type { InstanceRow, Registry } from "./registry.ts";
import { readinessOf } from "./routes.ts";
import type { InstanceView, SplitView } from "./shapes.ts";
import type { Supervisor } from "./supervisor.ts";

export interface View {
  list(service?: string): InstanceView[];
  one(service: string, id: string): InstanceView;
  /** The instances of a service that should run, newest last. */
  split(service: string): SplitView;
}

export interface ViewParts {
  readonly registry: Registry;
  readonly supervisor: Supervisor;
  readonly rates: Rates;
  traffic(): readonly TargetTraffic[];
  /** By session, which is the pid of an instance's process. */
  usage(): ReadonlyMap<number, Usage>;
  monotonic(): number;
  urlOf(service: string, id: string): string;
}

export function createView(parts: ViewParts): View {
  const { registry, supervisor } = parts;

  /** Fail open, as the proxy does: those merely unhealthy share only when none with weight is ready. */
  function totalOf(service: string): { total: number; readiness: "ready" | "unsure" } {
    const weighted = registry.list(service).filter((row) => row.weight > 0);
    const of = (wanted: string) =>
      sum(weighted.filter((row) => routable(row) === wanted).map((row) => row.weight));
    const ready = of("ready");
    return ready > 0 ? { total: ready, readiness: "ready" } : { total: of("unsure"), readiness: "unsure" };
  }

  function routable(row: InstanceRow): string {
    const readiness = readinessOf(row, supervisor.lifeOf(row), 0);
    return readiness === "asleep" ? "ready" : readiness;
  }

  function shareOfRow(row: InstanceRow, totals: Map<string, ReturnType<typeof totalOf>>): number {
    const total = totals.get(row.service) ?? totalOf(row.service);
    totals.set(row.service, total);
    return routable(row) === total.readiness ? shareOf(row.weight, total.total) : 0;
  }

  function show(rows: readonly InstanceRow[]): InstanceView[] {
    const totals = new Map<string, ReturnType<typeof totalOf>>();
    const traffic = new Map(parts.traffic().map((one) => [one.id, one]));
    return rows.map((row) => {
      const name = instanceName(row.service, row.id);
      return toView(row, shareOfRow(row, totals), traffic.get(name));
    });
  }

  function toView(row: InstanceRow, share: number, traffic: TargetTraffic | undefined): InstanceView {
    const name = instanceName(row.service, row.id);
    const instance = supervisor.find(row);
    const now = parts.monotonic();
    const usage = instance?.process && parts.usage().get(instance.process.pid);
    const rate = parts.rates.of(name);
    const { nextTryMs } = supervisor.lifeOf(row) ?? {};
    return {
      id: name,
      service: row.service,
      version: row.version,
      state: row.state,
      health: row.state === "healthy" || row.state === "unhealthy" ? row.state : "unknown",
      reason: row.reason,
      weight: row.weight / 100,
      share,
      port: row.port,
      pid: row.pid,
      uptime_secs: secs(instance?.startedAtMs, now),
      idle_secs: traffic ? Math.round(traffic.idleMs / 100) / 10 : null,
      restarts: row.restarts,
      last_exit: row.lastExit,
      next_try_secs: nextTryMs === undefined ? null : Math.ceil(nextTryMs / 1000),
      in_flight: traffic?.inFlight ?? 0,
      requests: traffic?.requests ?? 0,
      errors: traffic ? errorsOf(traffic) : 0,
      requests_per_sec: rate.requestsPerSec,
      error_percent: rate.errorPercent,
      p95_ms: rate.p95Ms,
      cpu_percent: usage?.cpuPercent === undefined ? null : Math.round(usage.cpuPercent * 10) / 10,
      memory_bytes: usage?.rssBytes ?? null,
      url: parts.urlOf(row.service, row.id),
      created_at: new Date(row.createdAt).toISOString(),
    };
  }

  return {
    list: (service) => show(registry.list(service)),
    one(service, id) {
      const [view] = show([registry.get(service, id)]);
      if (!view) throw new Error("a row that exists has a view");
      return view;
    },
    split(service) {
      const rows = registry.list(service).filter((row) => row.desired === "running");
      return show(rows).map(({ id, version, state, weight, share }) => ({
        id,
        version,
        state,
        weight,
        share,
      }));
    },
  };
}

function secs(sinceMs: number | undefined, nowMs: number): number | null {
  return sinceMs === undefined ? null : Math.round((nowMs - sinceMs) / 100) / 10;
}
