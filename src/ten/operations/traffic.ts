// Who gets which part of a service's traffic: weight, route and rollback. Each is one transaction and one publish.
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import {
  type Change,
  type Member,
  type Plan,
  planRaw,
  planReturn,
  planRollback,
  planRoute,
  planShare,
  planUndo,
  type Service,
  select,
  weightsOf,
} from "../../core/rollout.ts";
import type { Hundredths } from "../../core/route.ts";
import { formatWeight, positive, sameWeights, sum, type Weights } from "../../core/weight.ts";
import type { InstanceRow, Registry, Writer } from "../registry/registry.ts";
import { type Context, rulesOf } from "./context.ts";
import { changedFilesOf } from "./same-files.ts";

/** What a change of traffic did, and the command that undoes it when there is one. */
export interface TrafficChange {
  readonly service: string;
  readonly changed: boolean;
  readonly message: string;
  readonly undo: string | null;
  /** What to look at, though it was done. */
  readonly warnings?: readonly string[];
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
  rollback(service: string, options: Back & { signal?: AbortSignal }): Promise<TrafficChange>;
  /** What it would do now; nothing is done. */
  foreseeRollback(service: string, options: Back): { readonly message: string; readonly weights: Weights };
  /** For other commands that change weights in a transaction of their own. */
  change(service: string, command: string, decide: Decide): Promise<TrafficChange>;
}

/** Where a rollback goes: before the newest version, before the last change, or to a version that has instances. */
export interface Back {
  readonly last: boolean;
  readonly to?: string | undefined;
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
  /** `own`: the change is the rollout's; `ends`: the operator takes over. Others end it when they move its traffic. */
  readonly rollout?: "own" | "ends";
}

/** A command that moves traffic: how it is recorded, what it plans, and how its outcome is told. */
interface Move {
  readonly command: string;
  plan(service: Service): Plan;
  message(weights: Weights): string;
}

export function createTraffic(context: Context): Traffic {
  const { registry, deploying } = context;
  const now = (name: string) => serviceOf(registry.list(name), name);
  const carryOut = (name: string, move: Move, signal: AbortSignal | undefined) =>
    carryOutMove(context, name, move, signal);

  return {
    change: (name, command, decide) => change(context, name, command, decide),
    setShare: (name, id, share, { force = false, signal }) =>
      carryOut(name, shareMove(name, id, share, force), signal),
    setRaw: (name, named, { force = false, signal }) => carryOut(name, rawMove(name, named, force), signal),
    async route(name, from, to, { force = false, waitMs, signal }) {
      if (waitMs !== undefined) await wakeAndWait(context, now(name), to, waitMs, signal);
      return carryOut(name, routeMove(name, from, to, force), signal);
    },
    async rollback(name, { signal, ...back }) {
      const reason = new Fault("conflict", `the deploy of ${name} was aborted by a rollback`);
      const aborted = deploying.abort(name, reason);
      try {
        return await carryOut(name, rollbackMove(registry, name, back), signal);
      } catch (thrown) {
        if (!aborted || !(thrown instanceof Fault)) throw thrown;
        throw new Fault(thrown.code, `the deploy was aborted, but ${thrown.message}`, thrown.hint);
      }
    },
    foreseeRollback(name, back) {
      const { weights } = rollbackMove(registry, name, back).plan(now(name));
      return { message: `would roll back to ${takers(weights)}`, weights };
    },
  };
}

function shareMove(name: string, id: string, share: Hundredths, force: boolean): Move {
  return {
    command: `weight ${instanceName(name, id)} ${formatWeight(share)}`,
    plan: (service) => planShare(service, id, share, force),
    message: () => `${instanceName(name, id)} has ${formatWeight(share)} % of ${name}`,
  };
}

function rawMove(name: string, named: Weights, force: boolean): Move {
  return {
    command: `weight ${rawWords(name, named)}`,
    plan: (service) => planRaw(service, named, force),
    message: () => `weights of ${name} set: ${rawWords(name, named)}`,
  };
}

function routeMove(name: string, from: string | undefined, to: string, force: boolean): Move {
  const isAll = from === undefined;
  return {
    command: `route ${name}${isAll ? "" : ` --from ${from}`} --to ${to}`,
    plan: (service) => planRoute(service, from, to, force),
    message: () => (isAll ? `all traffic of ${name} goes to ${to}` : `the traffic of ${from} goes to ${to}`),
  };
}

