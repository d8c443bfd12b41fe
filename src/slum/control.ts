// The control of one slum: the parts put together, and the way from checks to routing, events and webhooks.
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { Resolver } from "../platform/resolver.ts";
import type { Upstream } from "../proxy/exchange.ts";
import type { RelayPlane } from "../proxy/relay-plane.ts";
import { type Alert, Alerts, isBeginning, type Watched } from "./alerts.ts";
import { createFleet, type Server, type Servers } from "./fleet.ts";
import { createFleetControl, type FleetControl } from "./fleet-control.ts";
import type { Registry, Writer } from "./registry.ts";
import { createRoutes, type Routes, targetOf } from "./routes.ts";
import type { SnapshotKeeper } from "./snapshot.ts";
import type { Status } from "./status.ts";
import { createTenantControl, type TenantControl } from "./tenant-control.ts";
import type { Webhooks } from "./webhook.ts";
import { createWebhookControl, type WebhookControl } from "./webhook-control.ts";

export interface Control extends Disposable {
  readonly registry: Registry;
  readonly fleet: Servers;
  readonly routes: Routes;
  readonly servers: FleetControl;
  readonly tenants: TenantControl;
  readonly webhooks: WebhookControl;
  /** Alerts that the registry has not taken yet. */
  readonly unwritten: number;
  /** The proxy is there: told of servers that come, go and fail from now on. */
  attach(plane: RelayPlane): void;
  /** The registry was opened after all, and everything in it may be other than it was. */
  reload(): void;
}

export interface ControlParts {
  readonly registry: Registry;
  readonly webhooks: Webhooks;
  readonly resolver: Resolver;
  readonly snapshot: SnapshotKeeper;
  /** For questions to tenements. */
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly slumId: string;
  readonly domain: string;
  readonly ownHosts: ReadonlySet<string>;
  readonly intervalMs: number;
  readonly offlineAfterMs: number;
  readonly ca: string | undefined;
  readonly log: Log;
}

const TICK_MS = 1_000;
const PROBE_REGISTRY_MS = 5_000;
const UNWRITTEN_MAX = 10_000;
const ALERT_MEMORY_MS = 3_600_000;
/** What is under way to a server that is drained has so long. */
const DRAIN_MS = 30_000;

export function createControl(parts: ControlParts): Control {
  const { registry, clock, webhooks, snapshot, log } = parts;
  let plane: RelayPlane | undefined;
  /** Written as soon as the registry takes them, in their order. */
  const unwritten: Alert[] = [];
  const fleet = createFleet({ ...parts, onCheck });
  const routes = createRoutes({ ...parts, fleet });
  const alerts = new Alerts({ offlineAfterMs: parts.offlineAfterMs }, known(), clock.monotonic());
  const stops = [clock.every(TICK_MS, tick), clock.every(PROBE_REGISTRY_MS, probeRegistry)];
  let trouble = registry.trouble;
  registry.tryWrite(forgetOldAlerts);

  function known() {
    return [...registry.alerts.values()].map(({ thing, begunAt, open }) => ({
      thing,
      isOpen: open,
      agoMs: clock.now() - begunAt,
    }));
  }

  /** What has ended long ago may begin again without a look back. */
  function forgetOldAlerts(writer: Writer): void {
    for (const row of registry.alerts.values())
      if (!row.open && clock.now() - row.begunAt > ALERT_MEMORY_MS) writer.alerts.remove(row);
  }

  function onCheck(server: Server, before: Status): void {
    const { status } = server.standing;
    if (status === before) return;
    const why = status === "offline" ? `: ${server.detail}` : "";
    const text = `server ${server.id} is ${status}${why}`;
    if (status === "offline") log.warn(text);
    else log.info(text);
    if (status === "offline") plane?.cut(server.id);
    registry.tryWrite((writer) => {
      const { latencyMs = null } = server;
      const lastError = server.lastError ?? null;
      const row = registry.servers.get(server.id);
      if (row) writer.servers.change(row, { status, statusAt: clock.now(), latencyMs, lastError });
      writer.event(`server.${status}`, { server: server.id }, server.detail ?? "");
    });
    // The rows are others now, though nothing that routing needs has changed.
    fleet.sync(registry.servers.values());
    tick();
  }

  function tick(): void {
    const servers = [...fleet.all()].map(watched);
    const fresh = alerts.step({ nowMs: clock.monotonic(), servers, unroutable: routes.unroutable() });
    unwritten.push(...fresh);
    unwritten.splice(0, Math.max(0, unwritten.length - UNWRITTEN_MAX));
    if (unwritten.length === 0 || !registry.tryWrite((writer) => unwritten.forEach(write(writer)))) return;
    unwritten.length = 0;
    webhooks.kick();
  }

  /** Into the registry with what has begun or ended, and into the outbox of who wants to know. */
  function write(writer: Writer) {
    return (alert: Alert) => {
      for (const thing of alert.things) remember(writer, thing, isBeginning(alert.type));
      const [first = ""] = alert.things;
      const about = first.startsWith("server ") ? { server: first.slice("server ".length) } : {};
      const more = alert.things.length > 1 ? ` and ${alert.things.length - 1} more` : "";
      writer.event(`webhook.${alert.type}`, about, `${first}${more}`);
      webhooks.enqueue(writer, alert);
    };
  }

  function remember({ alerts: rows }: Writer, thing: string, open: boolean): void {
    const row = { thing, open, begunAt: clock.now() };
    if (open) {
      rows.remove(row);
      rows.add(row);
    } else rows.change(row, { open });
  }

  function probeRegistry(): void {
    registry.probe();
    if (registry.trouble === trouble) return;
    trouble = registry.trouble;
    if (trouble === undefined) log.info("the registry is back");
    else log.warn(`${trouble}; routing goes on without it`);
  }

  function changed(): void {
    fleet.sync(registry.servers.values());
    const origins = [...fleet.all()].map((server) => [server.id, targetOf(server, parts).address] as const);
    plane?.retain(new Map(origins));
    snapshot.changed();
  }

  const servers = createFleetControl({
    ...parts,
    fleet,
    changed,
    drain: (id) => void plane?.drain(id, DRAIN_MS),
  });
  const tenants = createTenantControl({
    ...parts,
    servers,
    routes,
    now: clock.now,
    changed: snapshot.changed,
  });

  return {
    registry,
    fleet,
    routes,
    servers,
    tenants,
    webhooks: createWebhookControl(registry, webhooks, clock.now),
    get unwritten() {
      return unwritten.length;
    },
    attach(opened) {
      plane = opened;
      changed();
    },
    reload() {
      routes.load(registry.tenants.values());
      changed();
    },
    [Symbol.dispose]() {
      for (const stop of stops) stop();
      fleet[Symbol.dispose]();
    },
  };
}

function watched({ id, url, row, drained, standing, lastError }: Server): Watched {
  return {
    id,
    url: url.origin,
    region: row.region ?? undefined,
    drained,
    isOffline: standing.status === "offline",
    isOnline: standing.status === "online" && standing.failures === 0,
    failingSinceMs: standing.failingSinceMs,
    failures: standing.failures,
    error: lastError,
  };
}
