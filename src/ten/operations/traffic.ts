// Who gets which part of a service's traffic: weight, route and rollback. Each is one transaction and one publish.
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import {
  type Change,
  type Member,
  type Plan,
  planRaw,
  planRollback,
  planRoute,
  planShare,
  planUndo,
  type Service,
  select,
  weightsOf,
} from "../../core/rollout.ts";
import { formatWeight, positive, sameWeights, sum, type Weights } from "../../core/weight.ts";
import type { InstanceRow, Registry, Writer } from "../registry/registry.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

/** What a change of traffic did, and the command that undoes it when there is one. */
export interface TrafficChange {
  readonly service: string;
  readonly changed: boolean;
  readonly message: string;
  readonly undo: string | null;
}

export interface Traffic {
  setShare(service: string, id: string, share: number, options: Force): Promise<TrafficChange>;
  setRaw(service: string, named: Weights, options: Force): Promise<TrafficChange>;
  route(
    service: string,
    from: string | undefined,
    to: string,
    options: Force & { waitMs?: number },
  ): Promise<TrafficChange>;
  /** Starts what it needs and waits for its health first. Aborts a deploy of the service that is under way. */
  rollback(service: string, options: { last: boolean; signal?: AbortSignal }): Promise<TrafficChange>;
  /** What it would do now; nothing is done. */
  foreseeRollback(service: string, last: boolean): { readonly message: string; readonly weights: Weights };
  /** For other commands that change weights in a transaction of their own. */
  change(service: string, command: string, decide: Decide): Promise<TrafficChange>;
}

export interface Force {
  readonly force?: boolean;
  readonly signal?: AbortSignal;
}

/** Decides within the transaction, on what is true at that moment; may write more than the weights. */
export type Decide = (service: Service, writer: Writer) => Decision;

interface Decision {
  readonly weights: Weights;
  readonly message: string;
  /** Something else was done, so that unchanged weights are not "nothing to do". */
  readonly acted?: boolean;
  /** What all that is new can be stopped as: an id, or a version. */
  readonly stoppedAs?: string;
}

export interface TrafficParts {
  readonly registry: Registry;
  readonly supervisor: Supervisor;
  /** Puts the routes into force; resolves when every request that starts from then on sees them. */
  publish(): Promise<void>;
  /** Whether there was one. */
  abortDeploy(service: string, reason: Fault): boolean;
  timesOf(service: string): { readonly startupTimeoutMs: number; readonly stopGraceMs: number };
}

