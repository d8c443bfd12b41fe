// A deploy: start the new version without traffic, wait until it is healthy, then give it traffic in one transaction.
import { Fault, messageOf } from "../../core/fault.ts";
import type { WishDocument, Wishes } from "../../core/judge/plan.ts";
import { instanceName, parseLabel } from "../../core/name.ts";
import { type Service, weightsOf } from "../../core/rollout.ts";
import {
  FULL,
  formatWeight,
  only,
  positive,
  sameWeights,
  totalOf,
  type Weights,
  withShare,
} from "../../core/weight.ts";
import { createKeyedLock } from "../../platform/time/keyed-lock.ts";
import type { Service as ConfiguredService } from "../config/service.ts";
import type { InstanceRow } from "../registry/registry.ts";
import { BringUp, type BringUpParts } from "./bring-up.ts";
import { type Context, configured } from "./context.ts";
import { explainFailure } from "./diagnosis.ts";
import { differencesBetween, staleKeys } from "./reload.ts";
import type { Removal } from "./removal.ts";
import { decideCanary, type Foreseen, foreseeRollout, giveFirstShare } from "./rollout/begin-rollout.ts";
import type { RecentTraffic } from "./rollout/recent-traffic.ts";
import { createSameFilesWarning } from "./same-files.ts";
import { requireOwnFiles } from "./shared-files.ts";
import { pruneShipped, requireShipped } from "./shipped.ts";
import { serviceOf, type Traffic, type TrafficChange, undoWithStart } from "./traffic.ts";

export interface DeployRequest {
  readonly service: string;
  readonly id: string;
  readonly version: string;
  /** How many instances carry the version; undefined: as many as run already, or as configured. */
  readonly instances: number | undefined;
  /** The share that it gets when healthy, in hundredths; undefined: all if nothing else takes traffic, else none. */
  readonly weight: number | undefined;
  /** Until it is healthy; undefined: as configured. */
  readonly timeoutMs: number | undefined;
  /** How long it may wait for other deploys of the service. */
  readonly queueMs: number;
  readonly promote: boolean;
  readonly stopOld: boolean;
  readonly replace: boolean;
  /** Refused unless exactly this version takes traffic. */
  readonly ifCurrent: string | undefined;
  /** It is judged beside what takes traffic now, with these wishes for its plan before those of the file. */
  readonly canary: WishDocument | undefined;
}

export interface DeployResult extends TrafficChange {
  readonly instance: string;
  /** How long it took from the start of the process until it was healthy; 0 when it ran already. */
  readonly healthyAfterMs: number;
  readonly stopped: readonly string[];
  /** What older deploys had left, beyond what the service's `keep` says. */
  readonly removed: readonly string[];
  readonly warnings: readonly string[];
}

/** What of its result is known before it is tidied up after it. */
type Carried = Omit<DeployResult, "removed" | "warnings">;

/** Which other instances a deploy has stopped, and the command that starts them again. */
interface Stopped {
  readonly stopped: readonly string[];
  readonly undo: string | null;
}

const NONE_STOPPED: Stopped = { stopped: [], undo: null };

export type DeployStep = "reading" | "queued" | "starting" | "waiting" | "healthy" | "stopping";
export type Progress = (step: DeployStep, message: string) => void;

export interface Deploys {
  /** `signal` is the client's: when it aborts before the switch, the deploy has failed. */
  deploy(request: DeployRequest, progress: Progress, signal: AbortSignal): Promise<DeployResult>;
  /** What `canary` would do now; nothing is done. */
  foresee(service: string, version: string, wishes: Wishes): Foreseen | "first" | "done";
}

export interface DeployParts extends BringUpParts {
  readonly traffic: Traffic;
  readonly recent: RecentTraffic;
  readonly removal: Removal;
}

