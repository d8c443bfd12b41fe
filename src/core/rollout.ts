// Rollout decisions as data: from what a service looks like and what is asked, the new weights, or a fault and no change.
import { Fault } from "./fault.ts";
import { instanceName } from "./name.ts";
import type { Hundredths } from "./route.ts";
import {
  at,
  FULL,
  formatWeight,
  moved,
  only,
  positive,
  sameWeights,
  sum,
  totalOf,
  type Weights,
  withShare,
} from "./weight.ts";

/** One instance as a rollout sees it. */
export interface Member {
  readonly id: string;
  readonly version: string;
  readonly weight: Hundredths;
  /** Whether it should run: stopped instances have no part in the arithmetic. */
  readonly runs: boolean;
  readonly healthy: boolean;
  /** Asleep: a request would wake it. */
  readonly sleeps: boolean;
  /** When it was last deployed or spawned, as a number: the higher, the later. */
  readonly deployed: number;
  /** The `seq` of the last change of weights before that. */
  readonly deployedAfter: number;
}

export interface Service {
  readonly name: string;
  readonly members: readonly Member[];
}

/** The weights of all running instances after the change. `start` names those that must be started or woken first. */
export interface Plan {
  readonly weights: Weights;
  readonly start: readonly string[];
}

/** One recorded change of a service's weights. */
export interface Change {
  /** The higher, the later. */
  readonly seq: number;
  readonly before: Weights;
  readonly after: Weights;
}

export function weightsOf(service: Service): Weights {
  return new Map(service.members.filter((m) => m.runs).map((m) => [m.id, m.weight]));
}

function memberOf(service: Service, id: string): Member {
  const member = service.members.find((m) => m.id === id);
  if (member) return member;
  const known = service.members.map((m) => m.id).join(", ");
  throw new Fault(
    "not_found",
    `there is no instance ${instanceName(service.name, id)}`,
    known ? `${service.name} has ${known}` : `start one: ten deploy ${service.name} --version ${id}`,
  );
}

/** The instance of that id, or else all that carry the version: those that run, or all of them when none does. */
export function named<M extends Pick<Member, "id" | "version" | "runs">>(
  members: readonly M[],
  name: string,
): readonly M[] {
  const exact = members.find((m) => m.id === name);
  if (exact) return [exact];
  const ofVersion = members.filter((m) => m.version === name);
  const running = ofVersion.filter((m) => m.runs);
  return running.length > 0 ? running : ofVersion;
}

/** Those that are `named`; a fault when there is none. */
export function select(service: Service, name: string): readonly Member[] {
  const found = named(service.members, name);
  return found.length > 0 ? found : [memberOf(service, name)];
}

/** `ten weight api:v2 N`: exactly N percent, the siblings scaled. */
export function planShare(service: Service, name: string, share: Hundredths, force: boolean): Plan {
  const ids = running(service, name).map((m) => m.id);
  const before = weightsOf(service);
  const alone = [...positive(before).keys()].every((id) => ids.includes(id));
  if (share > 0 && share < FULL && alone) {
    throw new Fault(
      "conflict",
      `no other instance of ${service.name} takes traffic, so ${nameOf(service, name)} cannot have ${formatWeight(share)} %`,
      rawHint(service, name, ids, share),
    );
  }
  const weights = withShare(before, ids, share);
  guardTraffic(service, weights, force, share > 0 ? name : undefined);
  return { weights, start: asleep(service, weights) };
}

/** `ten weight api:v1=50 api:v2=50`: raw weights, the unnamed keep theirs; a version's is divided among its instances. */
export function planRaw(service: Service, named: Weights, force: boolean): Plan {
  const weights = new Map(weightsOf(service));
  for (const [name, weight] of named) {
    const ids = running(service, name).map((m) => m.id);
    for (const [id, part] of withShare(new Map(), ids, weight)) weights.set(id, part);
  }
  guardTraffic(service, weights, force, undefined);
  return { weights, start: asleep(service, weights) };
}

/** `ten route api [--from v1] --to v2`. */
export function planRoute(service: Service, from: string | undefined, to: string, force: boolean): Plan {
  const before = weightsOf(service);
  const targets = running(service, to);
  const ids = targets.map((m) => m.id);
  const source = from === undefined ? [] : select(service, from).map((m) => m.id);
  if (source.some((id) => ids.includes(id))) {
    throw new Fault("usage", "--from and --to name the same instance", "name two instances");
  }
  const given = totalOf(before, source);
  if (from !== undefined && given === 0 && totalOf(before, ids) === 0) {
    throw new Fault(
      "conflict",
      `${nameOf(service, from)} has no traffic to give`,
      `without --from, ${nameOf(service, to)} gets all of it: ten route ${service.name} --to ${to}`,
    );
  }
  // With a `from` that has nothing left to give and a `to` that has traffic, the route is already so.
  const gives = given > 0 ? moved(before, source, ids) : before;
  const weights = from === undefined ? only(before, ids) : gives;
  const ready = targets.every((m) => m.healthy || m.sleeps);
  if (!ready && !force && !sameWeights(weights, before)) throw notHealthy(service, to);
  return { weights, start: asleep(service, weights) };
}

