// The control of one server: the parts put together, and the way from what they know to the routes in force.
import { Fault, messageOf } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import type { Route } from "../../core/route.ts";
import { createListeningPorts } from "../../platform/net/listening-ports.ts";
import type { Processes } from "../../platform/process/process.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { createKeyedLock } from "../../platform/time/keyed-lock.ts";
import type { DataPlane, Wanted } from "../../proxy/data-plane.ts";
import type { FirstRoutes } from "../../proxy/workers/multi-process.ts";
import type { Config } from "../config/config.ts";
import { type DataPaths, dataPaths } from "../config/paths.ts";
import { orphanService, type Service } from "../config/service.ts";
import { createLogs, type Logs } from "../logs/logs.ts";
import type { Registry } from "../registry/registry.ts";
import { toRoutes } from "../routing/routes.ts";
import type { Instance } from "../supervisor/instance.ts";
import { watchStalls } from "../supervisor/stalls.ts";
import { createSupervisor, type Supervisor } from "../supervisor/supervisor.ts";
import { createDeploys, type Deploys } from "./deploy.ts";
import { createDiagnosis } from "./diagnosis.ts";
import { createIdle } from "./idle.ts";
import { createLifecycle, type Lifecycle } from "./lifecycle.ts";
import { createMaintenance } from "./maintenance.ts";
import { createOnDemand } from "./on-demand.ts";
import { createReload } from "./reload.ts";
import { createTraffic, type Traffic } from "./traffic.ts";

export interface Control extends Disposable {
  readonly registry: Registry;
  readonly supervisor: Supervisor;
  readonly traffic: Traffic;
  readonly lifecycle: Lifecycle;
  readonly deploys: Deploys;
  readonly logs: Logs;
  /** The configuration in force. */
  config(): Config;
  /** Reads the configuration again; see reload. */
  readonly reload: ReturnType<typeof createReload>;
  /** The configured service, or a not_found fault. */
  service(name: string): Service;
  /** Throws the same fault when the service is neither configured nor has instances from when it was. */
  requireKnown(name: string): void;
  /**
   * Opens the proxy on what has been adopted, with the routes that follow from it, and publishes to it from then on. Throws
   * what opening throws.
   */
  open(openPlane: (first: FirstRoutes) => Promise<DataPlane>): Promise<void>;
  /** Starts what is missing, and spawns those of `[instances]` whose service the registry has never known. */
  settle(): Promise<void>;
  /** A request waits for something that does not serve. */
  wanted(wanted: Wanted): Promise<void> | void;
  /** Begins or ends a service's maintenance; see maintenance. */
  readonly maintain: ReturnType<typeof createMaintenance>;
  /** The routes as they follow from what is known now. */
  routes(): readonly Route[];
  /** Derives the routes anew and puts them into force; resolves when every later request sees them. */
  publish(): Promise<void>;
}

export interface ControlParts {
  readonly registry: Registry;
  readonly processes: Processes;
  readonly clock: Clock;
  readonly config: Config;
  /** The configuration as the file has it now; a Fault when it is not right. */
  readConfig(): Config;
  readonly domain: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  onTrouble(text: string): void;
}

const SICK_RETRY_MS = 1_000;

