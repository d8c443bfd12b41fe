// Stopped instances removed with their directories and logs: by name, the oldest of a service, and what `keep` leaves behind.
import { existsSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { Fault, messageOf } from "../../core/fault.ts";
import { type InstanceName, instanceName } from "../../core/name.ts";
import { quote } from "../../core/quote.ts";
import { planRollback, planUndo } from "../../core/rollout.ts";
import { positive, type Weights } from "../../core/weight.ts";
import type { InstanceRow, Registry } from "../registry/registry.ts";
import { type Context, rulesOf } from "./context.ts";
import { pruneShipped } from "./shipped.ts";
import { serviceOf } from "./traffic.ts";

export interface Removal {
  /**
   * Removes the rows, directories and logs of stopped instances; none when one of them may not be removed, or, unless `withFiles`,
   * when the directory of one of them has something in it.
   */
  remove(names: readonly InstanceName[], withFiles: boolean): Promise<void>;
  /**
   * Removes a sleeping instance in one step, so that whoever asks for it meanwhile either wakes it or finds none; what it was
   * given to write to goes with it unless something lies there. False when it sleeps no more.
   */
  evict(service: string, id: string): Promise<boolean>;
  /** Removes stopped instances of a service beyond the `keep` newest, unless `withFiles` only those with empty directories. */
  prune(service: string, keep: number, withFiles: boolean): Promise<Pruned>;
  /**
   * Removes what deploys have left of a service beyond its `keep` newest, as far as their directories are empty, and neither a tenant nor
   * a rollback has a use for them. Returns their ids.
   */
  tidy(service: string): Promise<readonly string[]>;
}

export interface Pruned {
  readonly removed: string[];
  /** Those whose directories have something in them. */
  readonly filled: string[];
  /** The versions of shipped builds that no instance is of any more. */
  readonly releases: string[];
}

export function createRemoval(context: Context): Removal {
  return {
    remove: (names, withFiles) => remove(context, names, withFiles),
    evict: (service, id) => evict(context, service, id),
    prune: (service, keep, withFiles) => prune(context, service, keep, withFiles),
    tidy: (service) => tidy(context, service),
  };
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
async function remove(context: Context, names: readonly InstanceName[], withFiles: boolean): Promise<void> {
  const { registry, paths } = context;
  const isLeft = ({ service, id }: InstanceName) =>
    registry.find(service, id) === undefined && existsSync(paths.instance(service, id));
  const rows = names.flatMap((name) =>
    isLeft(name) ? [] : [requireStopped(context, name.service, name.id)],
  );
  if (!withFiles) await requireEmpty(context, names);
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

const SHOWN_NAMES = 5;

async function requireEmpty({ paths }: Context, names: readonly InstanceName[]): Promise<void> {
  const filled: string[] = [];
  const directories: string[] = [];
  for (const { service, id } of names) {
    const directory = paths.instance(service, id);
    const entries = await entriesOf(directory);
    if (entries.length === 0) continue;
    const more = entries.length > SHOWN_NAMES ? ` and ${entries.length - SHOWN_NAMES} more` : "";
    filled.push(instanceName(service, id));
    directories.push(`${directory}: ${entries.slice(0, SHOWN_NAMES).join(", ")}${more}`);
  }
  if (filled.length === 0) return;
  const of = filled.join(", ");
  const what = filled.length === 1 ? `the directory of ${of} is` : `the directories of ${of} are`;
  throw new Fault("conflict", `${what} not empty`, "--yes removes what is in there as well", {
    details: { directories },
  });
}

/** What lies in a directory; one that is not there has nothing in it, one that cannot be read may have anything. */
async function entriesOf(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "ENOENT" ? [] : ["what cannot be read"];
  }
}

/** Newest first. */
function stoppedOf({ registry, supervisor }: Context, service: string): InstanceRow[] {
  return registry
    .list(service)
    .filter((row) => row.desired === "stopped" && !supervisor.of(row).run)
    .sort((a, b) => b.deployed - a.deployed);
}

async function prune(context: Context, service: string, keep: number, withFiles: boolean): Promise<Pruned> {
  const old = stoppedOf(context, service).slice(keep);
  const filled = withFiles ? [] : await filledOf(context, old);
  const removed = old.filter((row) => !filled.includes(row));
  await remove(context, removed, true);
  return {
    removed: removed.map((row) => row.id),
    filled: filled.map((row) => row.id),
    releases: [...(await pruneShipped(context, service))],
  };
}

async function filledOf({ paths }: Context, rows: readonly InstanceRow[]): Promise<InstanceRow[]> {
  const filled: InstanceRow[] = [];
  for (const row of rows)
    if ((await entriesOf(paths.instance(row.service, row.id))).length > 0) filled.push(row);
  return filled;
}

async function tidy(context: Context, service: string): Promise<readonly string[]> {
  const { registry } = context;
  const { keep, policy } = rulesOf(context, service);
  if (policy.onDemand) return [];
  const beyond = stoppedOf(context, service)
    .filter(({ origin }) => origin === "deploy")
    .slice(keep);
  if (beyond.length === 0) return [];
  const needed = neededByRollback(registry, service);
  const isTenants = (id: string) => [...registry.tokens.rows().values()].some(({ tenant }) => tenant === id);
  const old = beyond.filter(({ id }) => !needed.has(id) && !isTenants(id));
  const filled = await filledOf(context, old);
  const removed = old.filter((row) => !filled.includes(row));
  await remove(context, removed, true);
  return removed.map((row) => row.id);
}

/** What `ten rollback`, and `--last`, would start or give traffic now. */
function neededByRollback(registry: Registry, name: string): ReadonlySet<string> {
  const service = serviceOf(registry.list(name), name);
  const history = registry.history(name);
  const plans: (() => { readonly weights: Weights })[] = [
    () => planRollback(service, history),
    () => planUndo(service, history[0]),
  ];
  return new Set(
    plans.flatMap((plan) => {
      try {
        return [...positive(plan().weights).keys()];
      } catch {
        return [];
      }
    }),
  );
}