/**
 * `ten stop`: the weights once `names` are stopped. Refused when siblings would run on without any traffic, and when another
 * version would take most of it that was not meant to: its share would more than double and pass half.
 */
export function planStop(service: Service, names: readonly string[], force: boolean): Plan {
  const ids = names.flatMap((name) => select(service, name).map((m) => m.id));
  const before = weightsOf(service);
  const weights = new Map([...before].filter(([id]) => !ids.includes(id)));
  const hadTraffic = sum(before.values()) > 0;
  if (hadTraffic && weights.size > 0 && sum(weights.values()) === 0 && !force) {
    throw noTraffic(service, [...weights.keys()]);
  }
  if (!force) guardShares(service, before, weights);
  return { weights, start: [] };
}

/** A canary of 10 % must not become the release because the version beside it was stopped. */
function guardShares(service: Service, before: Weights, after: Weights): void {
  const share = (weights: Weights, ids: readonly string[]) =>
    totalOf(weights, ids) / Math.max(1, sum(weights.values()));
  for (const [version, members] of Map.groupBy(service.members, (m) => m.version)) {
    const ids = members.map((m) => m.id);
    const [had, gets] = [share(before, ids), share(after, ids)];
    if (had === 0 || gets <= 0.5 || gets <= 2 * had) continue;
    const percent = formatWeight(Math.round(gets * FULL));
    throw new Fault(
      "conflict",
      `${nameOf(service, version)} would go from ${formatWeight(Math.round(had * FULL))} to ${percent} % of ${service.name}'s traffic`,
      `if it should: ten weight ${nameOf(service, version)} ${percent}, then stop; or say --force`,
    );
  }
}

/** The weight of a new instance: its siblings' when those with traffic are all equal, 100 for the first, otherwise 0. */
export function spawnWeight(service: Service, id: string): Hundredths {
  const siblings = service.members.filter((m) => m.runs && m.id !== id);
  if (siblings.length === 0) return FULL;
  const taken = new Set(siblings.filter((m) => m.weight > 0).map((m) => m.weight));
  const [first] = taken;
  return taken.size === 1 && first !== undefined ? first : 0;
}

/**
 * `ten rollback`: of the versions with traffic the one that was deployed last loses it, and those deployed before it get back
 * the weights that they had before it got any. `history` is newest first; what is older than that deploy is another life of the
 * version. Versions that were deployed later, and instances that are gone, are never given traffic.
 */
export function planRollback(service: Service, history: readonly Change[]): Plan {
  const orders = deployOrders(service);
  const order = ({ version }: Member) => orders.get(version) ?? 0;
  const newest = service.members
    .filter((m) => m.runs && m.weight > 0)
    .sort((a, b) => order(b) - order(a) || b.deployed - a.deployed)[0];
  if (!newest) throw noTakers(service);
  const ofVersion = service.members.filter((m) => m.version === newest.version);
  const older = service.members.filter((m) => order(m) < order(newest));
  const took = (weights: Weights) => ofVersion.some(({ id }) => at(weights, id) > 0);
  const since = Math.min(...ofVersion.filter((m) => m.runs).map((m) => m.deployedAfter));
  const first = history.findIndex(({ seq, before, after }) => seq > since && took(after) && !took(before));
  for (const change of first < 0 ? [] : history.slice(first)) {
    const restored = older.filter((m) => at(change.before, m.id) > 0);
    if (restored.length === 0) continue;
    const weights = new Map([...weightsOf(service).keys()].map((id) => [id, 0]));
    for (const member of restored) weights.set(member.id, at(change.before, member.id));
    return { weights, start: notReady(service, weights) };
  }
  throw new Fault(
    "conflict",
    `${service.name} has nothing older than ${newest.version} that took traffic`,
    `ten ps --all shows what there is; ten route ${service.name} --to ID goes anywhere`,
  );
}

/**
 * `rollback --to`: all traffic to the instances of a version: to those that run, or else to those that were deployed last, which
 * have to be started. Undefined when it has none.
 */
