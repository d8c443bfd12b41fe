// The control plane of one slum: wires registry, health checks, routing, events and webhooks together.
import type { Log } from "../../platform/log.ts";
import type { Resolver } from "../../platform/net/resolver.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { FailoverPlane } from "../../proxy/failover/failover-plane.ts";
import type { Upstream } from "../../proxy/http-client.ts";
import type { Outbox } from "../../webhooks/outbox.ts";
import { createReceivers, type Receivers } from "../../webhooks/receivers.ts";
import { takesAnyHost } from "../fleet/ask-tenement.ts";
import { CheckHistory } from "../fleet/check-history.ts";
import { createFleet, type Servers } from "../fleet/fleet.ts";
import { createRoutes, type Routes, targetOf } from "../fleet/routes.ts";
import type { Server } from "../fleet/server.ts";
import type { ServerStatus } from "../fleet/server-health.ts";
import type { Registry } from "../registry/registry.ts";
import type { RoutingChange } from "../registry/routing-changes.ts";
import type { SnapshotKeeper } from "../registry/snapshot.ts";
import { observationsOf } from "../webhooks/agreement.ts";
import { underWay } from "../webhooks/alerts.ts";
import { createAnnouncer } from "./announcer.ts";
import { pollRegistry } from "./registry-poll.ts";
import { createServerControl, type ServerControl } from "./servers.ts";
import { createStatusRecorder } from "./status-recorder.ts";
import { createTenantControl, type TenantControl } from "./tenants.ts";
import { createTransfer, type Transfer } from "./transfer.ts";

export interface Control extends Disposable {
  readonly registry: Registry;
  readonly fleet: Servers;
  readonly routes: Routes;
  readonly servers: ServerControl;
  readonly tenants: TenantControl;
  readonly webhooks: Receivers;
  readonly transfer: Transfer;
  /** What this slum's own checks have found since it was started. */
  readonly checks: CheckHistory;
  /** The data plane that follows servers as they are added, deleted and found offline. */
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

/** How long requests in flight to a drained server may take. */
const DRAIN_MS = 30_000;

export function createControl(parts: ControlParts): Control {
  const { registry, clock, webhooks, snapshot, log, random = Math.random } = parts;
  using opened = new DisposableStack();
  let plane: FailoverPlane | undefined;
  const checks = new CheckHistory();
  const observe = () => observationsOf(fleet.all(), registry.now(), clock.monotonic());
  const fleet = opened.use(
    createFleet({
      ...parts,
      onCheck,
      onHost: (server) => statuses.recordHost(server),
      takesAnyHost: (server) => takesAnyHost(parts, server, targetOf(server, parts)),
    }),
  );
  const routes = createRoutes({ ...parts, fleet });
  const statuses = opened.use(createStatusRecorder({ ...parts, onDefect }));
  const announcer = opened.use(createAnnouncer({ ...parts, fleet, routes, observe, onDefect }));
  registry.onChange(follow);
  follow({ tenants: undefined, servers: "changed", drained: [] });
  const { onRegistryBack: onBack } = parts;
  opened.use(
    pollRegistry({ registry, clock, random, log, observe, onPolled: webhooks.kick, onBack, onDefect }),
  );

  function onCheck(server: Server, before: ServerStatus): void {
    const { status, failures } = server.standing;
    checks.note(server.id, clock.now(), failures === 0, server.latencyMs);
    if (status === before) return;
    const why = status === "offline" ? `: ${server.detail}` : "";
    const text = `server ${server.id} is ${status}${why}`;
    if (status === "offline") log.warn(text);
    else log.info(text);
    if (status === "offline") plane?.cut(server.id);
    statuses.record(server);
    announcer.look();
  }

  function onDefect(thrown: unknown): void {
    log.error(`internal error: ${thrown instanceof Error ? thrown.stack : thrown}`);
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
    const addresses = [...fleet.all()].map((server) => [server.id, targetOf(server, parts).address] as const);
    plane?.retain(new Map(addresses));
    checks.retain(new Set(addresses.map(([id]) => id)));
  }

  const servers = createServerControl({ ...parts, fleet });
  const tenants = createTenantControl({ ...parts, servers, routes });
  const owned = opened.move();

  return {
    registry,
    fleet,
    routes,
    servers,
    tenants,
    checks,
    webhooks: createReceivers({
      store: registry,
      outbox: webhooks,
      program: "slum",
      removeWord: "delete",
      clock,
      log,
      underWay: () => underWay(registry.alerts, registry.servers, registry.now(), clock.now()),
    }),
    transfer: createTransfer(registry, parts.ownHosts, clock),
    attach(opened) {
      plane = opened;
      retain();
    },
    [Symbol.dispose]: () => owned[Symbol.dispose](),
  };
}