export function createControl(parts: ControlParts): Control {
  const { registry, clock } = parts;
  let config = parts.config;
  const paths: DataPaths = dataPaths(config.settings.dataDir);
  const restartingSick = new Set<string>();
  const opened = Promise.withResolvers<DataPlane>();
  let plane: DataPlane | undefined;
  let scheduled = false;

  function service(name: string): Service {
    const found = config.services.get(name);
    if (found) return found;
    const known = [...config.services.keys()].join(", ");
    throw new Fault("not_found", `there is no service ${name} in ${config.path}`, known && `it has ${known}`);
  }

  function requireKnown(name: string): void {
    if (registry.list(name).length === 0) service(name);
  }

  const timesOf = (name: string) => config.services.get(name) ?? orphanService(name);

  function routes(): Route[] {
    return toRoutes({
      domain: parts.domain,
      services: [...config.services.values()],
      rows: registry.list(),
      lifeOf: (row) => supervisor.lifeOf(row),
      epochOf: registry.epoch,
      maintenance: registry.maintenance,
    });
  }

  /** What workers ask before the plane is open is not done before it has the routes. */
  async function publish(): Promise<void> {
    const open = plane ?? (await opened.promise);
    await open.publish(routes(), config.routing.default);
  }

  const drain = async (target: string, deadlineMs: number) => plane?.drain(target, deadlineMs);

  /** Changes that come together, such as a hundred adoptions, are published once. */
  function changed(): void {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(() => {
      scheduled = false;
      publish().catch((thrown) => parts.onTrouble(`routes: ${messageOf(thrown)}`));
    });
  }

  /**
   * One instance of a service at a time, and the next when it is healthy again or has had its time for that: a fault
   * that they share does not take all of them at once.
   */
  function onSick(instance: Instance): void {
    // It may have been removed, or got well, since it was last in turn.
    if (registry.find(instance.service, instance.id)?.state !== "unhealthy") return;
    if (restartingSick.has(instance.service)) {
      clock.after(SICK_RETRY_MS, () => onSick(instance));
      return;
    }
    restartingSick.add(instance.service);
    restartSick(instance)
      .catch((thrown) => parts.onTrouble(`${instance.name}: ${messageOf(thrown)}`))
      .finally(() => restartingSick.delete(instance.service));
  }

  async function restartSick(instance: Instance): Promise<void> {
    const { row } = instance;
    await instance.giveUp("was unhealthy for too long", () => lifecycle.halt(row, "unhealthy for too long"));
    // Whether it comes back is for its own checks to tell.
    const { startupTimeoutMs: timeoutMs } = timesOf(instance.service);
    await supervisor.untilHealthy(row, { timeoutMs }).catch(() => {});
  }

  const listeners = createListeningPorts(clock);
  const supervisor = createSupervisor({ ...parts, paths, listeners, config: () => config, changed, onSick });
  const logs = createLogs({ registry, paths, clock });
  const traffic = createTraffic({
    registry,
    supervisor,
    publish,
    timesOf,
    abortDeploy: (name, reason) => deploys.abort(name, reason),
  });
  const lifecycle = createLifecycle({
    registry,
    supervisor,
    traffic,
    paths,
    clock,
    publish,
    timesOf,
    drain,
    abortDeploy: (name, reason, id) => deploys.abort(name, reason, id),
    requireService: service,
  });
  const deploys = createDeploys({
    registry,
    supervisor,
    traffic,
    lifecycle,
    serial: createKeyedLock(clock),
    diagnosisOf: createDiagnosis({
      listeningPorts: listeners.listeningPorts,
      written: logs.written,
      lastOutput: logs.lastOutput,
    }),
    monotonic: clock.monotonic,
  });

  const idle = createIdle({
    registry,
    supervisor,
    clock,
    services: () => config.services,
    traffic: () => plane?.traffic() ?? [],
    publish,
    drain,
    onTrouble: parts.onTrouble,
  });

  const stalls = watchStalls(clock, () => plane?.busy() ?? [], supervisor.doubt);

  const createOnDemandInstance = createOnDemand({ registry, lifecycle, clock });

  async function spawnInitial(): Promise<void> {
    for (const [name, ids] of config.instances) {
      if (registry.knows(name)) continue;
      for (const id of ids) {
        await lifecycle.spawn({ service: name, id, version: id, weight: undefined }).catch((thrown) => {
          parts.onTrouble(`${instanceName(name, id)} of [instances]: ${messageOf(thrown)}`);
        });
      }
    }
  }

  const reload = createReload({
    registry,
    lifecycle,
    current: () => config,
    launchedWith: supervisor.launchedWith,
    read: parts.readConfig,
    async use(next) {
      config = next;
      supervisor.recheck();
      await publish();
      await spawnInitial();
    },
  });

  return {
    config: () => config,
    reload,
    registry,
    supervisor,
    traffic,
    lifecycle,
    deploys,
    logs,
    service,
    requireKnown,
    maintain: createMaintenance({ registry, requireKnown, publish }),
    routes,
    wanted(wanted) {
      const { route, label, client } = wanted;
      const template = config.services.get(route);
      const isOnDemand = label !== undefined && template?.policy.onDemand;
      return (isOnDemand && createOnDemandInstance(template, label, client)) || idle.wake(wanted);
    },
    publish,
    [Symbol.dispose]() {
      idle[Symbol.dispose]();
      stalls[Symbol.dispose]();
      logs[Symbol.dispose]();
      supervisor[Symbol.dispose]();
    },
    async open(openPlane) {
      supervisor.adopt();
      plane = await openPlane({ routes: routes(), defaultRoute: config.routing.default });
      opened.resolve(plane);
      // Much may have happened meanwhile.
      await publish();
    },
    async settle() {
      await supervisor.settle();
      await publish();
      await spawnInitial();
    },
  };
}
