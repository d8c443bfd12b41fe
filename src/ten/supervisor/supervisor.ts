// The supervisor: every instance of the registry as a living thing, started, adopted after its own death, and checked.
import { rm } from "node:fs/promises";
import { Fault, messageOf } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { Repeats } from "../../core/repeats.ts";
import type { CheckResult } from "../../platform/net/health-check.ts";
import type { ListeningPorts } from "../../platform/net/listening-ports.ts";
import { accountOf } from "../../platform/process/account.ts";
import { createCgroups } from "../../platform/process/cgroup.ts";
import type { ManagedProcess, Processes } from "../../platform/process/process.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Config } from "../config/config.ts";
import type { DataPaths } from "../config/paths.ts";
import type { Release } from "../config/release.ts";
import { orphanService, released, type Service } from "../config/service.ts";
import type { InstanceRow, Registry } from "../registry/registry.ts";
import type { Life } from "../routing/routes.ts";
import type { RoutesInForce } from "../routing/routes-in-force.ts";
import { type AdoptionParts, adoptRow, runsOf, settleAll } from "./adoption.ts";
import { afterStop } from "./after-stop.ts";
import { type Checks, createChecks } from "./checks.ts";
import { type Confinement, createConfinement } from "./confinement.ts";
import { endDaemon } from "./daemon.ts";
import { Instance } from "./instance.ts";
import type { InstanceDeps, Replacement } from "./instance-deps.ts";
import { createLaunch, secretsOf } from "./launch.ts";
import type { Patience } from "./patience.ts";
import { commandBeside } from "./process-spec.ts";
import type { Run } from "./run.ts";
import { createSickQueue } from "./sick-queue.ts";
import { watchSilence } from "./silence.ts";
import { watchStalls } from "./stalls.ts";
import { untilHealthy } from "./until-healthy.ts";
import { type Whereabouts, whereaboutsOf } from "./whereabouts.ts";

export interface Supervisor extends Disposable {
  /** The living instance of a row; made when first asked for. */
  of(row: InstanceRow): Instance;
  find(row: InstanceRow): Instance | undefined;
  lifeOf(row: InstanceRow): Life | undefined;
  /** Drops a row that was removed; its process must have ended. */
  forget(row: InstanceRow): void;
  /** Takes over every process that outlived the last server. Touches none. */
  adopt(): void;
  /** After `adopt`: ends what should not live, and starts what is missing. */
  settle(): Promise<void>;
  /** Ends the processes of an instance without changing what is wanted of it: out of the routes, drained, ended. */
  halt(row: InstanceRow, reason: string): Promise<void>;
  /**
   * Restarts an instance that runs, and starts one that does not: a successor takes over when it is healthy, or, with
   * `stopFirst`, after the end of the process before it. Resolves when it is healthy and what was before it has ended.
   */
  restart(row: InstanceRow, reason: string, how: Restart): Promise<void>;
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
  /** Where the run of an instance that lives listens; undefined when it has none. */
  whereabouts(row: InstanceRow, run?: Run): Whereabouts | undefined;
  /** Checks an instance's health now; undefined when it has no process. */
  check(row: InstanceRow): Promise<CheckResult | undefined>;
}

export interface Restart extends Replacement {
  readonly stopFirst: boolean;
}

export interface SupervisorParts {
  readonly registry: Registry;
  readonly routes: RoutesInForce;
  readonly processes: Processes;
  readonly listeners: ListeningPorts;
  readonly clock: Clock;
  readonly paths: DataPaths;
  config(): Config;
  readonly domain: string;
  /** How many workers the proxy has. */
  readonly workers: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  onTrouble(text: string): void;
}

export function createSupervisor(parts: SupervisorParts): Supervisor {
  return new InstanceSupervisor(parts);
}

class InstanceSupervisor implements Supervisor {
  readonly #parts: SupervisorParts;
  readonly #instances = new Map<string, Instance>();
  readonly #confinement: Confinement;
  readonly #launch: ReturnType<typeof createLaunch>;
  readonly #checks: Checks;
  readonly #onSick: (instance: Instance) => void;
  readonly #stalls: Disposable;
  readonly #silence: Disposable;
  readonly #repeats = new Repeats();
  /** The rules of services that are no longer configured. */
  readonly #remembered = new Map<string, Service>();

