// What is shown of instances: rows, lives and traffic put together for the API.
import { instanceName } from "../../core/name.ts";
import { usable } from "../../core/round-robin.ts";
import type { Route } from "../../core/route.ts";
import { at, shareOf, sum, type Weights } from "../../core/weight.ts";
import { olderByMs } from "../../platform/process/proc.ts";
import type { Usage } from "../../platform/process/usage.ts";
import type { TargetTraffic } from "../../proxy/traffic-counters.ts";
import type { TrafficHistory } from "../../proxy/traffic-history.ts";
import type { InstanceRow, Registry } from "../registry/registry.ts";
import type { Instance } from "../supervisor/instance.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { errorsOf, rateOf } from "./rates.ts";
import type { InstanceView, SplitView } from "./shapes.ts";

/** What an instance is and has, without what happened over time: a thousand of these are asked for again and again. */
export type Standing = Pick<
  InstanceView,
  | "id"
  | "service"
  | "version"
  | "state"
  | "weight"
  | "share"
  | "restarts"
  | "in_flight"
  | "cpu_secs"
  | "memory_bytes"
>;

export interface View {
  list(service?: string): InstanceView[];
  standing(isShown: (service: string) => boolean): Standing[];
  one(service: string, id: string): InstanceView;
  /** The instances of a service that should run, newest last. */
  split(service: string): SplitView;
  /** The same as it would be with these weights, and all that has some healthy. */
  foreseen(service: string, weights: Weights): SplitView;
  /** Since when a service is under maintenance; null when it is not. */
  maintenance(service: string): string | null;
  underMaintenance(): { readonly service: string; readonly since: string }[];
}

export interface ViewParts {
  readonly registry: Registry;
  readonly supervisor: Supervisor;
  readonly history: TrafficHistory;
  /** The routes in force. */
  routes(): readonly Route[];
  traffic(): readonly TargetTraffic[];
  /** By session, which is the pid of an instance's process. */
  usage(): ReadonlyMap<number, Usage>;
  /** In what an instance's release differs from what is configured now. */
  differs(row: InstanceRow): readonly string[];
  /** When a job is run next, in milliseconds since the epoch. */
  nextRun(row: InstanceRow): number | undefined;
  monotonic(): number;
  urlOf(service: string, id: string): string;
}

/** One row, and all that is known of it right now. */
interface Seen {
  readonly row: InstanceRow;
  readonly instance: Instance | undefined;
  readonly usage: Usage | undefined;
  readonly traffic: TargetTraffic | undefined;
  readonly standing: Standing;
}

