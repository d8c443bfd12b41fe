// What the admin API shows: rows, health and traffic put together in the shapes of the contract.
import type { z } from "zod";
import type { Clock } from "../../platform/time/clock.ts";
import type { TargetTraffic } from "../../proxy/traffic-counters.ts";
import { type Choice, isOnline } from "../fleet/choose-server.ts";
import type { Tenant } from "../fleet/routes.ts";
import type { Server } from "../fleet/server.ts";
import type { Control } from "../operations/control.ts";
import type { EventRow, TenantRow } from "../registry/schema.ts";
import type { SnapshotKeeper } from "../registry/snapshot.ts";
import { answersByServer, answersOfAll, type OwnHistory } from "./own-answers.ts";
import type {
  EventView,
  OwnAnswersView,
  routeAnswer,
  ServerView,
  statusAnswer,
  TenantView,
} from "./shapes.ts";

export interface View {
  server(server: Server): ServerView;
  servers(): ServerView[];
  tenant(row: TenantRow): TenantView;
  event(row: EventRow): EventView;
  route(domain: string, tenant: Tenant): z.infer<typeof routeAnswer>;
  status(): z.infer<typeof statusAnswer>;
}

export interface ViewParts {
  readonly control: Control;
  readonly clock: Clock;
  readonly snapshot: SnapshotKeeper;
  /** A path, or a URL without its password. */
  readonly registryName: string;
  traffic(): readonly TargetTraffic[];
  history(): OwnHistory;
  /** What is wrong with certificates, a sentence each. */
  trouble(): readonly string[];
}

const LISTED_MAX = 100;
const NOBODY: ReadonlySet<string> = new Set();

export function createView(parts: ViewParts): View {
  const { control, clock, snapshot, registryName, traffic, history, trouble } = parts;
  const { registry, fleet, routes } = control;
  const startedMs = clock.monotonic();

  /** A monotonic time as a date: what a person reads. */
  const dateOf = (monotonicMs: number) => iso(clock.now() - (clock.monotonic() - monotonicMs));

  function serverView(
    { row, standing, latencyMs, checkedAt, detail, lastError, lastErrorAt, keepsHost }: Server,
    tenants: number,
    seen: TargetTraffic | undefined,
    own: OwnAnswersView | undefined,
  ): ServerView {
    return {
      id: row.id,
      url: row.url,
      region: row.region,
      health_path: row.healthPath,
      addressing: row.addressing,
      host: row.host,
      keeps_host: keepsHost,
      drained: row.drained,
      status: standing.status,
      settled: standing.settledAtMs !== undefined,
      since: dateOf(standing.sinceMs),
      latency_ms: latencyMs === undefined ? null : Math.round(latencyMs * 10) / 10,
      checked_at: checkedAt === undefined ? null : iso(checkedAt),
      last_check: detail ?? null,
      last_error: lastError ?? null,
      last_error_at: lastErrorAt === undefined ? null : iso(lastErrorAt),
      tenants,
      requests: seen?.requests ?? 0,
      in_flight: seen?.inFlight ?? 0,
      failures: seen?.failures ?? 0,
      proxy_answers: own ?? null,
    };
  }

  function servers(): ServerView[] {
    const seen = new Map(traffic().map((one) => [one.id, one]));
    const own = answersByServer(history());
    return [...fleet.all()].map((server) =>
      serverView(server, routes.tenantsAt(server.id), seen.get(server.id), own.get(server.id)),
    );
  }

  function noteOf(server: Server | undefined, tenant: Tenant): string {
    if (server === undefined) return "deleted";
    const { standing, drained, latencyMs, id, detail } = server;
    if (drained) return "drained";
    if (!isOnline(server)) return detail ?? "offline";
    if (tenant.isPassingOver(id)) return "passed over: it had no app for this tenant";
    if (id === tenant.row.server && standing.settledAtMs === undefined) return "back, and not steady yet";
    return latencyMs === undefined ? (detail ?? "not checked yet") : `${Math.round(latencyMs * 10) / 10} ms`;
  }

  return {
    servers,
    server(server) {
      return serverView(
        server,
        routes.tenantsAt(server.id),
        traffic().find(({ id }) => id === server.id),
        answersByServer(history()).get(server.id),
      );
    },
    tenant({ id, domain, server, service, instance, failover, writes, createdAt }) {
      const choice = routes.tenant(domain)?.choose(NOBODY, true);
      return {
        id,
        domain,
        server,
        service,
        instance,
        failover: failover === null ? null : [...failover],
        writes,
        served_by: choice?.server.id ?? null,
        routable: isServed(choice),
        created_at: iso(createdAt),
      };
    },
    event: ({ at, actor, origin, ...row }) => ({ ...row, at: iso(at), by: actor, from: origin }),
    route(domain, tenant) {
      const choice = tenant.choose(NOBODY, true);
      const { server: home, failover, service, instance } = tenant.row;
      const rest = failover ?? fleet.byLatency.map(({ id }) => id).filter((id) => id !== home);
      return {
        domain,
        tenant: tenant.row.id,
        server: choice?.server.id ?? null,
        routable: isServed(choice),
        reason: reasonOf(choice, home),
        target: instance === null ? service : `${service}:${instance}`,
        candidates: [home, ...rest].slice(0, LISTED_MAX).map((id) => {
          const server = fleet.find(id);
          const status = server?.standing.status ?? "unknown";
          return { server: id, status, note: noteOf(server, tenant) };
        }),
      };
    },
    status() {
      const unroutable = routes.unroutable();
      const { savedAt } = snapshot;
      const snapshotAge = savedAt === undefined ? null : Math.round((clock.now() - savedAt) / 1000);
      const { currentMs } = registry;
      const registryAge =
        currentMs === undefined ? snapshotAge : Math.round((clock.monotonic() - currentMs) / 1000);
      return {
        servers: servers(),
        tenants: registry.tenants.size,
        unroutable: unroutable.slice(0, LISTED_MAX),
        unroutable_total: unroutable.length,
        registry: {
          name: registryName,
          ok: registry.trouble === undefined,
          trouble: registry.trouble ?? null,
          age_secs: registryAge,
          snapshot_age_secs: snapshotAge,
          slums: registry.otherSlums.length + 1,
        },
        webhooks: {
          receivers: registry.webhooks.size,
          waiting: registry.deliveries.size,
        },
        certificates: [...trouble()],
        proxy_answers: answersOfAll(history()),
        uptime_secs: Math.round((clock.monotonic() - startedMs) / 1000),
      };
    },
  };
}

function isServed(choice: Choice | undefined): boolean {
  return choice !== undefined && choice.reason !== "fail_open";
}

function reasonOf(choice: Choice | undefined, home: string): string {
  switch (choice?.reason) {
    case undefined:
      return "its servers are drained or their names were never found, so nothing takes its requests";
    case "home":
      return `${home} is its home server`;
    case "failover":
      return `its home server ${home} takes no requests now, and ${choice.server.id} is the next that does`;
    case "home_unsettled":
      return `its home server ${home} is back, and nothing else serves it`;
    case "fail_open":
      return `none of its servers is online, so its home server is tried all the same`;
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
