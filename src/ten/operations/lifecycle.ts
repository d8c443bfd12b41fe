// The life of instances as the operator commands it: spawn, stop, restart, rm, prune.
import { rm } from "node:fs/promises";
import { Fault } from "../../core/fault.ts";
import { type InstanceName, instanceName } from "../../core/name.ts";
import { planStop, select, spawnWeight, weightsOf } from "../../core/rollout.ts";
import { formatWeight } from "../../core/weight.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { DataPaths } from "../config/paths.ts";
import type { InstanceRow, Registry, Writer } from "../registry/registry.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
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
  readonly deploying: boolean;
}

export interface Lifecycle {
  spawn(request: SpawnRequest): Promise<TrafficChange>;
  /** Takes instances of one service out of traffic, drains and ends them side by side. */
  stop(service: string, ids: readonly string[], force: boolean): Promise<TrafficChange>;
  /** Drains, ends and starts again; resolves when it is healthy. */
  restart(service: string, id: string, signal: AbortSignal): Promise<void>;
  /** Removes the rows, directories and logs of stopped instances; none when one of them may not be removed. */
  remove(names: readonly InstanceName[]): Promise<void>;
  /** Removes the row of a stopped instance and leaves its files. */
  forget(service: string, id: string): Promise<void>;
  /** Removes stopped instances of a service beyond the `keep` newest; returns their ids. */
  prune(service: string, keep: number): Promise<readonly string[]>;
  /** Ends the process of an instance without changing what is wanted of it: out of the routes, drained, ended. */
  halt(row: InstanceRow, reason: string): Promise<void>;
  /** Adds the row of a new instance with weight 0. */
  enrol(writer: Writer, enrolment: Enrolment): InstanceRow;
}

export interface LifecycleParts {
  readonly registry: Registry;
  readonly supervisor: Supervisor;
  readonly traffic: Traffic;
  readonly paths: DataPaths;
  readonly clock: Clock;
  publish(): Promise<void>;
  drain(target: string, deadlineMs: number): Promise<unknown>;
  abortDeploy(service: string, reason: Fault, id: string): void;
  timesOf(service: string): {
    readonly drainTimeoutMs: number;
    readonly stopGraceMs: number;
    readonly startupTimeoutMs: number;
    readonly storagePersist: boolean;
  };
  /** A fault when the service is not configured. */
  requireService(service: string): void;
}

