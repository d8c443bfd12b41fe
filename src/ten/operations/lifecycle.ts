// The life of instances as the operator commands it: spawn, stop, restart, rm, prune.
import { existsSync } from "node:fs";
import { rm, rmdir } from "node:fs/promises";
import { Fault, messageOf } from "../../core/fault.ts";
import { type InstanceName, instanceName } from "../../core/name.ts";
import { quote } from "../../core/quote.ts";
import { planStop, select, spawnWeight, weightsOf } from "../../core/rollout.ts";
import { formatWeight } from "../../core/weight.ts";
import type { Release } from "../config/release.ts";
import type { InstanceRow, Writer } from "../registry/registry.ts";
import { type Context, configured, rulesOf } from "./context.ts";
import { runJob } from "./schedule.ts";
import { pruneShipped, requireShipped } from "./shipped.ts";
import { serviceOf, type Traffic, type TrafficChange, undoWithStart } from "./traffic.ts";

export interface SpawnRequest {
  readonly service: string;
  readonly id: string;
  readonly version: string;
  /** Raw weight in hundredths; undefined: chosen from its siblings. */
  readonly weight: number | undefined;
}

export interface Enrolment {
  readonly service: string;
  readonly id: string;
  readonly version: string;
  readonly release: Release;
  readonly deploying: boolean;
}

export interface Pruned {
  /** The ids of instances. */
  readonly removed: readonly string[];
  /** The versions of shipped builds. */
  readonly releases: readonly string[];
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
  /** Removes the rows, directories and logs of stopped instances; none when one of them may not be removed. */
  remove(names: readonly InstanceName[]): Promise<void>;
  /**
   * Removes a sleeping instance in one step, so that whoever asks for it meanwhile either wakes it or finds none; what it was
   * given to write to goes with it unless something lies there. False when it sleeps no more.
   */
  evict(service: string, id: string): Promise<boolean>;
  /** Removes stopped instances of a service beyond the `keep` newest, then builds that none is of any more. */
  prune(service: string, keep: number): Promise<Pruned>;
  /** Adds the row of a new instance with weight 0. */
  enrol(writer: Writer, enrolment: Enrolment): InstanceRow;
}

export function createLifecycle(context: Context, traffic: Traffic): Lifecycle {
  return {
    spawn: (request) => spawn(context, traffic, request),
    stop: (service, ids, force) => stop(context, traffic, service, ids, force),
    restart: (service, id, how, signal) => restart(context, service, id, how, signal),
    remove: (names) => remove(context, names),
    evict: (service, id) => evict(context, service, id),
    prune: (service, keep) => prune(context, service, keep),
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
  { service, id, version, weight }: SpawnRequest,
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
  const change = await traffic.change(service, `spawn ${name}`, (now, writer) => {
    const given = weight ?? spawnWeight(now, id);
    if (known) {
      const started = { desired: "running", version, release: kept, restarts: 0, deploying: false } as const;
      writer.update(known, started);
      writer.markDeployed([known], true);
    } else enrol(context, writer, { service, id, version, release, deploying: false });
    const weights = new Map([...weightsOf(now), [id, given]]);
    return { weights, message: `${name} starts with weight ${formatWeight(given)}`, acted: true };
  });
  try {
    await supervisor.of(registry.get(service, id)).start("spawned");
  } catch (thrown) {
    await takeBack(context, registry.get(service, id), known !== undefined, isFirst);
    throw thrown;
  }
  return change;
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

function requireStopped({ registry, supervisor }: Context, service: string, id: string): InstanceRow {
  const row = registry.get(service, id);
  const name = instanceName(service, id);
  if (row.desired === "stopped" && !supervisor.of(row).run) return row;
  throw new Fault("conflict", `${name} runs (${row.state})`, `stop it first: ten stop ${name}`);
}

async function forget({ registry, supervisor, routes }: Context, row: InstanceRow): Promise<void> {
  await registry.write((writer) => writer.remove(row));
  supervisor.forget(row);
  await routes.publish();
}

async function evict(context: Context, service: string, id: string): Promise<boolean> {
  const { registry, supervisor, paths } = context;
  const isAsleep = () => {
    const row = registry.find(service, id);
    return row?.state === "sleeping" && !supervisor.of(row).run ? row : undefined;
  };
  const gone = await registry.write((writer) => {
    const row = isAsleep();
    if (row) writer.remove(row);
    return row;
  });
  if (!gone) return false;
  supervisor.forget(gone);
  await context.routes.publish();
  // It may hold a customer's data, which the next request for it finds again.
  const isEmpty = await rmdir(paths.instance(service, id)).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === "ENOENT",
  );
  if (isEmpty) await rm(paths.logs(service, id), { recursive: true, force: true });
  return true;
}

/** Files first: what cannot be removed keeps its row, and is named. An instance that was evicted has only files. */
async function remove(context: Context, names: readonly InstanceName[]): Promise<void> {
  const { registry, paths } = context;
  const isLeft = ({ service, id }: InstanceName) =>
    registry.find(service, id) === undefined && existsSync(paths.instance(service, id));
  const rows = names.flatMap((name) =>
    isLeft(name) ? [] : [requireStopped(context, name.service, name.id)],
  );
  for (const { service, id } of names) {
    await removeTree(paths.instance(service, id));
    await removeTree(paths.logs(service, id));
    const row = rows.find((one) => one.service === service && one.id === id);
    if (row) await forget(context, row);
  }
}

async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (thrown) {
    throw new Fault(
      "conflict",
      `${quote(path)} cannot be removed: ${messageOf(thrown)}`,
      "see who owns what is in it, then try again; the instance is still there",
      { cause: thrown },
    );
  }
}

async function prune(context: Context, service: string, keep: number): Promise<Pruned> {
  const { registry, supervisor } = context;
  const stopped = registry
    .list(service)
    .filter((row) => row.desired === "stopped" && !supervisor.of(row).run);
  const old = stopped.sort((a, b) => b.deployed - a.deployed).slice(keep);
  await remove(context, old);
  return { removed: old.map((row) => row.id), releases: await pruneShipped(context, service) };
}
