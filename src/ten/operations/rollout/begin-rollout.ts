// How a rollout begins: what there is beside the new version, the plan for it, and its first share of the traffic.
import { Fault } from "../../../core/fault.ts";
import {
  type Measured,
  type Plan,
  planFor,
  type WishDocument,
  type Wishes,
  wishesOf,
} from "../../../core/judge/plan.ts";
import { preview } from "../../../core/judge/preview.ts";
import { beginRollout, shareNow } from "../../../core/judge/rollout-state.ts";
import { started } from "../../../core/judge/sentence.ts";
import { instanceName } from "../../../core/name.ts";
import type { Service } from "../../config/service.ts";
import type { InstanceRow, RolloutRow, Writer } from "../../registry/registry.ts";
import { type Context, rulesOf } from "../context.ts";
import type { Traffic, TrafficChange } from "../traffic.ts";
import type { RecentTraffic } from "./recent-traffic.ts";
import { weightsAt } from "./rollouts.ts";
import { firstCopies } from "./shadows.ts";

/** What a canary is compared with. */
export interface Beside {
  /** The weights to go back to, by id. */
  readonly before: Readonly<Record<string, number>>;
  /** The version, or versions, that they carry. */
  readonly stable: string;
}

/** `first`: nothing of the service runs yet, so there is nothing to compare with; `done`: the version has everything already. */
function besideOf({ registry }: Context, service: string, version: string): Beside | "first" | "done" {
  const running = registry.rollouts.get(service);
  if (running?.canary === version) throw runsAlready(running);
  const rows = registry.list(service).filter(({ desired }) => desired === "running");
  const others = rows.filter((row) => row.version !== version && !(row.id in (running?.instances ?? {})));
  const weightOf = ({ id, weight }: InstanceRow) => running?.before[id] ?? weight;
  const stable = others.filter((row) => weightOf(row) > 0);
  if (stable.length === 0) {
    if (rows.length === 0) return "first";
    if (rows.some((row) => row.version === version && row.weight > 0)) return "done";
    const [idle] = others;
    throw new Fault(
      "conflict",
      `nothing else of ${service} takes traffic, so there is nothing to compare ${version} with`,
      idle === undefined
        ? `leave out --canary: ten deploy ${service} --version ${version}`
        : `route first: ten route ${service} --to ${idle.id}; or leave out --canary`,
    );
  }
  if (!stable.some(({ state }) => state === "healthy" || state === "sleeping")) {
    const [first] = stable.map((row) => instanceName(service, row.id));
    throw new Fault(
      "conflict",
      `${first} is not healthy, so there is nothing to compare ${version} with`,
      `ten health ${first} says why; ten deploy ${service} --version ${version} --promote goes on without judging`,
    );
  }
  return {
    before: Object.fromEntries(stable.map((row) => [row.id, weightOf(row)])),
    stable: [...new Set(stable.map((row) => row.version))].join(" and "),
  };
}

function runsAlready({ service, canary, text }: RolloutRow): Fault {
  return new Fault(
    "conflict",
    `${canary} is being rolled out already: ${text}`,
    `watch: ten rollout ${service}; or ten promote ${service} | ten abort ${service}`,
  );
}

/** What a rollout would do now; nothing is done. Throws what would refuse it. */
export interface Foreseen {
  readonly stable: string;
  readonly measured: Measured;
  readonly plan: Plan;
  readonly lines: readonly string[];
}

export function foreseeRollout(
  context: Context,
  recent: RecentTraffic,
  service: string,
  version: string,
  wishes: Wishes,
): Foreseen | "first" | "done" {
  const beside = besideOf(context, service, version);
  if (typeof beside === "string") return beside;
  const measured = recent.of(service);
  const plan = planFor(measured, wishes);
  const about = { service, canary: version, rescues: rulesOf(context, service).rescue !== undefined };
  return { stable: beside.stable, measured, plan, lines: preview(about, plan, measured) };
}

/** A canary that begins: its plan, and how many instances carry it. */
interface Decided {
  readonly plan: Plan;
  readonly instances: number;
}

/**
 * A canary needs something beside it: what a service starts with gets everything, as without the flag (undefined). `tell`
 * hears what it will do, notice and cost.
 */