export function createTraffic(parts: TrafficParts): Traffic {
  const { registry, supervisor } = parts;

  async function change(name: string, command: string, decide: Decide): Promise<TrafficChange> {
    const { before, after, message, acted, stoppedAs } = await registry.write((writer) => {
      const service = serviceOf(registry.list(name), name);
      const decision = decide(service, writer);
      writer.setWeights(name, decision.weights, command);
      return { before: weightsOf(service), after: decision.weights, ...decision };
    });
    await parts.publish();
    const changed = !sameWeights(before, after);
    return {
      service: name,
      changed,
      message: changed || acted ? message : `nothing to do: ${message}`,
      undo: changed ? undoOf(name, before, after, stoppedAs) : null,
    };
  }

  /** Brings up what a plan needs before its traffic moves, then plans again on what is true by then. */
  async function changeAfterStart(
    name: string,
    command: string,
    plan: (service: Service) => Plan,
    message: (weights: Weights) => string,
    signal?: AbortSignal,
  ): Promise<TrafficChange> {
    const first = plan(serviceOf(registry.list(name), name));
    await bringUp(name, first.start, signal);
    return change(name, command, (service) => {
      const { weights, start } = plan(service);
      const missing = start.find((id) => !first.start.includes(id));
      if (missing !== undefined)
        throw new Fault("conflict", `${name} changed meanwhile`, "run the command again");
      return { weights, message: message(weights) };
    });
  }

  async function bringUp(
    name: string,
    ids: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const rows = ids.map((id) => registry.get(name, id));
    const stopped = rows.filter((row) => row.desired === "stopped");
    const want = (desired: "running" | "stopped") =>
      registry.write((writer) => {
        for (const row of stopped) writer.update(row, { desired, weight: 0 });
      });
    if (stopped.length > 0) await want("running");
    const timeoutMs = parts.timesOf(name).startupTimeoutMs;
    const starts = rows.map(async (row) => {
      await supervisor.of(row).startAgain("started for a change of traffic");
      await supervisor.untilHealthy(row, { timeoutMs, signal });
    });
    const failed = (await Promise.allSettled(starts)).find((start) => start.status === "rejected");
    if (!failed) return;
    if (stopped.length > 0) await want("stopped");
    const reason = "stopped again: the change it was started for failed";
    const grace = parts.timesOf(name).stopGraceMs;
    await Promise.all(stopped.map((row) => supervisor.of(row).end("stopped", reason, grace)));
    throw failed.reason;
  }

  function planBack(service: Service, last: boolean): Plan {
    const history: readonly Change[] = registry.history(service.name);
    return last ? planUndo(service, history[0]) : planRollback(service, history);
  }

  return {
    change,
    setShare: (name, id, share, { force = false, signal }) =>
      changeAfterStart(
        name,
        `weight ${instanceName(name, id)} ${formatWeight(share)}`,
        (service) => planShare(service, id, share, force),
        () => `${instanceName(name, id)} has ${formatWeight(share)} % of ${name}`,
        signal,
      ),
    setRaw: (name, named, { force = false, signal }) =>
      changeAfterStart(
        name,
        `weight ${rawWords(name, named)}`,
        (service) => planRaw(service, named, force),
        () => `weights of ${name} set: ${rawWords(name, named)}`,
        signal,
      ),
    async route(name, from, to, { force = false, waitMs, signal }) {
      for (const { id, runs } of select(serviceOf(registry.list(name), name), to)) {
        if (waitMs === undefined || !runs) break;
        const row = registry.get(name, id);
        await supervisor.of(row).startAgain("wanted by route");
        await supervisor.untilHealthy(row, { timeoutMs: waitMs, signal });
      }
      return changeAfterStart(
        name,
        `route ${name}${from === undefined ? "" : ` --from ${from}`} --to ${to}`,
        (service) => planRoute(service, from, to, force),
        () =>
          from === undefined
            ? `all traffic of ${name} goes to ${to}`
            : `the traffic of ${from} goes to ${to}`,
        signal,
      );
    },
    async rollback(name, { last, signal }) {
      const aborted = parts.abortDeploy(
        name,
        new Fault("conflict", `the deploy of ${name} was aborted by a rollback`),
      );
      return changeAfterStart(
        name,
        last ? `rollback ${name} --last` : `rollback ${name}`,
        (service) => planBack(service, last),
        (weights) => `rolled back to ${takers(weights)}`,
        signal,
      ).catch((thrown) => {
        if (!aborted || !(thrown instanceof Fault)) throw thrown;
        throw new Fault(thrown.code, `the deploy was aborted, but ${thrown.message}`, thrown.hint);
      });
    },
    foreseeRollback(name, last) {
      const { weights } = planBack(serviceOf(registry.list(name), name), last);
      return { message: `would roll back to ${takers(weights)}`, weights };
    },
  };
}

/** The ids that take traffic, as people list them. */
function takers(weights: Weights): string {
  return [...positive(weights).keys()].join(", ");
}

/** The rows of one service as the plans of core/rollout see them. */
export function serviceOf(rows: readonly InstanceRow[], name: string): Service {
  return { name, members: rows.map(toMember) };
}

function toMember(row: InstanceRow): Member {
  return {
    id: row.id,
    version: row.version,
    weight: row.weight,
    runs: row.desired === "running",
    healthy: row.state === "healthy",
    sleeps: row.state === "sleeping",
    seq: row.seq,
  };
}

/** The command that restores `before`: raw weights of what changed; a stop of what is new, or of the first with traffic. */
function undoOf(name: string, before: Weights, after: Weights, stoppedAs?: string): string | null {
  const spawned = [...after.keys()].find((id) => !before.has(id));
  const first = sum(before.values()) === 0 ? [...positive(after).keys()][0] : undefined;
  const stop = spawned ?? first;
  if (stop !== undefined) return `ten stop ${instanceName(name, stoppedAs ?? stop)}`;
  const changed = [...before].filter(([id, weight]) => after.has(id) && after.get(id) !== weight);
  return changed.length === 0 ? null : `ten weight ${rawWords(name, new Map(changed))}`;
}

/** The command that restores the weights before the last change where it takes starting what has been stopped since. */
export function undoWithStart(name: string): string {
  return `ten rollback ${name} --last`;
}

function rawWords(name: string, weights: Weights): string {
  return [...weights].map(([id, weight]) => `${instanceName(name, id)}=${formatWeight(weight)}`).join(" ");
}
