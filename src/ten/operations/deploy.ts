// A deploy: start the new version without traffic, wait until it is healthy, then give it traffic in one transaction.
import { Fault } from "../../core/fault.ts";
import { instanceName, parseLabel } from "../../core/name.ts";
import { type Service, weightsOf } from "../../core/rollout.ts";
import { FULL, formatWeight, only, positive, totalOf, type Weights, withShare } from "../../core/weight.ts";
import type { KeyedLock } from "../../platform/time/keyed-lock.ts";
import type { InstanceRow, Registry } from "../registry/registry.ts";
import type { Instance } from "../supervisor/instance.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { type Diagnosis, type DiagnosisOf, failedDeploy, NOT_STARTED } from "./diagnosis.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { serviceOf, type Traffic, type TrafficChange, undoWithStart } from "./traffic.ts";

export interface DeployRequest {
  readonly service: string;
  readonly id: string;
  readonly version: string;
  /** How many instances carry the version; undefined: as many as run already, or as configured. */
  readonly instances: number | undefined;
  readonly defaultInstances: number;
  /** The share that it gets when healthy, in hundredths; undefined: all if nothing else takes traffic, else none. */
  readonly weight: number | undefined;
  readonly timeoutMs: number;
  /** How long it may wait for other deploys of the service. */
  readonly queueMs: number;
  readonly promote: boolean;
  readonly stopOld: boolean;
  readonly replace: boolean;
}

export interface DeployResult extends TrafficChange {
  readonly instance: string;
  /** How long it took from the start of the process until it was healthy; 0 when it ran already. */
  readonly healthyAfterMs: number;
  readonly stopped: readonly string[];
}

/** Which other instances a deploy has stopped, and the command that starts them again. */
interface Stopped {
  readonly stopped: readonly string[];
  readonly undo: string | null;
}

export type DeployStep = "queued" | "starting" | "waiting" | "healthy" | "stopping";
export type Progress = (step: DeployStep, message: string) => void;

export interface Deploys {
  /** `signal` is the client's: when it aborts before the switch, the deploy has failed. */
  deploy(request: DeployRequest, progress: Progress, signal: AbortSignal): Promise<DeployResult>;
  /** Aborts what is under way for the service (of this instance only, when given), with the reason to report. */
  abort(service: string, reason: Fault, id?: string): boolean;
}

export interface DeployParts {
  readonly registry: Registry;
  readonly supervisor: Supervisor;
  readonly traffic: Traffic;
  readonly lifecycle: Lifecycle;
  readonly serial: KeyedLock;
  readonly diagnosisOf: DiagnosisOf;
  monotonic(): number;
}