export function createLifecycle(parts: LifecycleParts): Lifecycle {
  const { registry, supervisor, traffic, paths, clock } = parts;

  function enrol(writer: Writer, { service, id, version, deploying }: Enrolment): InstanceRow {
    const now = clock.now();
    return writer.create({
      service,
      id,
      version,
      weight: 0,
      desired: "running",
      state: "starting",
      reason: "new",
      stateAt: now,
      createdAt: now,
      deploying,
      restarts: 0,
    });
  }

  async function halt(row: InstanceRow, reason: string): Promise<void> {
    const instance = supervisor.of(row);
    const { drainTimeoutMs, stopGraceMs, storagePersist } = parts.timesOf(row.service);
    const isWanted = () => registry.find(row.service, row.id)?.desired === "running";
    const wasWanted = isWanted();
    if (instance.process) {
      instance.show("draining", reason);
      await parts.publish();
      await parts.drain(instance.name, drainTimeoutMs);
    }
    await instance.end(isWanted() ? "starting" : "stopped", reason, stopGraceMs);
    // A rollback or a spawn may want it again while it drains: nobody else starts it then.
    if (!wasWanted && isWanted()) await instance.startAgain("wanted again").catch(() => {});
    if (!isWanted() && !storagePersist)
      await rm(paths.instance(row.service, row.id), { recursive: true, force: true });
  }

  async function spawn({ service, id, version, weight }: SpawnRequest): Promise<TrafficChange> {
    parts.requireService(service);
    const name = instanceName(service, id);
    const known = registry.find(service, id);
    if (known?.desired === "running") {
      throw new Fault(
        "conflict",
        `${name} runs already (${known.state})`,
        `ten restart ${name} starts it afresh`,
      );
    }
    const isFirst = !registry.knows(service);
    const change = await traffic.change(service, `spawn ${name}`, (now, writer) => {
      const given = weight ?? spawnWeight(now, id);
      if (known) writer.update(known, { desired: "running", version, restarts: 0, deploying: false });
      else enrol(writer, { service, id, version, deploying: false });
      const weights = new Map([...weightsOf(now), [id, given]]);
      return { weights, message: `${name} starts with weight ${formatWeight(given)}`, acted: true };
    });
    try {
      await supervisor.of(registry.get(service, id)).start("spawned");
    } catch (thrown) {
      const row = registry.get(service, id);
      await registry.write((writer) => {
        if (known) writer.update(row, { desired: "stopped", state: "stopped", weight: 0 });
        else writer.remove(row);
        if (isFirst) writer.forgetService(service);
      });
      if (!known) supervisor.forget(row);
      await parts.publish();
      throw thrown;
    }
    return change;
  }

  async function stop(service: string, named: readonly string[], force: boolean): Promise<TrafficChange> {
    const now = serviceOf(registry.list(service), service);
    const ids = [...new Set(named.flatMap((name) => select(now, name).map((member) => member.id)))];
    const names = ids.map((id) => instanceName(service, id));
    const rows = ids.map((id) => registry.get(service, id));
    for (const id of ids) {
      const reason = `${instanceName(service, id)} was stopped by another command`;
      parts.abortDeploy(service, new Fault("conflict", reason), id);
    }
    const running = rows.filter((row) => row.desired === "running");
    const change = await traffic.change(service, `stop ${names.join(" ")}`, (then, writer) => {
      const { weights } = planStop(then, ids, force);
      for (const row of running) writer.update(row, { desired: "stopped", deploying: false });
      const stopped = running.map((row) => [row.id, 0] as const);
      return { weights: new Map([...weights, ...stopped]), message: "" };
    });
    await Promise.all(running.map((row) => halt(row, "stopped by the operator")));
    const changed = running.length > 0;
    const message = changed
      ? `${names.join(", ")} stopped`
      : `nothing to do: ${names.join(", ")} stopped already`;
    const spawns = running.map((row) => `ten spawn ${instanceName(service, row.id)} --weight 0`);
    const undo = change.changed ? undoWithStart(service) : spawns.join(" && ");
    return { ...change, changed, message, undo: changed ? undo : null };
  }

  async function restart(service: string, id: string, signal: AbortSignal): Promise<void> {
    const row = registry.get(service, id);
    if (row.desired === "stopped") {
      await registry.write((writer) => writer.update(row, { desired: "running", restarts: 0 }));
    } else {
      await halt(row, "restarted by the operator");
    }
    const instance = supervisor.of(row);
    await instance.startAgain("restarted by the operator");
    await supervisor.untilHealthy(row, { timeoutMs: parts.timesOf(service).startupTimeoutMs, signal });
  }

  function requireStopped(service: string, id: string): InstanceRow {
    const row = registry.get(service, id);
    const name = instanceName(service, id);
    if (row.desired === "stopped" && !supervisor.of(row).process) return row;
    throw new Fault("conflict", `${name} runs (${row.state})`, `stop it first: ten stop ${name}`);
  }

  async function forget(service: string, id: string): Promise<void> {
    const row = requireStopped(service, id);
    await registry.write((writer) => {
      writer.remove(row);
      writer.event(service, id, "removed", row.reason);
    });
    supervisor.forget(row);
    await parts.publish();
  }

  async function remove(names: readonly InstanceName[]): Promise<void> {
    for (const { service, id } of names) requireStopped(service, id);
    for (const { service, id } of names) {
      await forget(service, id);
      await rm(paths.instance(service, id), { recursive: true, force: true });
      await rm(paths.logs(service, id), { recursive: true, force: true });
    }
  }

  async function prune(service: string, keep: number): Promise<readonly string[]> {
    const stopped = registry
      .list(service)
      .filter((row) => row.desired === "stopped" && !supervisor.of(row).process);
    const old = stopped.sort((a, b) => b.seq - a.seq).slice(keep);
    await remove(old);
    return old.map((row) => row.id);
  }

  return { spawn, stop, restart, remove, forget, prune, halt, enrol };
}
