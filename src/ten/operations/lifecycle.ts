// The life of instances as the operator commands it: spawn, stop, restart.
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { planStop, select, spawnWeight, weightsOf } from "../../core/rollout.ts";
import { formatWeight } from "../../core/weight.ts";
import type { Release } from "../config/release.ts";
import type { InstanceRow, Writer } from "../registry/registry.ts";
import { type Context, configured, rulesOf } from "./context.ts";
import { changedFilesOf } from "./same-files.ts";
import { runJob } from "./schedule.ts";
import { requireShipped } from "./shipped.ts";
import { serviceOf, type Traffic, type TrafficChange, undoWithStart } from "./traffic.ts";

export interface SpawnRequest {
  readonly service: string;
  readonly id: string;
  readonly version: string;
  /** Raw weight in hundredths; undefined: chosen from its siblings. */
  readonly weight: number | undefined;
  /** A visitor's request, and no operator, asks for it. */
  readonly onDemand?: true;
}

export interface Enrolment {
  readonly service: string;
  readonly id: string;
  readonly version: string;
  readonly release: Release;
  readonly deploying: boolean;
  readonly origin: InstanceRow["origin"];
}

export interface RestartHow {
  readonly stopFirst: boolean;
  readonly anew: boolean;
}

export interface Lifecycle {
  spawn(request: SpawnRequest): Promise<TrafficChange>;
  /** Takes instances of one service out of traffic, drains and ends them side by side. */
  stop(service: string, ids: readonly string[], force: boolean): Promise<TrafficChange>;
  /**
   * Starts a successor that takes over when it is healthy, or, with `stopFirst`, ends it first; resolves when it is healthy and
   * what was before it has ended. A stopped instance is started. `anew`: with what is configured now, not with its release.
   */
  restart(service: string, id: string, how: RestartHow, signal: AbortSignal): Promise<void>;
  /** Adds the row of a new instance with weight 0. */
  enrol(writer: Writer, enrolment: Enrolment): InstanceRow;
}

export function createLifecycle(context: Context, traffic: Traffic): Lifecycle {
  return {
    spawn: (request) => spawn(context, traffic, request),
    stop: (service, ids, force) => stop(context, traffic, service, ids, force),
    restart: (service, id, how, signal) => restart(context, service, id, how, signal),
    enrol: (writer, enrolment) => enrol(context, writer, enrolment),
  };
}

function enrol({ clock }: Context, writer: Writer, enrolment: Enrolment): InstanceRow {
  const now = clock.now();
  return writer.create({
    ...enrolment,
    weight: 0,
    desired: "running",
    state: "starting",
    reason: "new",
    stateAt: now,
    createdAt: now,
    restarts: 0,
  });
}

async function spawn(
  context: Context,
  traffic: Traffic,
  { service, id, version, weight, onDemand }: SpawnRequest,
): Promise<TrafficChange> {
  const { registry, supervisor } = context;
  const { release } = configured(context, service);
  const name = instanceName(service, id);
  const known = registry.find(service, id);
  if (known?.desired === "running") {
    const hint = `ten restart ${name} starts it afresh`;
    throw new Fault("conflict", `${name} runs already (${known.state})`, hint);
  }
  // The same version again is what it was; another one is made from what is configured now.
  const kept = known?.version === version && known.release ? known.release : release;
  requireShipped(context, service, version, kept);
  const isFirst = !registry.knows(service);
  const warnings = known?.release === kept ? await changedFilesOf(context, [known]) : [];
  const change = await traffic.change(service, `spawn ${name}`, (now, writer) => {
    const given = weight ?? spawnWeight(now, id);
    if (known) {
      const started = { desired: "running", version, release: kept, restarts: 0, deploying: false } as const;
      writer.update(known, started);
      writer.markDeployed([known], true);
    } else {
      const origin = onDemand ? "demand" : "spawn";
      enrol(context, writer, { service, id, version, release, deploying: false, origin });
    }
    const weights = new Map([...weightsOf(now), [id, given]]);
    return { weights, message: `${name} starts with weight ${formatWeight(given)}`, acted: true };
  });
  try {
    await supervisor.of(registry.get(service, id)).start("spawned");
  } catch (thrown) {
    await takeBack(context, registry.get(service, id), known !== undefined, isFirst);
    throw thrown;
  }
  return { ...change, warnings };
}

/** Nothing came of a spawn: what there was before it is there again. */
async function takeBack(
  { registry, supervisor, routes }: Context,
  row: InstanceRow,
  wasKnown: boolean,
  isFirst: boolean,
): Promise<void> {
  await registry.write((writer) => {
    if (wasKnown) writer.update(row, { desired: "stopped", state: "stopped", weight: 0 });
    else writer.remove(row);
    if (isFirst) writer.forgetService(row.service);
  });
  if (!wasKnown) supervisor.forget(row);
  await routes.publish();
}

async function stop(
  { registry, supervisor, deploying }: Context,
  traffic: Traffic,
  service: string,
  named: readonly string[],
  force: boolean,
): Promise<TrafficChange> {
  const now = serviceOf(registry.list(service), service);
  const ids = [...new Set(named.flatMap((name) => select(now, name).map((member) => member.id)))];
  const names = ids.map((id) => instanceName(service, id)).join(", ");
  const rows = ids.map((id) => registry.get(service, id));
  for (const id of ids) {
    const reason = `${instanceName(service, id)} was stopped by another command`;
    deploying.abort(service, new Fault("conflict", reason), id);
  }
  const running = rows.filter((row) => row.desired === "running");
  const command = `stop ${ids.map((id) => instanceName(service, id)).join(" ")}`;
  const change = await traffic.change(service, command, (then, writer) => {
    const { weights } = planStop(then, ids, force);
    for (const row of running) writer.update(row, { desired: "stopped", deploying: false });
    const stopped = running.map((row) => [row.id, 0] as const);
    return { weights: new Map([...weights, ...stopped]), message: "" };
  });
  await Promise.all(running.map((row) => supervisor.halt(row, "stopped by the operator")));
  if (running.length === 0)
    return { ...change, changed: false, message: `nothing to do: ${names} stopped already`, undo: null };
  const spawns = running.map((row) => `ten spawn ${instanceName(service, row.id)} --weight 0`);
  const undo = change.changed ? undoWithStart(service) : spawns.join(" && ");
  return { ...change, changed: true, message: `${names} stopped`, undo };
}

async function restart(
  context: Context,
  service: string,
  id: string,
  { stopFirst, anew }: RestartHow,
  signal: AbortSignal,
): Promise<void> {
  const { registry, supervisor } = context;
  const row = registry.get(service, id);
  const release = anew ? configured(context, service).release : row.release;
  if (row.desired === "stopped")
    await registry.write((writer) => writer.update(row, { desired: "running", restarts: 0, release }));
  else await registry.write((writer) => writer.event(service, id, "restart", `version ${row.version}`));
  if (context.config().services.get(service)?.schedule !== undefined)
    return runJob(context, registry.get(service, id), signal);
  const { startupTimeoutMs: timeoutMs } = rulesOf(context, service);
  await supervisor.restart(row, "restarted by the operator", {
    build: { version: row.version, release },
    stopFirst,
    timeoutMs,
    signal,
  });
}