export function planReturn(service: Service, version: string): Plan | undefined {
  const members = service.members.filter((m) => m.version === version);
  if (members.length === 0) return undefined;
  const running = members.filter((m) => m.runs);
  const newest = Math.max(...members.map((m) => m.deployed));
  const meant = running.length > 0 ? running : members.filter((m) => m.deployed === newest);
  const ids = meant.map((m) => m.id);
  const weights = new Map([...weightsOf(service), ...ids.map((id) => [id, 0] as const)]);
  const all = only(weights, ids);
  return { weights: all, start: notReady(service, all) };
}

/** When each version was last deployed: those of its instances tell that take traffic, else those that run, else all. */
function deployOrders(service: Service): ReadonlyMap<string, number> {
  const versions = Map.groupBy(service.members, (m) => m.version);
  return new Map(
    Array.from(versions, ([version, members]) => {
      const running = members.filter((m) => m.runs);
      const taking = running.filter((m) => m.weight > 0);
      const telling = [taking, running].find((some) => some.length > 0) ?? members;
      return [version, Math.max(...telling.map((m) => m.deployed))];
    }),
  );
}

function noTakers(service: Service): Fault {
  return new Fault(
    "conflict",
    `no instance of ${service.name} takes traffic`,
    service.members.some((m) => m.runs)
      ? `give one some: ten route ${service.name} --to ID`
      : `start one: ten deploy ${service.name} --version ID`,
  );
}

/** `ten rollback --last`: the weights before the last change; instances that are gone are left out. */
export function planUndo(service: Service, last: Change | undefined): Plan {
  if (!last)
    throw new Fault(
      "conflict",
      `no change of ${service.name}'s weights is recorded`,
      "there is nothing to undo",
    );
  const weights = new Map([...weightsOf(service).keys()].map((id) => [id, 0]));
  for (const [id, weight] of last.before) {
    if (weight > 0 && service.members.some((m) => m.id === id)) weights.set(id, weight);
  }
  if (sum(weights.values()) === 0) {
    throw new Fault(
      "conflict",
      `before its last change ${service.name} had no traffic on any instance that is left`,
    );
  }
  return { weights, start: notReady(service, weights) };
}

/** What a name selects, all of it running. */
function running(service: Service, name: string): readonly Member[] {
  const found = select(service, name);
  const stopped = found.find((m) => !m.runs);
  if (!stopped) return found;
  const instance = nameOf(service, stopped.id);
  throw new Fault("conflict", `${instance} is stopped`, `start it first: ten spawn ${instance} --weight 0`);
}

/**
 * Refuses weights that leave a running service without traffic, or that take it from healthy instances and leave only
 * ones that are not: either is nearly always a mistake. `named` is what the command gives traffic to.
 */
function guardTraffic(service: Service, weights: Weights, force: boolean, named: string | undefined): void {
  if (force) return;
  const before = weightsOf(service);
  if (sum(weights.values()) === 0) {
    if (sum(before.values()) > 0) throw noTraffic(service, [...weights.keys()]);
    return;
  }
  const serves = (held: Weights) =>
    service.members.some((m) => at(held, m.id) > 0 && (m.healthy || m.sleeps));
  if (serves(weights) || !serves(before)) return;
  const first = named ?? [...positive(weights).keys()][0] ?? "";
  throw notHealthy(service, first);
}

function asleep(service: Service, weights: Weights): string[] {
  return service.members.filter((m) => m.sleeps && at(weights, m.id) > m.weight).map((m) => m.id);
}

function notReady(service: Service, weights: Weights): string[] {
  return service.members.filter((m) => at(weights, m.id) > 0 && !m.healthy).map((m) => m.id);
}

function noTraffic(service: Service, left: readonly string[]): Fault {
  const idle = left.find((id) => memberOf(service, id).weight === 0);
  return new Fault(
    "conflict",
    `that would leave ${service.name} without an instance that takes traffic (${left.join(", ")} would have none)`,
    idle === undefined
      ? `start another first: ten deploy ${service.name} --version ID; or say --force`
      : `route first: ten route ${service.name} --to ${idle}; or say --force`,
  );
}

function notHealthy(service: Service, id: string): Fault {
  return new Fault(
    "unhealthy",
    `${nameOf(service, id)} is not healthy, so nothing was changed`,
    `ten health ${nameOf(service, id)} says why; --force routes to it all the same`,
  );
}

function rawHint(service: Service, name: string, ids: readonly string[], share: Hundredths): string {
  const other = service.members.find((m) => m.runs && !ids.includes(m.id));
  if (!other) return `it is the only one: ten stop ${nameOf(service, name)} stops it`;
  const pair = `${nameOf(service, other.id)}=${formatWeight(FULL - share)} ${nameOf(service, name)}=${formatWeight(share)}`;
  return `name both: ten weight ${pair}`;
}

function nameOf(service: Service, id: string): string {
  return instanceName(service.name, id);
}