export function decideCanary(
  context: Context,
  recent: RecentTraffic,
  { service, version, canary }: { service: string; version: string; canary: WishDocument | undefined },
  configuration: Pick<Service, "rollout" | "instances">,
  tell: (text: string) => void,
): Decided | "done" | undefined {
  if (canary === undefined) return undefined;
  const wishes = wishesOf({ ...configuration.rollout, ...canary });
  const foreseen = foreseeRollout(context, recent, service, version, wishes);
  if (foreseen === "done") return "done";
  if (foreseen === "first") {
    tell(`nothing of ${service} runs yet: ${version} has nothing to be judged by, and gets everything`);
    return undefined;
  }
  for (const line of foreseen.lines) tell(line);
  const failed = lastFailureOf(context, service, version);
  if (failed !== undefined) tell(`${version} was tried before, and ${failed}`);
  const instances = Math.max(configuration.instances, instancesBeside(context, service, version));
  return { plan: foreseen.plan, instances };
}

/** What became of a version's last rollout, when it was taken back. */
function lastFailureOf({ registry }: Context, service: string, version: string): string | undefined {
  const last = registry.rolloutHistory(service, 100).find((row) => row.canary === version);
  return last?.outcome === "rolled_back" ? last.text : undefined;
}

/** How many carry a version that takes traffic: one process beside four would be slow for no fault of its code. */
function instancesBeside({ registry }: Context, service: string, version: string): number {
  const stable = registry.list(service).filter((row) => {
    return row.version !== version && row.weight > 0 && row.desired === "running";
  });
  const versions = new Set(stable.map((row) => row.version));
  return Math.ceil(stable.length / Math.max(1, versions.size));
}

/** The new version gets its first share, and is judged from then on. One that is under way is replaced by it. */
export async function giveFirstShare(
  context: Context,
  traffic: Traffic,
  recent: RecentTraffic,
  about: { readonly service: string; readonly version: string; readonly ids: readonly string[] },
  { plan, stopOld }: { readonly plan: Plan; readonly stopOld: boolean },
): Promise<TrafficChange> {
  const { service, version, ids } = about;
  const { registry, supervisor, onTrouble } = context;
  const replaced = registry.rollouts.get(service);
  const change = await traffic.change(service, `deploy ${service}:${version} --canary`, (now, writer) => {
    const beside = besideOf(context, service, version);
    // What it was compared with has gone while it started: nobody takes traffic that it could share.
    if (typeof beside === "string")
      throw new Fault("conflict", `${service} changed meanwhile`, "run it again");
    const { before, stable } = beside;
    const at = context.clock.now();
    const history = recent.history(service, Object.keys(before));
    const state = beginRollout({ service, canary: version, stable, plan }, history, at);
    const instances = Object.fromEntries(ids.map((id) => [id, settled(context, writer, service, id)]));
    const rows = ids.map((id) => registry.get(service, id));
    writer.markDeployed(
      rows,
      rows.every(({ weight }) => weight === 0),
    );
    if (replaced) replace(context, writer, replaced, version);
    const text = started(state);
    const fresh = {
      service,
      canary: version,
      stable,
      before,
      instances,
      state,
      text,
      stopOld,
      startedAt: at,
    };
    const row = writer.beginRollout(fresh);
    if (plan.shadowFirst > 0) writer.setShadow(firstCopies(service, row, at));
    writer.event(service, null, "rollout.started", text);
    const weights = weightsAt({ before, instances }, now, shareNow(state));
    return { weights, message: text, acted: true, rollout: "own", stoppedAs: version };
  });
  for (const id of Object.keys(replaced?.instances ?? {})) {
    const row = registry.find(service, id);
    if (row?.desired !== "stopped") continue;
    supervisor.halt(row, `replaced by ${version}`).catch((thrown) => onTrouble(String(thrown)));
  }
  return { ...change, undo: `ten abort ${service}` };
}

/** Its deploy is decided; answers its restarts, so that a later one is noticed. */
function settled({ registry }: Context, writer: Writer, service: string, id: string): number {
  const row = registry.get(service, id);
  if (row.desired !== "running")
    throw new Fault("conflict", `${instanceName(service, id)} was stopped meanwhile`);
  if (row.deploying) writer.update(row, { deploying: false });
  return row.restarts;
}

function replace({ registry, clock }: Context, writer: Writer, old: RolloutRow, version: string): void {
  const text = `replaced by ${version}`;
  writer.updateRollout(old, { endedAt: clock.now(), outcome: "replaced", text });
  writer.event(old.service, null, "rollout.replaced", `${old.canary} is ${text}`);
  for (const id of Object.keys(old.instances)) {
    const row = registry.find(old.service, id);
    if (row?.desired === "running") writer.update(row, { desired: "stopped", deploying: false });
  }
}
