// The supervisor: every instance of the registry as a living thing, started, adopted after its own death, and checked.
import { Fault, messageOf } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { type CheckResult, checkHealth } from "../../platform/net/health-check.ts";
import type { ListeningPorts } from "../../platform/net/listening-ports.ts";
import { createProber } from "../../platform/net/prober.ts";
import { createCgroups } from "../../platform/process/cgroup.ts";
import { bootId } from "../../platform/process/proc.ts";
import { findByNonce, type ManagedProcess, type Processes } from "../../platform/process/process.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Config } from "../config/config.ts";
import type { DataPaths } from "../config/paths.ts";
import { launchOf, orphanService, type Service } from "../config/service.ts";
import type { InstanceRow, Registry } from "../registry/registry.ts";
import type { Life } from "../routing/routes.ts";
import { createConfinement } from "./confinement.ts";
import { Instance } from "./instance.ts";
import type { Cadence } from "./instance-deps.ts";
import { createLaunch } from "./launch.ts";
import { type Patience, untilHealthy } from "./until-healthy.ts";

export interface Supervisor extends Disposable {
  /** The living instance of a row; made when first asked for. */
  of(row: InstanceRow): Instance;
  find(row: InstanceRow): Instance | undefined;
  lifeOf(row: InstanceRow): Life | undefined;
  /** `launchOf` its service when it was started, or adopted; undefined before. */
  launchedWith(row: InstanceRow): string | undefined;
  /** Drops a row that was removed; its process must have ended. */
  forget(row: InstanceRow): void;
  /** Takes over every process that outlived the last server. Touches none. */
  adopt(): void;
  /** After `adopt`: ends what should not live, and starts what is missing. */
  settle(): Promise<void>;
  /** Ends all processes side by side; what should run stays noted, and the next start brings it back. */
  endAll(): Promise<void>;
  /** SIGKILL to everything, at once. */
  killAll(): Promise<void>;
  /** Leaves all processes running for the next supervisor to adopt. */
  leaveAll(): void;
  /** The configuration has changed: checks go on with the new one. */
  recheck(): void;
  /** A request to it was refused, reset, timed out or is not answered: it is checked at once; see prober. */
  doubt(name: string): boolean;
  /** Resolves when the instance of a row is healthy; see until-healthy. */
  untilHealthy(row: InstanceRow, patience: Patience): Promise<void>;
  /** Checks an instance's health now; undefined when it has no process. */
  check(row: InstanceRow): Promise<CheckResult | undefined>;
}

export interface SupervisorParts {
  readonly registry: Registry;
  readonly processes: Processes;
  readonly listeners: ListeningPorts;
  readonly clock: Clock;
  readonly paths: DataPaths;
  config(): Config;
  readonly domain: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  changed(): void;
  /** An instance has been unhealthy for too long. */
  onSick(instance: Instance): void;
  onTrouble(text: string): void;
}

const CHECKS_AT_ONCE = 64;
/** A failed check is repeated after this. */
const RECHECK_MS = 1_000;
/** After one that timed out: three of 2 s, begun at the first silence, then end within 8 s. */
const RECHECK_AFTER_HANG_MS = 750;