  constructor(parts: SupervisorParts) {
    const { registry, clock, onTrouble } = parts;
    this.#parts = parts;
    this.#confinement = createConfinement(
      parts.paths,
      createCgroups({ parent: `ten-${registry.id}`, clock }),
    );
    this.#launch = createLaunch({ ...parts, confinement: this.#confinement });
    this.#checks = createChecks({
      ...parts,
      serviceOf: (name, release) => this.#serviceOf(name, release),
      commandOf: (words, service, { id }, { port, build, key: nonce }) => {
        const account = accountOf(service.limits.user, service.limits.group);
        const base = { ...parts.environment, ...account?.env };
        const launched = { id, version: build.version, port, nonce };
        const secrets = secretsOf(parts.config(), service, launched, base);
        return [commandBeside(words, parts.config(), service, launched, base, secrets), account];
      },
    });
    this.#onSick = createSickQueue({
      clock,
      isSick: ({ service, id }) => registry.find(service, id)?.state === "unhealthy",
      restart: (instance) => this.#restartSick(instance),
      onTrouble,
    });
    this.#stalls = watchStalls(clock, parts.routes.busy, (name) => this.doubt(name));
    const find = (row: InstanceRow) => this.find(row);
    this.#silence = watchSilence({ ...parts, traffic: parts.routes.traffic, find });
  }

  of(row: InstanceRow): Instance {
    const name = instanceName(row.service, row.id);
    const known = this.#instances.get(name);
    if (known) return known;
    const instance: Instance = new Instance(
      row,
      this.#depsOf(row, () => instance),
    );
    this.#instances.set(name, instance);
    return instance;
  }

  find(row: InstanceRow): Instance | undefined {
    return this.#instances.get(instanceName(row.service, row.id));
  }

  lifeOf(row: InstanceRow): Life | undefined {
    return this.find(row)?.life;
  }

  forget(row: InstanceRow): void {
    const name = instanceName(row.service, row.id);
    this.#instances.get(name)?.leave();
    this.#instances.delete(name);
    this.#repeats.forget(name);
  }

  adopt(): void {
    for (const row of this.#parts.registry.list()) adoptRow(row, this.#adoption());
  }

  async settle(): Promise<void> {
    const { registry, onTrouble } = this.#parts;
    await settleAll(this.#adoption());
    await this.#confinement.sweep(runsOf(registry)).catch((thrown) => onTrouble(messageOf(thrown)));
  }

  async halt(row: InstanceRow, reason: string): Promise<void> {
    const { registry, paths } = this.#parts;
    const instance = this.of(row);
    const { drainTimeoutMs, stopGraceMs, storagePersist } = this.#serviceOf(row.service);
    const shouldRun = () => registry.find(row.service, row.id)?.desired === "running";
    const didRun = shouldRun();
    if (instance.run) {
      instance.show("draining", reason);
      await this.#drain(instance.name, drainTimeoutMs);
    }
    await instance.end(shouldRun() ? "starting" : "stopped", reason, stopGraceMs);
    // A rollback or a spawn may want it again while it drains: nobody else starts it then.
    if (!didRun && shouldRun()) await instance.startAgain("wanted again").catch(() => {});
    if (!shouldRun() && !storagePersist)
      await rm(paths.instance(row.service, row.id), { recursive: true, force: true });
  }

  async restart(row: InstanceRow, reason: string, { stopFirst, ...how }: Restart): Promise<void> {
    const instance = this.of(row);
    if (stopFirst || !this.#serviceOf(row.service).overlap) {
      await this.halt(row, reason);
      if (how.build) this.#parts.registry.observe(row, how.build);
    } else await instance.replace(reason, how);
    await instance.startAgain(reason);
    await this.untilHealthy(row, how);
  }

  endAll(): Promise<void> {
    return this.#each(async (instance) => {
      if (!instance.run && instance.row.state !== "starting") return;
      await instance.end("stopped", "the server was shut down", this.#graceMsOf(instance.service));
    });
  }

  killAll(): Promise<void> {
    return this.#each((instance) => instance.kill("the server was shut down twice"));
  }

  leaveAll(): void {
    for (const instance of this.#instances.values()) instance.leave();
  }

  recheck(): void {
    for (const instance of this.#instances.values()) {
      const { state } = instance.row;
      const isJudged = state === "healthy" || state === "unhealthy";
      // It had a schedule, by which it did not run now, and runs always from now on.
      const isLeft = isJudged && !instance.run && this.#serviceOf(instance.service).schedule === undefined;
      if (isLeft) instance.startAgain("its schedule was removed").catch(() => {});
      if (instance.run && isJudged) this.#checks.watch(instance, instance.run, "steady");
    }
  }

  doubt(name: string): boolean {
    const run = this.#instances.get(name)?.run;
    return run !== undefined && this.#checks.doubt(run);
  }

  untilHealthy(row: InstanceRow, patience: Patience): Promise<void> {
    return untilHealthy(this.of(row), this.#parts.registry, this.#parts.clock, patience);
  }

  whereabouts(row: InstanceRow, run = this.of(row).latest): Whereabouts | undefined {
    return run?.process.alive() ? this.#whereabouts(row.service, run) : undefined;
  }

  async check(row: InstanceRow): Promise<CheckResult | undefined> {
    const { run } = this.of(row);
    return run && this.#checks.now(run);
  }

  [Symbol.dispose](): void {
    this.#silence[Symbol.dispose]();
    this.#stalls[Symbol.dispose]();
    this.#checks[Symbol.dispose]();
  }

  #depsOf(row: InstanceRow, instance: () => Instance): InstanceDeps {
    const { registry, clock, routes, onTrouble } = this.#parts;
    const name = instanceName(row.service, row.id);
    const report = (thrown: unknown) => {
      const line = this.#repeats.tell(name, `${name}: ${messageOf(thrown)}`);
      if (line !== undefined) onTrouble(line);
    };
    return {
      registry,
      clock,
      random: Math.random,
      service: () => this.#serviceOf(row.service),
      launch: async (current, role, { version, release }) => {
        if (release === null) this.#requireService(row.service);
        return this.#launch(current, role, version, this.#serviceOf(row.service, release));
      },
      whereabouts: (run) => this.#whereabouts(row.service, run),
      describeExit: (run, exit) => this.#confinement.describeExit(row, run.key, exit),
      release: (run) => this.#release(row, run).catch(report),
      cleanUp: async (run) => {
        try {
          await run.process.stop(0);
          await this.#release(row, run).catch(report);
        } catch (thrown) {
          registry.note(row.service, row.id, "leftover", messageOf(thrown));
        }
      },
      runFailed: (text) => {
        registry.note(row.service, row.id, "run_failed", text);
        report(`${text}; its output: ten logs ${name}`);
      },
      watch: (run, cadence) => this.#checks.watch(instance(), run, cadence),
      changed: routes.changed,
      drain: () => this.#drain(name, this.#serviceOf(row.service).drainTimeoutMs),
      sick: () => this.#onSick(instance()),
      onTrouble: report,
    };
  }

  /** The processes of a run are gone: what it has left in the background goes, and what was made for it. */
  async #release(row: InstanceRow, run: Run): Promise<void> {
    const { registry, clock } = this.#parts;
    const { user, group } = this.#serviceOf(row.service, run.build.release).limits;
    const uid = accountOf(user, group)?.uid ?? process.getuid?.() ?? 0;
    // Who puts itself into the background ends well; what is there after any other end may be a stranger.
    const left = run.exit === "exited with code 0" ? await endDaemon(run, uid, clock) : [];
    if (left.length > 0)
      registry.note(
        row.service,
        row.id,
        "leftover",
        `${left.join(", ")} stayed in the background and was ended`,
      );
    await this.#confinement.release(row, run.key);
    await afterStop(this.#parts, row, run, this.#serviceOf(row.service, run.build.release));
  }

  #whereabouts(service: string, run: Run): Whereabouts {
    const { address } = this.#serviceOf(service, run.build.release);
    return whereaboutsOf(run, address, this.#parts.listeners);
  }

  #adoption(): AdoptionParts {
    return {
      ...this.#parts,
      of: (row) => this.of(row),
      adopted: (row, process) => this.#adopted(row, process),
      graceMsOf: (service) => this.#graceMsOf(service),
      drain: (row) =>
        this.#drain(instanceName(row.service, row.id), this.#serviceOf(row.service).drainTimeoutMs),
    };
  }

  #adopted(row: InstanceRow, process: ManagedProcess): void {
    const { registry, config } = this.#parts;
    // Rows of older versions: what runs is what is configured, as far as anybody knows.
    const release = row.release ?? config().services.get(row.service)?.release ?? null;
    if (release !== row.release) registry.observe(row, { release });
    this.of(row).adopt(process);
  }

  async #restartSick(instance: Instance): Promise<void> {
    const { row } = instance;
    const { startupTimeoutMs: timeoutMs } = this.#serviceOf(instance.service);
    const halt = () => this.halt(row, "unhealthy for too long");
    await instance.giveUp("was unhealthy for too long", { timeoutMs }, halt);
    // Whether it comes back is for its own checks to tell.
    await this.untilHealthy(row, { timeoutMs }).catch(() => {});
  }

  /** As configured now; what is no longer configured keeps the rules that it had, until it is stopped. */
  #serviceOf(name: string, release: Release | null = null): Service {
    const service =
      this.#parts.config().services.get(name) ?? this.#remembered.get(name) ?? orphanService(name);
    this.#remembered.set(name, service);
    return released(service, release);
  }

  #requireService(name: string): void {
    const { services, path } = this.#parts.config();
    if (services.has(name)) return;
    throw new Fault("not_found", `there is no service ${name} in ${path}`, `add [service.${name}]`);
  }

  /** Puts the routes into force, and waits for what is in flight to where they no longer lead. */
  async #drain(name: string, deadlineMs: number): Promise<void> {
    await this.#parts.routes.publish();
    await this.#parts.routes.drain(name, deadlineMs);
  }

  #graceMsOf(service: string): number {
    return this.#serviceOf(service).stopGraceMs;
  }

  async #each(work: (instance: Instance) => Promise<void>): Promise<void> {
    const all = [...this.#instances.values()].map((instance) =>
      work(instance).catch((thrown) => this.#parts.onTrouble(`${instance.name}: ${messageOf(thrown)}`)),
    );
    await Promise.all(all);
  }
}
