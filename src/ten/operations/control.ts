// The control of one server: its parts put together, lowest first.
import { messageOf } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import type { Route } from "../../core/route.ts";
import { createListeningPorts, type ListeningPorts } from "../../platform/net/listening-ports.ts";
import type { Processes } from "../../platform/process/process.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { DataPlane, Wanted } from "../../proxy/data-plane.ts";
import type { Config } from "../config/config.ts";
import { dataPaths } from "../config/paths.ts";
import type { Service } from "../config/service.ts";
import { createLogs, type Logs } from "../logs/logs.ts";
import type { InstanceRow, Registry } from "../registry/registry.ts";
import { toRoutes } from "../routing/routes.ts";
import { createRoutesInForce, type OpenPlane, type RoutesInForce } from "../routing/routes-in-force.ts";
import { createSupervisor, type Supervisor } from "../supervisor/supervisor.ts";
import { watchTroubles } from "./alerting/watch.ts";
import { type Context, configured, requireKnown } from "./context.ts";
import { createDeploys, type Deploys } from "./deploy.ts";
import { createDeploysUnderWay } from "./deploys-under-way.ts";
import { createDiagnosis } from "./diagnosis.ts";
import { createIdle } from "./idle.ts";
import { createLifecycle, type Lifecycle } from "./lifecycle.ts";
import { createLinks, type Links } from "./links.ts";
import { createMaintenance } from "./maintenance.ts";
import { createOnDemand } from "./on-demand.ts";
import { createRefresh } from "./refresh.ts";
import { createReload, differencesBetween, readWhole, staleKeys } from "./reload.ts";
import { createRemoval, type Removal } from "./removal.ts";
import { createRecentTraffic } from "./rollout/recent-traffic.ts";
import { createRollouts, type Rollouts } from "./rollout/rollouts.ts";
import { copiesOf, createShadows, type Shadows } from "./rollout/shadows.ts";
import { createSchedule, nextRunOf } from "./schedule.ts";
import { giveFiles } from "./shared-files.ts";
import { createShipping, type Shipping } from "./shipping.ts";
import { createTraffic, type Traffic } from "./traffic.ts";

export interface Control extends Disposable {
  readonly registry: Registry;
  readonly supervisor: Supervisor;
  readonly traffic: Traffic;
  readonly lifecycle: Lifecycle;
  readonly removal: Removal;
  readonly deploys: Deploys;
  readonly shipping: Shipping;
  readonly rollouts: Rollouts;
  readonly shadows: Shadows;
  readonly logs: Logs;
  /** Where processes listen. */
  readonly listeners: ListeningPorts;
  /** The configuration in force. */
  config(): Config;
  /** Reads the configuration again; see reload. */
  readonly reload: ReturnType<typeof createReload>;
  readonly links: Links;
  /** Begins or ends a service's maintenance; see maintenance. */
  readonly maintain: ReturnType<typeof createMaintenance>;
  /** See shared-files. */
  giveFiles(service: string): Promise<{ owner: string; files: number }>;
  /** The configured service, or a not_found fault. */
  service(name: string): Service;
  /** Throws the same fault when the service is neither configured nor has instances from when it was. */
  requireKnown(name: string): void;
  /** In what an instance's release differs from what is configured now. */
  differs(row: InstanceRow): readonly string[];
  /** When a job is run next, in milliseconds since the epoch; undefined for what is none. */
  nextRun(row: InstanceRow): number | undefined;
  /** What is in force in the data plane. */
  readonly inForce: Pick<RoutesInForce, "traffic" | "takeOwn" | "url" | "httpsUrl">;
  /** The routes as they follow from what is known now. */
  routes(): readonly Route[];
  /** Opens the proxy on what has been adopted, and publishes to it from then on. Throws what opening throws. */
  open(openPlane: OpenPlane): Promise<DataPlane>;
  /** Starts what is missing, and spawns those of `[instances]` whose service the registry has never known. */
  settle(): Promise<void>;
  /** A request waits for something that does not serve. */
  wanted(wanted: Wanted): Promise<void> | void;
}

export interface ControlParts {
  readonly registry: Registry;
  readonly processes: Processes;
  readonly clock: Clock;
  readonly config: Config;
  /** The configuration as the file has it now; a Fault when it is not right. */
  readConfig(): Config;
  readonly domain: string;
  /** How many workers the proxy has. */
  readonly workers: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The words that start this program, for what it does beside itself; none: in itself. */
  readonly program?: readonly string[];
  onTrouble(text: string): void;
}