export function createSupervisor(parts: SupervisorParts): Supervisor {
  const { registry, processes, listeners, clock, paths } = parts;
  const instances = new Map<string, Instance>();
  const cgroups = createCgroups({ parent: `ten-${registry.id}`, clock });
  const confinement = createConfinement(paths, cgroups);
  const launch = createLaunch({ ...parts, confinement });

  const remembered = new Map<string, Service>();
  const launches = new Map<string, string>();

  /** As configured now; what is no longer configured keeps the rules that it had, until it is stopped. */
  function serviceOf(name: string): Service {
    const service = parts.config().services.get(name) ?? remembered.get(name) ?? orphanService(name);
    remembered.set(name, service);
    return service;
  }

  function requireService(name: string): Service {
    const service = parts.config().services.get(name);
    if (service) return service;
    throw new Fault(
      "not_found",
      `there is no service ${name} in ${parts.config().path}`,
      `add [service.${name}]`,
    );
  }

  function of(row: InstanceRow): Instance {
    const name = instanceName(row.service, row.id);
    const known = instances.get(name);
    if (known) return known;
    const instance: Instance = new Instance(row, {
      registry,
      clock,
      random: Math.random,
      service: () => serviceOf(row.service),
      launch(current) {
        const service = requireService(row.service);
        launches.set(name, launchOf(service));
        return launch(current, service);
      },
      describeExit: (exit) => confinement.describeExit(row, exit),
      release: () =>
        confinement.release(row).catch((thrown) => parts.onTrouble(`${name}: ${messageOf(thrown)}`)),
      watch: (cadence) => watch(instance, cadence),
      changed: parts.changed,
      sick: () => parts.onSick(instance),
      onTrouble: (thrown) => parts.onTrouble(`${name}: ${messageOf(thrown)}`),
    });
    instances.set(name, instance);
    return instance;
  }

  const prober = createProber({
    clock,
    concurrency: CHECKS_AT_ONCE,
    onResult: (name, result) => {
      if (!result.inconclusive) instances.get(name)?.checked(result);
    },
  });

  function watch(instance: Instance, cadence: Cadence): void {
    prober.unwatch(instance.name);
    if (cadence === "none") return;
    const { health } = serviceOf(instance.service);
    prober.watch(instance.name, {
      check: (signal) => checkInstance(instance, signal),
      intervalMs: health.intervalMs,
      retryMs: [RECHECK_MS],
      retryAfterHangMs: RECHECK_AFTER_HANG_MS,
      starting: cadence === "starting",
    });
  }

  /** Only the instance's own listener counts: a stranger on its port, or a connection that met itself, never passes. */
  function checkInstance(instance: Instance, signal: AbortSignal): Promise<CheckResult> {
    const { health, name } = serviceOf(instance.service);
    const port = instance.row.port ?? 0;
    const session = instance.process?.pid;
    const hostHeader = health.host ?? `${name}.${parts.domain}`;
    const target = {
      host: "127.0.0.1",
      port,
      ...(health.path !== undefined && { http: { path: health.path, hostHeader } }),
    };
    const isOwn = () => session !== undefined && listeners.ownsListener(session, port);
    return checkHealth(target, { clock, timeoutMs: health.timeoutMs, isOwn, signal });
  }

  /** The process of a row, if it is certain that it is this very one; by its nonce when its pid was never written. */
  function livingProcess(row: InstanceRow): ManagedProcess | undefined {
    if (row.nonce === null || row.bootId === null) return undefined;
    const { nonce, bootId: boot } = row;
    if (row.pid !== null && row.startTime !== null) {
      return processes.adopt({ pid: row.pid, startTime: row.startTime, bootId: boot, nonce });
    }
    const leader = findByNonce(nonce).find((one) => one.pid === one.session);
    return leader && processes.adopt({ pid: leader.pid, startTime: leader.startTime, bootId: boot, nonce });
  }

  /** Takes over what lives; what should run and does not is shown as starting, so that requests wait for it. */
  function adoptRow(row: InstanceRow): void {
    const process = livingProcess(row);
    if (process) {
      registry.observe(row, { pid: process.pid, startTime: process.startTime });
      of(row).adopt(process);
      launches.set(instanceName(row.service, row.id), launchOf(serviceOf(row.service)));
    } else if (row.desired === "running" && row.state !== "sleeping") {
      const reason = row.bootId === bootId() ? "the server was restarted" : "the machine was restarted";
      registry.observe(row, {
        pid: null,
        startTime: null,
        nonce: null,
        port: null,
        state: "starting",
        reason,
      });
    }
  }

  async function settleRow(row: InstanceRow): Promise<void> {
    const instance = of(row);
    if (row.deploying) {
      await registry.write((writer) =>
        writer.update(row, { desired: "stopped", deploying: false, weight: 0 }),
      );
      await instance.end("stopped", "the server died during its deploy", serviceGrace(row.service));
    } else if (row.desired === "stopped") {
      if (instance.process || row.state !== "stopped")
        await instance.end("stopped", row.reason, serviceGrace(row.service));
    } else if (row.state === "starting" && !instance.process) {
      await instance.startAgain("started with the server");
    }
  }

  function serviceGrace(name: string): number {
    return serviceOf(name).stopGraceMs;
  }

  /** Processes that carry our mark and belong to no row: a child whose row is gone. */
  async function endLeftovers(): Promise<void> {
    const known = new Set(registry.list().map((row) => row.nonce));
    const sessions = new Map(findByNonce(`${registry.id}.`).map((one) => [one.session, one.nonce]));
    const leftovers = [...sessions].filter(([, nonce]) => !known.has(nonce));
    await Promise.all(
      leftovers.map(([session, nonce]) => {
        parts.onTrouble(`session ${session} belongs to no instance any more and is ended`);
        return processes.remains(session, nonce).stop(10_000);
      }),
    );
  }

  async function eachInstance(work: (instance: Instance) => Promise<void>): Promise<void> {
    const all = [...instances.values()].map((instance) =>
      work(instance).catch((thrown) => parts.onTrouble(`${instance.name}: ${messageOf(thrown)}`)),
    );
    await Promise.all(all);
  }

  return {
    of,
    find: (row) => instances.get(instanceName(row.service, row.id)),
    launchedWith: (row) => launches.get(instanceName(row.service, row.id)),
    lifeOf: (row) => instances.get(instanceName(row.service, row.id))?.life,
    forget(row) {
      launches.delete(instanceName(row.service, row.id));
      instances.get(instanceName(row.service, row.id))?.leave();
      instances.delete(instanceName(row.service, row.id));
    },
    adopt() {
      for (const row of registry.list()) adoptRow(row);
    },
    async settle() {
      await Promise.all(
        registry.list().map((row) =>
          settleRow(row).catch((thrown) => {
            const instance = of(row);
            if (instance.life.nextTryMs === undefined)
              instance.show("failed", `cannot start: ${messageOf(thrown)}`);
          }),
        ),
      );
      await endLeftovers();
      const wanted = (name: string) =>
        registry
          .list()
          .some((row) => row.desired === "running" && instanceName(row.service, row.id) === name);
      await confinement.sweep(wanted).catch((thrown) => parts.onTrouble(messageOf(thrown)));
    },
    endAll: () =>
      eachInstance((instance) =>
        instance.process || instance.row.state === "starting"
          ? instance.end("stopped", "the server was shut down", serviceGrace(instance.service))
          : Promise.resolve(),
      ),
    killAll: () => eachInstance((instance) => instance.kill("the server was shut down twice")),
    leaveAll() {
      for (const instance of instances.values()) instance.leave();
    },
    recheck() {
      for (const instance of instances.values()) {
        const { state } = instance.row;
        if (state === "healthy" || state === "unhealthy") watch(instance, "steady");
      }
    },
    doubt: prober.doubt,
    [Symbol.dispose]: () => prober[Symbol.dispose](),
    untilHealthy: (row, patience) => untilHealthy(of(row), registry, clock, patience),
    async check(row) {
      const instance = of(row);
      return instance.process ? prober.checkNow(instance.name) : undefined;
    },
  };
}
