// The control of one slum: the parts put together, and the way from checks to routing, events and webhooks.

import type { Log } from "../../platform/log.ts";
import type { Resolver } from "../../platform/net/resolver.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { FailoverPlane } from "../../proxy/failover/failover-plane.ts";
import type { Upstream } from "../../proxy/http-client.ts";
import { createFleet, type Server, type Servers } from "../fleet/fleet.ts";
import { createRoutes, type Routes, targetOf } from "../fleet/routes.ts";
import type { ServerStatus } from "../fleet/server-health.ts";
import type { Observations } from "../registry/observations.ts";
import type { Registry, RoutingChange, Writer } from "../registry/registry.ts";
import type { SnapshotKeeper } from "../registry/snapshot.ts";
import { agreedOn, fleetIf, observationsOf, type ServerIdentity } from "../webhooks/agreement.ts";
import { type Alert, Alerts, isBeginning, type Situation } from "../webhooks/alerts.ts";
import type { Outbox } from "../webhooks/outbox.ts";
import { createFleetControl, type FleetControl } from "./servers.ts";
import { createTenantControl, type TenantControl } from "./tenants.ts";
import { createWebhookControl, type WebhookControl } from "./webhooks.ts";

export interface Control extends Disposable {
  readonly registry: Registry;
  readonly fleet: Servers;
  readonly routes: Routes;
  readonly servers: FleetControl;
  readonly tenants: TenantControl;
  readonly webhooks: WebhookControl;
  /** The proxy is there: told of servers that come, go and fail from now on. */
  attach(plane: FailoverPlane): void;
}

export interface ControlParts {
  readonly registry: Registry;
  readonly webhooks: Outbox;
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
  /** The registry can be used again, after it could not. */
  readonly onRegistryBack: () => void;
  readonly random?: () => number;
}

const TICK_MS = 1_000;
const POLL_JITTER = 0.2;
/** In one transaction; the others come with the next tick. */
const ALERTS_AT_ONCE = 100;
const NOTED_AT_ONCE = 50;
const TO_NOTE_MAX = 10_000;
const ALERT_MEMORY_MS = 3_600_000;
/** What is under way to a server that is drained has so long. */
const DRAIN_MS = 30_000;

/** A server as a check has left it, with another status than before. */
interface Noted {
  readonly server: Server;
  readonly at: number;
}

