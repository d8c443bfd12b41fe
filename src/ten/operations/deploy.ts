// A deploy: start the new version without traffic, wait until it is healthy, then give it traffic in one transaction.
import { Fault } from "../../core/fault.ts";
import { instanceName, parseLabel } from "../../core/name.ts";
import { type Service, weightsOf } from "../../core/rollout.ts";
import { FULL, formatWeight, only, positive, totalOf, type Weights, withShare } from "../../core/weight.ts";
import { createKeyedLock } from "../../platform/time/keyed-lock.ts";
import type { InstanceRow } from "../registry/registry.ts";
import type { Instance } from "../supervisor/instance.ts";
import type { Context } from "./context.ts";
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
}

export interface DeployParts {
  readonly context: Context;
  readonly traffic: Traffic;
  readonly lifecycle: Lifecycle;
  readonly diagnosisOf: DiagnosisOf;
}

/** Deploys of one service follow each other. */
export function createDeploys(parts: DeployParts): Deploys {
  const queue = createKeyedLock(parts.context.clock);
  return {
    deploy(request, progress, signal) {
      const name = `the deploy of ${instanceName(request.service, request.id)}`;
      const onWait = (holder: string) => progress("queued", `waiting for ${holder}`);
      const turn = { name, waitMs: request.queueMs, signal, onWait };
      return queue.run(request.service, turn, () => run(parts, request, progress, signal));
    },
  };
}

async function run(
  parts: DeployParts,
  request: DeployRequest,
  progress: Progress,
  client: AbortSignal,
): Promise<DeployResult> {
  const { service, id } = request;
  const { registry, deploying, clock } = parts.context;
  const ids = idsOf(registry.list(service), request);
  const name = instanceName(service, id);
  const underWay = deploying.begin(service, [id, ...ids]);
  try {
    requireShare(serviceOf(registry.list(service), service), request, ids);
    const startedAt = clock.monotonic();
    const start = new Start(parts, request, progress, AbortSignal.any([client, underWay.signal]));
    const fresh = await start.bringUp(ids);
    const started = fresh.length > 0;
    const healthyAfterMs = started ? clock.monotonic() - startedAt : 0;
    if (started) progress("healthy", `${name} is healthy after ${(healthyAfterMs / 1000).toFixed(1)} s`);
    underWay.end();
    const switched = await giveTraffic(parts, request, ids, started).catch(async (thrown) => {
      await Promise.all(fresh.map((instance) => withdraw(parts.context, instance)));
      throw thrown;
    });
    const stopped = await stopOthers(parts, request, ids, progress);
    return { ...switched, ...stopped, instance: name, healthyAfterMs, undo: undoOf(switched, stopped) };
  } finally {
    underWay.end();
  }
}

/** The starts of one deploy: all of them get healthy, or none is left. */
class Start {
  readonly #parts: DeployParts;
  readonly #request: DeployRequest;
  readonly #progress: Progress;
  readonly #signal: AbortSignal;
  readonly #instances: Instance[] = [];
  /** Looks at an instance that has, or had, a process. */
  readonly #diagnoses = new Map<Instance, () => Promise<Diagnosis>>();
  #failed: Instance | undefined;

  constructor(parts: DeployParts, request: DeployRequest, progress: Progress, signal: AbortSignal) {
    this.#parts = parts;
    this.#request = request;
    this.#progress = progress;
    this.#signal = signal;
  }