function rollbackMove(registry: Registry, name: string, { last, to }: Back): Move {
  return {
    command: `rollback ${name}${last ? " --last" : ""}${to === undefined ? "" : ` --to ${to}`}`,
    plan(service) {
      const back = to === undefined ? undefined : planReturn(service, to);
      if (back) return back;
      if (to !== undefined) throw new Fault("conflict", `${name} has no instance of ${to} any more`);
      const history: readonly Change[] = registry.history(name);
      return last ? planUndo(service, history[0]) : planRollback(service, history);
    },
    message: (weights) => `rolled back to ${takers(weights)}`,
  };
}

/** Brings up what a move needs before its traffic moves, then plans again on what is true by then. */
async function carryOutMove(
  context: Context,
  name: string,
  { command, plan, message }: Move,
  signal: AbortSignal | undefined,
): Promise<TrafficChange> {
  const first = plan(serviceOf(context.registry.list(name), name));
  const warnings = await bringUp(context, name, first.start, signal);
  const done = await change(context, name, command, (service) => {
    const { weights, start } = plan(service);
    const missing = start.find((id) => !first.start.includes(id));
    if (missing !== undefined)
      throw new Fault("conflict", `${name} changed meanwhile`, "run the command again");
    return { weights, message: message(weights), rollout: "ends" };
  });
  return { ...done, warnings };
}

async function change(
  context: Context,
  name: string,
  command: string,
  decide: Decide,
): Promise<TrafficChange> {
  const { registry, routes } = context;
  const { before, after, message, acted, stoppedAs } = await registry.write((writer) => {
    const service = serviceOf(registry.list(name), name);
    const decision = decide(service, writer);
    writer.setWeights(name, decision.weights, command);
    const ended = endRollout(context, service, decision, command, writer);
    const message = `${decision.message}${ended}`;
    return { before: weightsOf(service), after: decision.weights, ...decision, message };
  });
  await routes.publish();
  const changed = !sameWeights(before, after);
  return {
    service: name,
    changed,
    message: changed || acted ? message : `nothing to do: ${message}`,
    undo: changed ? undoOf(name, before, after, stoppedAs) : null,
  };
}

/** Whoever moves traffic by hand takes over from a rollout under way; what is said of that. */
function endRollout(
  { registry, clock }: Context,
  service: Service,
  decision: Decision,
  command: string,
  writer: Writer,
): string {
  const rollout = registry.rollouts.get(service.name);
  const isUntouched = sameWeights(positive(weightsOf(service)), positive(decision.weights));
  if (rollout === undefined || decision.rollout === "own" || (isUntouched && decision.rollout !== "ends"))
    return "";
  const text = `taken over by hand: ten ${command}`;
  writer.updateRollout(rollout, { endedAt: clock.now(), outcome: "taken_over", text });
  writer.event(service.name, null, "rollout.taken_over", text);
  return `; with that the rollout of ${rollout.canary} is over, nothing judges it any more`;
}

/** Starts what a change of traffic needs, stopped ones too, and waits for its health; stops those again when one fails. Answers warnings. */
async function bringUp(
  context: Context,
  name: string,
  ids: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const { registry, supervisor } = context;
  const rows = ids.map((id) => registry.get(name, id));
  const stopped = rows.filter((row) => row.desired === "stopped");
  const want = (desired: "running" | "stopped") =>
    registry.write((writer) => {
      for (const row of stopped) writer.update(row, { desired, weight: 0 });
    });
  const warnings = await changedFilesOf(context, stopped);
  if (stopped.length > 0) await want("running");
  const { startupTimeoutMs: timeoutMs, stopGraceMs } = rulesOf(context, name);
  const starts = rows.map(async (row) => {
    await supervisor.of(row).startAgain("started for a change of traffic");
    await supervisor.untilHealthy(row, { timeoutMs, signal });
  });
  const failed = (await Promise.allSettled(starts)).find((start) => start.status === "rejected");
  if (!failed) return warnings;
  if (stopped.length > 0) await want("stopped");
  const reason = "stopped again: the change it was started for failed";
  await Promise.all(stopped.map((row) => supervisor.of(row).end("stopped", reason, stopGraceMs)));
  throw failed.reason;
}

/** `route --wait`: what starts or sleeps is waited for. */
async function wakeAndWait(
  { registry, supervisor }: Context,
  service: Service,
  to: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const { id, runs } of select(service, to)) {
    if (!runs) break;
    const row = registry.get(service.name, id);
    await supervisor.of(row).startAgain("wanted by route");
    await supervisor.untilHealthy(row, { timeoutMs, signal });
  }
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
    deployed: row.deployed,
    deployedAfter: row.deployedAfter,
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