export function createView(parts: ViewParts): View {
  const { registry, supervisor } = parts;

  /** The share of every target of a service, as the proxy divides its traffic right now. */
  function sharesOf(route: Route): [string, number][] {
    const targets = usable(route);
    const total = sum(targets.map(({ weight }) => weight));
    return targets.map(({ id, weight }) => [id, shareOf(weight, total)]);
  }

  function standingOf(rows: readonly InstanceRow[]): Seen[] {
    const services = new Set(rows.map((row) => row.service));
    const shares = new Map(
      parts
        .routes()
        .filter(({ name }) => services.has(name))
        .flatMap(sharesOf),
    );
    parts.history.refresh();
    const known = new Map(parts.traffic().map((one) => [one.id, one]));
    return rows.map((row): Seen => {
      const id = instanceName(row.service, row.id);
      const instance = supervisor.find(row);
      const usage = instance?.run && parts.usage().get(instance.run.process.pid);
      const traffic = known.get(id);
      const standing = {
        id,
        service: row.service,
        version: row.version,
        state: row.state,
        weight: row.weight / 100,
        share: shares.get(id) ?? 0,
        restarts: row.restarts,
        in_flight: traffic?.inFlight ?? 0,
        cpu_secs: usage === undefined ? null : Math.round(usage.cpuSecs * 100) / 100,
        memory_bytes: usage?.rssBytes ?? null,
      };
      return { row, instance, usage, traffic, standing };
    });
  }

  function show(rows: readonly InstanceRow[]): InstanceView[] {
    return standingOf(rows).map(toView);
  }

  function toView({ row, instance, usage, traffic, standing }: Seen): InstanceView {
    const rate = rateOf(parts.history, standing.id);
    const { nextTryMs } = supervisor.lifeOf(row) ?? {};
    return {
      ...standing,
      instance: standing.id,
      health: row.state === "healthy" || row.state === "unhealthy" ? row.state : "unknown",
      reason: counted(row.reason, nextTryMs),
      port: row.port,
      pid: row.pid,
      uptime_secs: secs(instance && uptimeOf(instance)),
      idle_secs: traffic ? Math.round(traffic.idleMs / 100) / 10 : null,
      last_exit: row.lastExit,
      differs: [...parts.differs(row)],
      next_run: isoOf(parts.nextRun(row)),
      exposed: instance?.run?.exposed ?? null,
      next_try_secs: nextTryMs === undefined ? null : Math.ceil(nextTryMs / 1000),
      requests: traffic?.requests ?? 0,
      errors: traffic ? errorsOf(traffic) : 0,
      requests_per_sec: rate.requestsPerSec,
      error_percent: rate.errorPercent,
      error_window_secs: rate.windowSecs,
      p95_ms: rate.p95Ms,
      cpu_percent: usage?.cpuPercent === undefined ? null : Math.round(usage.cpuPercent * 10) / 10,
      url: parts.urlOf(row.service, row.id),
      created_at: new Date(row.createdAt).toISOString(),
      deployed: row.deployed,
    };
  }

  /** Since its process began, also under an earlier server. */
  function uptimeOf({ run }: Instance): number | undefined {
    if (!run) return undefined;
    const { process, startedAtMs } = run;
    const olderMs = olderByMs(process.startTime);
    // The monotonic clock began with this program.
    return parts.monotonic() + (olderMs === undefined ? -startedAtMs : Math.max(olderMs, -parts.monotonic()));
  }

  return {
    list: (service) => show(registry.list(service)),
    standing: (isShown) =>
      standingOf(registry.list().filter(({ service }) => isShown(service))).map(({ standing }) => standing),
    one(service, id) {
      const [view] = show([registry.get(service, id)]);
      if (!view) throw new Error("a row that exists has a view");
      return view;
    },
    maintenance: (service) => isoOf(registry.maintenance.get(service)),
    underMaintenance: () =>
      Array.from(registry.maintenance, ([service, since]) => ({ service, since: isoOf(since) })),
    foreseen(service, weights) {
      const total = sum(weights.values());
      return registry
        .list(service)
        .filter(({ id, desired }) => desired === "running" || at(weights, id) > 0)
        .map(({ id, version, state }) => ({
          ...naming(service, id),
          version,
          state,
          weight: at(weights, id) / 100,
          share: shareOf(at(weights, id), total),
        }));
    },
    split(service) {
      const rows = registry.list(service).filter((row) => row.desired === "running");
      return standingOf(rows).map(({ standing: { id, service, version, state, weight, share } }) => ({
        id,
        instance: id,
        service,
        version,
        state,
        weight,
        share,
      }));
    },
  };
}

/** How answers name an instance: `id` is what older clients know. */
export function naming(service: string, id: string) {
  const instance = instanceName(service, id);
  return { id: instance, instance, service };
}

/** "next try in 60 s" was true when it was noted. */
function counted(reason: string, nextTryMs: number | undefined): string {
  const secs = nextTryMs === undefined ? undefined : Math.ceil(nextTryMs / 1000);
  return reason.replace(/, next try in \d+ s$/, secs === undefined ? "" : `, next try in ${secs} s`);
}

function isoOf(ms: number): string;
function isoOf(ms: number | undefined): string | null;
function isoOf(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

function secs(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms / 100) / 10;
}