export function createDeploys(parts: DeployParts): Deploys {
  const { registry, supervisor, traffic, lifecycle } = parts;
  const running = new Map<
    string,
    { readonly ids: readonly string[]; readonly controller: AbortController }
  >();

  async function run(request: DeployRequest, progress: Progress, client: AbortSignal): Promise<DeployResult> {
    const { service, id } = request;
    const ids = idsOf(registry.list(service), request);
    const name = instanceName(service, id);
    const controller = new AbortController();
    running.set(service, { ids: [id, ...ids], controller });
    const signal = AbortSignal.any([client, controller.signal]);
    try {
      requireShare(serviceOf(registry.list(service), service), request, ids);
      const startedAt = parts.monotonic();
      const fresh = await bringUp(request, ids, progress, signal);
      const started = fresh.length > 0;
      const healthyAfterMs = started ? parts.monotonic() - startedAt : 0;
      if (started) progress("healthy", `${name} is healthy after ${(healthyAfterMs / 1000).toFixed(1)} s`);
      running.delete(service);
      const switched = await giveTraffic(request, ids, started).catch(async (thrown) => {
        await Promise.all(fresh.map(withdraw));
        throw thrown;
      });
      const stopped = await stopOthers(request, ids, progress);
      return { ...switched, ...stopped, instance: name, healthyAfterMs, undo: undoOf(switched, stopped) };
    } finally {
      if (running.get(service)?.controller === controller) running.delete(service);
    }
  }

  /** Starts those that do not run healthy already, and answers them. A failure leaves nothing of the deploy running. */
  async function bringUp(
    request: DeployRequest,
    ids: readonly string[],
    progress: Progress,
    signal: AbortSignal,
  ): Promise<readonly Instance[]> {
    const { service, version, timeoutMs } = request;
    const missing = ids.filter((id) => {
      const row = registry.find(service, id);
      return request.replace || row?.desired !== "running" || row.state !== "healthy";
    });
    if (missing.length === 0) return [];
    progress("starting", `starting ${missing.map((id) => instanceName(service, id)).join(", ")}`);
    const instances: Instance[] = [];
    const born = new Map<Instance, () => Promise<Diagnosis>>();
    let failed: Instance | undefined;
    try {
      for (const id of missing) instances.push(supervisor.of(await enrol(request, id)));
      const starts = instances.map(async (instance) => {
        const diagnose = parts.diagnosisOf(instance);
        try {
          await instance.start(`deploy of ${version}`);
          born.set(instance, diagnose);
          await supervisor.untilHealthy(instance.row, { timeoutMs, signal });
        } catch (thrown) {
          failed ??= instance;
          throw thrown;
        }
      });
      progress("waiting", `waiting until it is healthy (at most ${timeoutMs / 1000} s)`);
      await Promise.all(starts);
      signal.throwIfAborted();
      // The first to get healthy may have ended while the last one started.
      failed = instances.find(({ row }) => row.state !== "healthy");
      if (failed)
        throw new Fault("unhealthy", `${failed.name} did not stay healthy: it ${failed.row.reason}`);
      return instances;
    } catch (thrown) {
      const first = failed ?? instances[0];
      const diagnose = first && born.get(first);
      const diagnosis = diagnose ? await diagnose() : NOT_STARTED;
      await Promise.all(instances.map(withdraw));
      if (signal.aborted) throw aborted(service, request.id, signal);
      throw first ? failure(first.name, thrown, diagnosis) : thrown;
    }
  }

  /** The row of an instance, committed before its process exists: wanted, without traffic, its deploy undecided. */
  async function enrol({ service, version }: DeployRequest, id: string): Promise<InstanceRow> {
    const existing = registry.find(service, id);
    if (!existing) {
      return registry.write((writer) => lifecycle.enrol(writer, { service, id, version, deploying: true }));
    }
    await lifecycle.halt(existing, "replaced by a deploy");
    await registry.write((writer) => {
      const weight = existing.desired === "running" ? existing.weight : 0;
      writer.update(existing, {
        desired: "running",
        deploying: true,
        version,
        weight,
        restarts: 0,
        lastExit: null,
      });
    });
    return registry.get(service, id);
  }

  /** A failed deploy: the new instance is stopped and never gets weight; what was there before is untouched. */
  async function withdraw(instance: Instance): Promise<void> {
    const row = registry.find(instance.service, instance.id);
    if (!row) return;
    await registry.write((writer) => writer.update(row, { desired: "stopped", deploying: false, weight: 0 }));
    await lifecycle.halt(row, "its deploy failed");
  }

  function giveTraffic(
    request: DeployRequest,
    ids: readonly string[],
    started: boolean,
  ): Promise<TrafficChange> {
    const { service: name, id: group } = request;
    return traffic.change(name, `deploy ${instanceName(name, group)}`, (service, writer) => {
      for (const id of ids) {
        const row = registry.get(name, id);
        if (row.desired !== "running")
          throw new Fault("conflict", `${instanceName(name, id)} was stopped meanwhile`);
        if (row.deploying) writer.update(row, { deploying: false });
      }
      const weights = weightsAfter(service, request, ids, started);
      const message = describe(name, group, totalOf(weights, ids));
      return { weights, message, acted: started, stoppedAs: group };
    });
  }

  /** With `stopOld` all others; when a number of instances was asked for, those of the version that are too many. */
  async function stopOthers(
    request: DeployRequest,
    ids: readonly string[],
    progress: Progress,
  ): Promise<Stopped> {
    const { service, version, stopOld, instances } = request;
    const others = registry
      .list(service)
      .filter((row) => !ids.includes(row.id) && row.desired === "running")
      .filter((row) => stopOld || (instances !== undefined && row.version === version));
    if (others.length === 0) return { stopped: [], undo: null };
    const names = others.map((row) => instanceName(service, row.id));
    progress("stopping", `draining and stopping ${names.join(", ")}`);
    const stops = others.map((row) => row.id);
    const { undo } = await lifecycle.stop(service, stops, false);
    return { stopped: names, undo };
  }

  return {
    deploy(request, progress, signal) {
      const name = `the deploy of ${instanceName(request.service, request.id)}`;
      const onWait = (holder: string) => progress("queued", `waiting for ${holder}`);
      const turn = { name, waitMs: request.queueMs, signal, onWait };
      return parts.serial.run(request.service, turn, () => run(request, progress, signal));
    },
    abort(service, reason, id) {
      const deploy = running.get(service);
      if (!deploy || (id !== undefined && !deploy.ids.includes(id))) return false;
      deploy.controller.abort(reason);
      return true;
    },
  };
}

