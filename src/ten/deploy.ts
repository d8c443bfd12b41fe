// A deploy: start the new version without traffic, wait until it is healthy, then give it traffic in one transaction.
import { Fault } from "../core/fault.ts";
import { instanceName } from "../core/name.ts";
import { memberOf, planShare, type Service, weightsOf } from "../core/rollout.ts";
import { FULL, formatWeight, only, positive, type Weights, withShare } from "../core/weight.ts";
import type { Serial } from "../platform/serial.ts";
import { type Diagnosis, type DiagnosisOf, failedDeploy, NOT_STARTED } from "./diagnosis.ts";
import type { Instance } from "./instance.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { InstanceRow, Registry } from "./registry.ts";
import type { Supervisor } from "./supervisor.ts";
import { serviceOf, type Traffic, type TrafficChange } from "./traffic.ts";

export interface DeployRequest {
  readonly service: string;
  readonly id: string;
  readonly version: string;
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

export type DeployStep = "queued" | "starting" | "waiting" | "healthy" | "stopping";
export type Progress = (step: DeployStep, message: string) => void;

export interface Deploys {
  /** `signal` is the client's: when it aborts before the switch, the deploy has failed. */
  deploy(request: DeployRequest, progress: Progress, signal: AbortSignal): Promise<DeployResult>;
  /** Aborts what is under way for the service (of this instance only, when given), with the reason to report. */
  abort(service: string, reason: Fault, id?: string): void;
}

export interface DeployParts {
  readonly registry: Registry;
  readonly supervisor: Supervisor;
  readonly traffic: Traffic;
  readonly lifecycle: Lifecycle;
  readonly serial: Serial;
  readonly diagnose: DiagnosisOf;
  monotonic(): number;
}

export function createDeploys(parts: DeployParts): Deploys {
  const { registry, supervisor, traffic, lifecycle } = parts;
  const running = new Map<string, { readonly id: string; readonly controller: AbortController }>();

  async function run(request: DeployRequest, progress: Progress, client: AbortSignal): Promise<DeployResult> {
    const { service, id } = request;
    const controller = new AbortController();
    running.set(service, { id, controller });
    const signal = AbortSignal.any([client, controller.signal]);
    try {
      requireShare(serviceOf(registry.list(service), service), request);
      const startedAt = parts.monotonic();
      const started = await bringUp(request, progress, signal);
      const healthyAfterMs = started ? parts.monotonic() - startedAt : 0;
      if (started)
        progress(
          "healthy",
          `${instanceName(service, id)} is healthy after ${(healthyAfterMs / 1000).toFixed(1)} s`,
        );
      running.delete(service);
      const switched = await giveTraffic(request, started);
      const stopped = request.stopOld ? await stopOthers(request, progress) : [];
      return { ...switched, instance: instanceName(service, id), healthyAfterMs, stopped };
    } finally {
      if (running.get(service)?.controller === controller) running.delete(service);
    }
  }

  /** Starts the instance unless it runs healthy already; false when it did. A failure leaves nothing of it running. */
  async function bringUp(request: DeployRequest, progress: Progress, signal: AbortSignal): Promise<boolean> {
    const { service, id, version } = request;
    const existing = registry.find(service, id);
    if (existing?.desired === "running" && existing.state === "healthy" && !request.replace) return false;
    progress("starting", `starting ${instanceName(service, id)}`);
    const instance = supervisor.of(await enrol(request, existing));
    let isBorn = false;
    try {
      await instance.start(`deploy of ${version}`);
      isBorn = true;
      progress("waiting", `waiting until it is healthy (at most ${request.timeoutMs / 1000} s)`);
      await supervisor.untilHealthy(instance.row, { timeoutMs: request.timeoutMs, signal });
      return true;
    } catch (thrown) {
      const diagnosis = isBorn ? await parts.diagnose(instance) : NOT_STARTED;
      await withdraw(instance);
      throw signal.aborted ? aborted(service, id, signal) : failure(service, id, thrown, diagnosis);
    }
  }

  /** The row of the instance, committed before its process exists: wanted, without traffic, its deploy undecided. */
  async function enrol(request: DeployRequest, existing: InstanceRow | undefined): Promise<InstanceRow> {
    const { service, id, version } = request;
    if (existing) {
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
    return registry.write((writer) => lifecycle.enrol(writer, { service, id, version, deploying: true }));
  }

  /** A failed deploy: the new instance is stopped and never gets weight; what was there before is untouched. */
  async function withdraw(instance: Instance): Promise<void> {
    const row = registry.find(instance.service, instance.id);
    if (!row) return;
    await registry.write((writer) => writer.update(row, { desired: "stopped", deploying: false, weight: 0 }));
    await lifecycle.halt(row, "its deploy failed");
  }

  function giveTraffic(request: DeployRequest, started: boolean): Promise<TrafficChange> {
    const { service: name, id } = request;
    return traffic.change(name, `deploy ${instanceName(name, id)}`, (service, writer) => {
      const row = registry.get(name, id);
      if (row.desired !== "running")
        throw new Fault("conflict", `${instanceName(name, id)} was stopped meanwhile`);
      if (row.deploying) writer.update(row, { deploying: false });
      const weights = weightsAfter(service, request, started);
      return { weights, message: describe(name, id, weights), acted: started };
    });
  }

  async function stopOthers(request: DeployRequest, progress: Progress): Promise<readonly string[]> {
    const { service, id } = request;
    const others = registry.list(service).filter((row) => row.id !== id && row.desired === "running");
    if (others.length === 0) return [];
    progress(
      "stopping",
      `draining and stopping ${others.map((row) => instanceName(service, row.id)).join(", ")}`,
    );
    await lifecycle.stop(
      service,
      others.map((row) => row.id),
      false,
    );
    return others.map((row) => instanceName(service, row.id));
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
      if (deploy && (id === undefined || deploy.id === id)) deploy.controller.abort(reason);
    },
  };
}

/** Refuses at the start what would be refused at the end: a share that nobody else can complete. */
function requireShare(service: Service, request: DeployRequest): void {
  if (request.weight === undefined || request.weight === FULL || request.weight === 0) return;
  const rest = service.members.filter(
    (member) => member.runs && member.id !== request.id && member.weight > 0,
  );
  if (rest.length > 0) return;
  throw new Fault(
    "conflict",
    `nothing else of ${service.name} takes traffic, so ${instanceName(service.name, request.id)} cannot have ${formatWeight(request.weight)} %`,
    "leave out --weight: the first version gets all traffic once it is healthy",
  );
}

/** `--promote`: all of it; `--weight`: that share; neither: all if it is new and nothing else takes traffic, else as it was. */
function weightsAfter(service: Service, request: DeployRequest, started: boolean): Weights {
  const before = weightsOf(service);
  if (request.promote) return only(before, request.id);
  if (request.weight !== undefined) {
    if (request.weight === 0 && memberOf(service, request.id).weight === 0) return before;
    return planShare(service, request.id, request.weight, false).weights;
  }
  return started && positive(before).size === 0 ? withShare(before, request.id, FULL) : before;
}

function describe(name: string, id: string, weights: Weights): string {
  const weight = weights.get(id) ?? 0;
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

function failure(service: string, id: string, thrown: unknown, diagnosis: Diagnosis): unknown {
  if (!(thrown instanceof Fault) || thrown.code !== "unhealthy") return thrown;
  return failedDeploy(instanceName(service, id), thrown, diagnosis);
}