export function createControl(parts: ControlParts): Control {
  const { registry, clock, webhooks, snapshot, log, random = Math.random } = parts;
  let plane: FailoverPlane | undefined;
  const fleet = createFleet({ ...parts, onCheck });
  const routes = createRoutes({ ...parts, fleet });
  const alerts = new Alerts({ offlineAfterMs: parts.offlineAfterMs });
  const stopTicks = clock.every(TICK_MS, tick);
  let stopPolls = () => {};
  /** Changes of status that are not in the registry yet. */
  const toNote: Noted[] = [];
  let isNoting = false;
  let isTelling = false;
  let isDisposed = false;
  let trouble = registry.trouble;
  registry.onChange(follow);
  follow({ tenants: undefined, servers: "changed", drained: [] });
  pollLater();

  function onCheck(server: Server, before: ServerStatus): void {
    const { status } = server.standing;
    if (status === before) return;
    const why = status === "offline" ? `: ${server.detail}` : "";
    const text = `server ${server.id} is ${status}${why}`;
    if (status === "offline") log.warn(text);
    else log.info(text);
    if (status === "offline") plane?.cut(server.id);
    toNote.push({ server, at: clock.now() });
    toNote.splice(0, Math.max(0, toNote.length - TO_NOTE_MAX));
    void noteAll().catch(defect);
    tick();
  }

  /** Into the registry, those together that come while earlier ones are written: a thousand servers may fall at once. */
  async function noteAll(): Promise<void> {
    if (isNoting) return;
    isNoting = true;
    try {
      while (toNote.length > 0) {
        const some = toNote.splice(0, NOTED_AT_ONCE);
        await registry.tryWrite((writer) => {
          for (const one of some) note(writer, one);
        });
      }
    } finally {
      isNoting = false;
    }
  }

  function note(writer: Writer, { server, at }: Noted): void {
    const { status } = server.standing;
    const { latencyMs = null, lastError = null } = server;
    const row = registry.servers.get(server.id);
    if (row) writer.servers.change(row, { status, statusAt: at, latencyMs, lastError });
    writer.event(`server.${status}`, { server: server.id }, `${server.detail ?? ""}${seenBy()}`);
  }

  /** Where several slums write events, each says whose eyes these were. */
  function seenBy(): string {
    return registry.otherSlums.length === 0 ? "" : `, seen by slum ${parts.slumId.slice(0, 8)}`;
  }

  function defect(thrown: unknown): void {
    log.error(`internal error: ${thrown instanceof Error ? thrown.stack : thrown}`);
  }

  function ownObservations(): Observations {
    return observationsOf(fleet.all(), registry.now(), clock.monotonic());
  }

  /** What those slums agree on that have looked lately; with no other one, what this one has seen. */
  function situation(): Situation {
    const views = [ownObservations(), ...registry.otherSlums.map(({ observations }) => observations)];
    const servers = [...fleet.all()].map((server) => agreedOn(describe(server), views));
    const unroutable = routes.unroutable(fleetIf(servers, ({ isOffline }) => !isOffline));
    const isDoubted = servers.some(({ isOnline, isOffline }) => isOnline === isOffline);
    const unsure = isDoubted ? routes.unroutable(fleetIf(servers, ({ isOnline }) => isOnline)) : unroutable;
    return { nowMs: registry.now(), servers, unroutable, unsure };
  }

  function tick(): void {
    const due = alerts.step(situation(), registry.alerts);
    if (isTelling || due.length === 0 || !registry.hasHeardFromAll) return;
    isTelling = true;
    void tell()
      .catch(defect)
      .finally(() => {
        isTelling = false;
      });
  }

  /**
   * Judged anew within the transaction, where nobody else can write: what another slum has begun or ended meanwhile is neither
   * begun nor ended again.
   */
  async function tell(): Promise<void> {
    const told = await registry.tryWrite((writer) => {
      const due = alerts.step(situation(), registry.alerts).slice(0, ALERTS_AT_ONCE);
      for (const alert of due) write(writer, alert);
      if (due.length > 0) forgetOldAlerts(writer, new Set(due.flatMap(({ things }) => things)));
      return due.length;
    });
    if (told) webhooks.kick();
  }

  /** Into the registry with what has begun or ended, and into the outbox of who wants to know. */
  function write(writer: Writer, alert: Alert): void {
    remember(writer, alert.things, isBeginning(alert.type));
    const [first = ""] = alert.things;
    const about = first.startsWith("server ") ? { server: first.slice("server ".length) } : {};
    const more = alert.things.length > 1 ? ` and ${alert.things.length - 1} more` : "";
    writer.event(`webhook.${alert.type}`, about, `${first}${more}`);
    webhooks.enqueue(writer, alert);
  }

  /** Rows that become the same one after the other are one statement: there may be a hundred thousand. */
  function remember({ alerts: rows }: Writer, things: readonly string[], open: boolean): void {
    const change = { open, ...(open && { begunAt: Math.round(registry.now()) }) };
    for (const thing of things) {
      const known = registry.alerts.get(thing);
      if (known) rows.change(known, change);
      else rows.add({ thing, begunAt: 0, ...change });
    }
  }

  /** What has ended long ago may begin again without a look back; `but` what begins or ends just now. */
  function forgetOldAlerts(writer: Writer, but: ReadonlySet<string>): void {
    for (const row of registry.alerts.values())
      if (!row.open && registry.now() - row.begunAt > ALERT_MEMORY_MS && !but.has(row.thing))
        writer.alerts.remove(row);
  }

  /** One poll after the other; not those of all slums at the same moment. */
  function pollLater(): void {
    if (isDisposed) return;
    const delayMs = registry.pollMs * (1 - POLL_JITTER * random());
    stopPolls = clock.after(delayMs, () => void poll().catch(defect).finally(pollLater));
  }

  async function poll(): Promise<void> {
    await registry.poll(ownObservations());
    webhooks.kick();
    if (registry.trouble === trouble || isDisposed) return;
    trouble = registry.trouble;
    if (trouble !== undefined) return log.warn(`${trouble}; routing goes on without it`);
    log.info("the registry is back");
    parts.onRegistryBack();
  }

  /** Routing follows the registry, whoever has changed it. */
  function follow({ tenants: changes, servers, drained }: RoutingChange): void {
    followTenants(changes);
    if (servers !== "unchanged") fleet.sync(registry.servers.values());
    if (servers === "changed") retain();
    for (const id of drained) void plane?.drain(id, DRAIN_MS);
    if (servers === "changed" || changes?.length !== 0) snapshot.changed();
  }

  function followTenants(changes: RoutingChange["tenants"]): void {
    if (changes === undefined) routes.load(registry.tenants.values());
    // A domain may go from one tenant to another in one step.
    for (const { before } of changes ?? []) if (before) routes.remove(before);
    for (const { after } of changes ?? []) if (after) routes.set(after);
  }

  function retain(): void {
    const origins = [...fleet.all()].map((server) => [server.id, targetOf(server, parts).address] as const);
    plane?.retain(new Map(origins));
  }

  const servers = createFleetControl({ ...parts, fleet });
  const tenants = createTenantControl({ ...parts, servers, routes, now: clock.now });

  return {
    registry,
    fleet,
    routes,
    servers,
    tenants,
    webhooks: createWebhookControl(registry, webhooks, clock.now),
    attach(opened) {
      plane = opened;
      retain();
    },
    [Symbol.dispose]() {
      isDisposed = true;
      stopTicks();
      stopPolls();
      fleet[Symbol.dispose]();
    },
  };
}

function describe({ id, url, row, drained }: Server): ServerIdentity {
  return { id, url: url.origin, region: row.region ?? undefined, drained };
}