  /** Starts those that do not run healthy already, and answers them. A failure leaves nothing of the deploy running. */
  async bringUp(ids: readonly string[]): Promise<readonly Instance[]> {
    const { service, timeoutMs } = this.#request;
    const missing = ids.filter((id) => this.#isMissing(id));
    if (missing.length === 0) return [];
    this.#progress("starting", `starting ${missing.map((id) => instanceName(service, id)).join(", ")}`);
    try {
      const { supervisor } = this.#parts.context;
      for (const id of missing) this.#instances.push(supervisor.of(await this.#enrol(id)));
      const starts = this.#instances.map((instance) => this.#start(instance));
      this.#progress("waiting", `waiting until it is healthy (at most ${timeoutMs / 1000} s)`);
      await Promise.all(starts);
      this.#signal.throwIfAborted();
      this.#requireStillHealthy();
      return this.#instances;
    } catch (thrown) {
      throw await this.#giveUp(thrown);
    }
  }

  #isMissing(id: string): boolean {
    const { service, replace } = this.#request;
    const row = this.#parts.context.registry.find(service, id);
    return replace || row?.desired !== "running" || row.state !== "healthy";
  }

  async #start(instance: Instance): Promise<void> {
    const { version, timeoutMs } = this.#request;
    const diagnose = this.#parts.diagnosisOf(instance);
    try {
      await instance.start(`deploy of ${version}`);
      this.#diagnoses.set(instance, diagnose);
      const patience = { timeoutMs, signal: this.#signal };
      await this.#parts.context.supervisor.untilHealthy(instance.row, patience);
    } catch (thrown) {
      this.#failed ??= instance;
      throw thrown;
    }
  }

  /** The first to get healthy may have ended while the last one started. */
  #requireStillHealthy(): void {
    const failed = this.#instances.find(({ row }) => row.state !== "healthy");
    if (!failed) return;
    this.#failed = failed;
    throw new Fault("unhealthy", `${failed.name} did not stay healthy: it ${failed.row.reason}`);
  }

  /** Looks at what failed while it is still there, takes all of it back, and answers what to throw. */
  async #giveUp(thrown: unknown): Promise<unknown> {
    const { service, id } = this.#request;
    const first = this.#failed ?? this.#instances[0];
    const diagnose = first && this.#diagnoses.get(first);
    const diagnosis = diagnose ? await diagnose() : NOT_STARTED;
    await Promise.all(this.#instances.map((instance) => withdraw(this.#parts.context, instance)));
    if (this.#signal.aborted) return aborted(service, id, this.#signal);
    return first ? failure(first.name, thrown, diagnosis) : thrown;
  }

  /** The row of an instance, committed before its process exists: wanted, without traffic, its deploy undecided. */
  async #enrol(id: string): Promise<InstanceRow> {
    const { service, version } = this.#request;
    const { context, lifecycle } = this.#parts;
    const { registry, supervisor } = context;
    const existing = registry.find(service, id);
    if (!existing)
      return registry.write((writer) => lifecycle.enrol(writer, { service, id, version, deploying: true }));
    await supervisor.halt(existing, "replaced by a deploy");
    const weight = existing.desired === "running" ? existing.weight : 0;
    const fresh = {
      desired: "running",
      deploying: true,
      version,
      weight,
      restarts: 0,
      lastExit: null,
    } as const;
    await registry.write((writer) => writer.update(existing, fresh));
    return registry.get(service, id);
  }
}

/** A failed deploy: the new instance is stopped and never gets weight; what was there before is untouched. */
async function withdraw({ registry, supervisor }: Context, instance: Instance): Promise<void> {
  const row = registry.find(instance.service, instance.id);
  if (!row) return;
  await registry.write((writer) => writer.update(row, { desired: "stopped", deploying: false, weight: 0 }));
  await supervisor.halt(row, "its deploy failed");
}

function giveTraffic(
  { context, traffic }: DeployParts,
  request: DeployRequest,
  ids: readonly string[],
  started: boolean,
): Promise<TrafficChange> {
  const { service: name, id: group } = request;
  return traffic.change(name, `deploy ${instanceName(name, group)}`, (service, writer) => {
    for (const id of ids) {
      const row = context.registry.get(name, id);
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
  { context, lifecycle }: DeployParts,
  request: DeployRequest,
  ids: readonly string[],
  progress: Progress,
): Promise<Stopped> {
  const { service, version, stopOld, instances } = request;
  const others = context.registry
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