/** Deploys of one service follow each other. */
export function createDeploys(parts: DeployParts): Deploys {
  const { context } = parts;
  const queue = createKeyedLock(context.clock);
  /** The deploys of each service that have ended well, in their order. */
  const done = new Map<string, string[]>();
  const warnOfSameFiles = createSameFilesWarning(context);

  return {
    async deploy(request, progress, signal) {
      requireSense(request);
      const service = await readService(context, request.service, progress);
      if (request.canary !== undefined && !service.hasPort)
        throw new Fault(
          "usage",
          `${service.name} has port = "none": there are no visitors to judge a canary by`,
        );
      const name = instanceName(request.service, request.id);
      const before = done.get(request.service)?.length ?? 0;
      const turn = {
        name: `the deploy of ${name}`,
        waitMs: request.queueMs,
        signal,
        onWait: (holder: string) => progress("queued", `waiting for ${holder}`),
      };
      return queue.run(request.service, turn, async () => {
        const others = done.get(request.service) ?? [];
        const overtakenBy = others.slice(before);
        const note = overtakenBy.length > 0 ? `${overtakenBy.join(", ")} was deployed while it waited` : "";
        if (note !== "") progress("queued", `${name}: ${note}`);
        const warning = await warnOfSameFiles(service, request.version);
        const change = await run(parts, request, service, progress, signal).catch(async (thrown) => {
          await noteFailure(context, request, thrown);
          throw thrown;
        });
        done.set(request.service, [...others, name]);
        return {
          ...change,
          message: note === "" ? change.message : `${change.message}; ${note}`,
          removed: await tidy(parts, request.service),
          warnings: warning === undefined ? [] : [warning],
        };
      });
    },
    foresee: (service, version, wishes) =>
      foreseeRollout(parts.context, parts.recent, service, version, wishes),
  };
}

/** What was found out is kept with the event: whoever asks later was not there. */
async function noteFailure(
  { registry, onTrouble }: Context,
  { service, id }: DeployRequest,
  thrown: unknown,
) {
  if (!(thrown instanceof Fault) || thrown.code !== "unhealthy") return;
  const detail = explainFailure(thrown);
  await registry
    .write((writer) => writer.event(service, id, "deploy.failed", detail))
    .catch((error) => onTrouble(`the failed deploy of ${instanceName(service, id)}: ${messageOf(error)}`));
}

/** What it takes to make room is no reason for a deploy to fail. */
async function tidy({ context, removal }: DeployParts, service: string): Promise<readonly string[]> {
  try {
    return (await removal.tidy(service)).map((id) => instanceName(service, id));
  } catch (thrown) {
    context.onTrouble(`what older deploys of ${service} have left: ${messageOf(thrown)}`);
    return [];
  }
}

/** What the command line refuses as well; a request may come from anywhere. */
function requireSense({ promote, stopOld, weight, canary }: DeployRequest): void {
  const refuse = (message: string, hint: string) => new Fault("usage", message, hint);
  if (promote && weight !== undefined)
    throw refuse("promote and weight exclude each other", "promote means all of the traffic");
  if (canary !== undefined && (promote || weight !== undefined))
    throw refuse("canary excludes promote and weight", "a canary's shares are its steps");
  if (stopOld && !promote && canary === undefined)
    throw refuse("stop_old needs promote", "the others can only stop when this one has their traffic");
}

/** The service as the file has it now: a release is made from that. */
async function readService(context: Context, name: string, progress: Progress): Promise<ConfiguredService> {
  const { before, after } = await context.reread();
  const keys = differencesBetween(before, after).map(({ key }) => key);
  if (keys.length > 0) progress("reading", `${after.path} has changed and was read: ${keys.join(", ")}`);
  const service = configured(context, name);
  await requireOwnFiles(context, service);
  return service;
}

async function run(
  parts: DeployParts,
  request: DeployRequest,
  configuration: ConfiguredService,
  progress: Progress,
  client: AbortSignal,
): Promise<Carried> {
  const tell = (text: string) => progress("starting", text);
  const decided = decideCanary(parts.context, parts.recent, request, configuration, tell);
  if (decided === "done") return nothingToDo(request);
  const plan = decided?.plan;
  const { service, id } = request;
  const { registry, deploying, clock } = parts.context;
  requireShipped(parts.context, service, request.version, configuration.release);
  const ids = idsOf(registry.list(service), request, decided?.instances ?? configuration.instances);
  const name = instanceName(service, id);
  const underWay = deploying.begin(service, [id, ...ids]);
  try {
    const now = serviceOf(registry.list(service), service);
    requireCurrent(now, request);
    requireShare(now, request, ids);
    const startedAt = clock.monotonic();
    const { startupTimeoutMs, release, overlap } = configuration;
    const timeoutMs = request.timeoutMs ?? startupTimeoutMs;
    const wanted = { ...request, ids, release, overlap, timeoutMs };
    const bringUp = new BringUp(parts, wanted, progress, AbortSignal.any([client, underWay.signal]));
    const started = (await bringUp.run()) > 0;
    const healthyAfterMs = started ? clock.monotonic() - startedAt : 0;
    if (started) progress("healthy", healthyText(parts, name, ids, service, healthyAfterMs));
    underWay.end();
    const { context, traffic, recent } = parts;
    const about = { service, version: request.version, ids };
    const switching =
      plan === undefined
        ? giveTraffic(parts, request, ids, started)
        : giveFirstShare(context, traffic, recent, about, { plan, stopOld: request.stopOld });
    const switched = await switching.catch(async (thrown) => {
      await bringUp.withdraw();
      throw thrown;
    });
    const stopped = plan === undefined ? await stopOthers(parts, request, ids, progress) : NONE_STOPPED;
    await pruneShipped(context, service).catch((thrown) => context.onTrouble(messageOf(thrown)));
    return { ...switched, ...stopped, instance: name, healthyAfterMs, undo: undoOf(switched, stopped) };
  } finally {
    underWay.end();
  }
}