/** Restoring weights takes starting what was stopped after they changed. */
function undoOf(switched: TrafficChange, { stopped, undo }: Stopped): string | null {
  if (switched.undo === null) return undo;
  return stopped.length === 0 ? switched.undo : undoWithStart(switched.service);
}

/** One instance is called as its version; several `v2-1`, `v2-2`... A version that runs already keeps the ones it has. */
function idsOf(
  rows: readonly InstanceRow[],
  { service, id, instances, defaultInstances }: DeployRequest,
): string[] {
  const running = rows.filter((row) => row.version === id && row.desired === "running").map((row) => row.id);
  if (instances === undefined && running.length > 0 && !running.includes(id)) return running;
  const count = instances ?? (running.includes(id) ? 1 : defaultInstances);
  if (count === 1) return [id];
  if (running.includes(id)) {
    const name = instanceName(service, id);
    throw new Fault("conflict", `${name} runs as a single instance`, `stop it first: ten stop ${name}`);
  }
  return Array.from({ length: count }, (_, index) => parseLabel(`${id}-${index + 1}`));
}

/** Refuses at the start what would be refused at the end: a share that nobody else can complete. */
function requireShare(service: Service, request: DeployRequest, ids: readonly string[]): void {
  if (request.weight === undefined || request.weight === FULL || request.weight === 0) return;
  const rest = service.members.filter(
    (member) => member.runs && !ids.includes(member.id) && member.weight > 0,
  );
  if (rest.length > 0) return;
  throw new Fault(
    "conflict",
    `nothing else of ${service.name} takes traffic, so ${instanceName(service.name, request.id)} cannot have ${formatWeight(request.weight)} %`,
    "leave out --weight: the first version gets all traffic once it is healthy",
  );
}

/** `--promote`: all of it; `--weight`: that share; neither: all if it is new and nothing else takes traffic, else as it was. */
function weightsAfter(
  service: Service,
  { promote, weight }: DeployRequest,
  ids: readonly string[],
  started: boolean,
): Weights {
  const before = weightsOf(service);
  if (promote) return only(before, ids);
  if (weight !== undefined) {
    // Those that had traffic may have lost it meanwhile: then nobody can complete the share, and it runs without any.
    const others = [...positive(before).keys()].some((id) => !ids.includes(id));
    return others || weight === FULL ? withShare(before, ids, weight) : before;
  }
  return started && positive(before).size === 0 ? only(before, ids) : before;
}

function describe(name: string, id: string, weight: number): string {
  const instance = instanceName(name, id);
  return weight > 0
    ? `${instance} takes traffic`
    : `${instance} runs without traffic; next: ten route ${name} --to ${id}`;
}

function aborted(service: string, id: string, signal: AbortSignal): Fault {
  if (signal.reason instanceof Fault) return signal.reason;
  return new Fault(
    "stopped_waiting",
    `the deploy of ${instanceName(service, id)} was interrupted; it has been stopped`,
  );
}

function failure(name: string, thrown: unknown, diagnosis: Diagnosis): unknown {
  if (!(thrown instanceof Fault) || thrown.code !== "unhealthy") return thrown;
  return failedDeploy(name, thrown, diagnosis);
}