export function createControl(parts: ControlParts): Control {
  const { registry, clock, onTrouble } = parts;
  let inForce = parts.config;
  const config = () => inForce;
  const paths = dataPaths(inForce.settings.dataDir);
  const listeners = createListeningPorts(clock);
  const routes = createRoutesInForce(onTrouble);
  const supervisor = createSupervisor({ ...parts, config, paths, listeners, routes });
  const logs = createLogs({ registry, paths, clock, program: parts.program ?? [] });
  const deploying = createDeploysUnderWay();

  async function reread(): Promise<{ before: Config; after: Config }> {
    const before = inForce;
    const after = readWhole(before, parts.readConfig);
    if (Bun.deepEquals(before, after)) return { before, after };
    const changed = differencesBetween(before, after).map(({ key }) => key);
    await registry.write((writer) => writer.event("", null, "reload", changed.join(", ")));
    inForce = after;
    supervisor.recheck();
    await routes.publish();
    return { before, after };
  }

  const context: Context = {
    registry,
    supervisor,
    routes,
    deploying,
    clock,
    paths,
    domain: parts.domain,
    config,
    reread,
    onTrouble,
  };
  const traffic = createTraffic(context);
  const lifecycle = createLifecycle(context, traffic);
  const removal = createRemoval(context);
  const recent = createRecentTraffic(clock, routes.traffic);
  const shadows = createShadows(context);
  const rollouts = createRollouts(context, { traffic, lifecycle, shadows });
  const diagnosisOf = createDiagnosis(logs, supervisor.whereabouts.bind(supervisor));
  const idle = createIdle(context);
  const refresh = createRefresh(context);
  const schedule = createSchedule(context);
  const troubles = watchTroubles(context);
  const onDemand = createOnDemand(context, lifecycle, removal);
  const shipping = createShipping({ ...parts, context });
  const derive = () => routesOf(context, parts.domain);

  return {
    registry,
    supervisor,
    traffic,
    lifecycle,
    removal,
    deploys: createDeploys({ context, traffic, lifecycle, removal, recent, diagnosisOf }),
    shipping,
    rollouts,
    shadows,
    logs,
    listeners,
    config,
    reload: createReload(context, lifecycle, () => spawnInitial(context, lifecycle)),
    links: createLinks(context),
    maintain: createMaintenance(context),
    giveFiles: (name) => giveFiles(context, name),
    service: (name) => configured(context, name),
    requireKnown: (name) => requireKnown(context, name),
    differs: (row) => staleKeys(context, row),
    nextRun: (row) => nextRunOf(config().services.get(row.service), row, clock.now()),
    inForce: routes,
    routes: derive,
    async open(openPlane) {
      supervisor.adopt();
      return routes.open(() => ({ routes: derive(), defaultRoute: config().routing.default }), openPlane);
    },
    async settle() {
      await supervisor.settle();
      // After what a set-up has left running was ended.
      await shipping
        .sweep()
        .catch((thrown) => onTrouble(`leftovers of shipped builds: ${messageOf(thrown)}`));
      await routes.publish();
      await spawnInitial(context, lifecycle);
    },
    wanted: (wanted) => onDemand(wanted) || idle.wake(wanted),
    [Symbol.dispose]() {
      troubles[Symbol.dispose]();
      rollouts[Symbol.dispose]();
      shadows[Symbol.dispose]();
      recent[Symbol.dispose]();
      idle[Symbol.dispose]();
      refresh[Symbol.dispose]();
      schedule[Symbol.dispose]();
      logs[Symbol.dispose]();
      supervisor[Symbol.dispose]();
    },
  };
}

function routesOf(context: Context, domain: string): Route[] {
  const { config, registry, supervisor } = context;
  return toRoutes({
    domain,
    services: [...config().services.values()],
    rows: registry.list(),
    lifeOf: (row) => supervisor.lifeOf(row),
    epochOf: (service) => registry.epoch(service),
    maintenance: registry.maintenance,
    judged: registry.rollouts,
    copiesOf: (service) => copiesOf(context, service),
    links: registry.links,
  });
}

async function spawnInitial({ config, registry, onTrouble }: Context, lifecycle: Lifecycle): Promise<void> {
  for (const [service, ids] of config().instances) {
    if (registry.knows(service)) continue;
    for (const id of ids) {
      await lifecycle.spawn({ service, id, version: id, weight: undefined }).catch((thrown) => {
        onTrouble(`${instanceName(service, id)} of [instances]: ${messageOf(thrown)}`);
      });
    }
  }
}