/** A version that others reach past the proxy gets traffic all the same, and it is said. */
function healthyText(
  { context: { registry, supervisor } }: DeployParts,
  name: string,
  ids: readonly string[],
  service: string,
  afterMs: number,
): string {
  const runs = ids.map((id) => supervisor.of(registry.get(service, id)).run);
  const exposed = runs.find((run) => run?.exposed !== undefined)?.exposed;
  const text = `${name} is healthy after ${(afterMs / 1000).toFixed(1)} s`;
  if (exposed === undefined) return text;
  return `${text}; it listens on all interfaces (${exposed}), so visitors may go round the proxy: listen on the HOST of the environment`;
}

function nothingToDo({ service, id, version }: DeployRequest): Carried {
  return {
    service,
    instance: instanceName(service, id),
    changed: false,
    message: `nothing to do: ${version} has all traffic of ${service}`,
    undo: null,
    healthyAfterMs: 0,
    stopped: [],
  };
}

/** `ifCurrent`: what takes traffic is what the caller thinks. */
function requireCurrent({ name, members }: Service, { ifCurrent, id }: DeployRequest): void {
  if (ifCurrent === undefined) return;
  const live = [...new Set(members.filter((m) => m.runs && m.weight > 0).map((m) => m.version))];
  if (live.length === 1 && live[0] === ifCurrent) return;
  const what = live.length === 0 ? "nothing takes traffic" : `${live.join(" and ")} takes traffic`;
  throw new Fault(
    "conflict",
    `${what} of ${name}, not ${ifCurrent}: ${instanceName(name, id)} was not deployed`,
    "somebody else has changed it meanwhile: see ten ps, then deploy again",
  );
}

function giveTraffic(
  { context, traffic }: DeployParts,
  request: DeployRequest,
  ids: readonly string[],
  started: boolean,
): Promise<TrafficChange> {
  const { service: name, id: group } = request;
  return traffic.change(name, `deploy ${instanceName(name, group)}`, (service, writer) => {
    if (request.promote || request.weight !== undefined) requireCurrent(service, request);
    const rows = ids.map((id) => context.registry.get(name, id));
    for (const row of rows) {
      if (row.desired !== "running")
        throw new Fault("conflict", `${instanceName(name, row.id)} was stopped meanwhile`);
      if (row.deploying) writer.update(row, { deploying: false });
    }
    const before = weightsOf(service);
    const weights = weightsAfter(service, request, ids, started);
    if (started || !sameWeights(before, weights)) writer.markDeployed(rows, totalOf(before, ids) === 0);
    const message = describe(name, group, totalOf(weights, ids)) + olderNote(context, rows, started);
    if (started || !sameWeights(before, weights)) writer.event(name, group, "deploy.done", message);
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

/** What runs already keeps the configuration that it was started with. */
function olderNote(context: Context, rows: readonly InstanceRow[], started: boolean): string {
  const keys = started ? [] : [...new Set(rows.flatMap((row) => staleKeys(context, row)))];
  if (keys.length === 0) return "";
  return `; it runs already, with another configuration (${keys.join(", ")}): --replace starts it afresh`;
}

/** One instance is called as its version; several `v2-1`, `v2-2`... A version that runs already keeps the ones it has. */
function idsOf(
  rows: readonly InstanceRow[],
  { service, id, instances }: DeployRequest,
  defaultInstances: number,
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
