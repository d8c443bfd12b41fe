// Reading the configuration again: checked whole before anything changes, told as a diff, running instances left alone.
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import type { Config } from "../config/config.ts";
import { launchOf } from "../config/service.ts";
import type { InstanceRow } from "../registry/registry.ts";
import type { Context } from "./context.ts";
import type { Lifecycle } from "./lifecycle.ts";

export interface Difference {
  /** `service.api.drain_timeout`. */
  readonly key: string;
  /** As JSON; null where there was, or is, nothing. */
  readonly before: string | null;
  readonly after: string | null;
}

export interface ReloadReport {
  readonly differences: readonly Difference[];
  /** Keys that only a restart of the server puts into force. */
  readonly later: readonly string[];
  /** Running instances whose command, environment or directory has changed, and that still run with the old one. */
  readonly stale: readonly string[];
  /** Running instances whose service is no longer configured: they run on without traffic. */
  readonly orphaned: readonly string[];
  readonly restarted: readonly string[];
}

/** Settings that are taken when the server starts. */
const AT_START = ["settings.data_dir", "settings.workers", "settings.trusted_proxies"];

/**
 * `read` reads and checks the file again; `use` puts a configuration into force for everything but what runs. With
 * `restartChanged`, stale instances are restarted one by one; the first that does not get healthy ends it.
 */
export function createReload(
  context: Context,
  lifecycle: Lifecycle,
  read: () => Config,
  use: (config: Config) => Promise<void>,
) {
  return async (
    restartChanged: boolean,
    progress: (message: string) => void,
    signal: AbortSignal,
  ): Promise<ReloadReport> => {
    const before = context.config();
    const after = readWhole(read);
    const differences = differencesOf(besides(before, after), besides(after, before));
    const later = differences
      .map(({ key }) => key)
      .filter((key) => AT_START.some((one) => key.startsWith(one)));
    if (before.settings.dataDir !== after.settings.dataDir) {
      throw new Fault(
        "conflict",
        "settings.data_dir cannot change while the server runs",
        "stop the server, move the directory, start it again",
      );
    }
    await use(after);
    const stale = namesOf(context, (row) => row.pid !== null && isStale(context, row));
    const orphaned = namesOf(context, (row) => !after.services.has(row.service));
    if (!restartChanged) return { differences, later, stale, orphaned, restarted: [] };
    const restarted = await restartAll(context, lifecycle, stale, progress, signal);
    return { differences, later, stale: [], orphaned, restarted };
  };
}

/** The server goes on with what it has, and whoever wrote the file ought to know. */
function readWhole(read: () => Config): Config {
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    throw new Fault(thrown.code, thrown.message, `${thrown.hint}; nothing of it was applied`);
  }
}

/** The names of those that should run and are meant. */
function namesOf({ registry }: Context, isMeant: (row: InstanceRow) => boolean): string[] {
  return registry
    .list()
    .filter((row) => row.desired === "running" && isMeant(row))
    .map((row) => instanceName(row.service, row.id));
}

/** Whether it was started with something else than is configured now; a reload before this one may have changed it. */
function isStale({ config, supervisor }: Context, row: InstanceRow): boolean {
  const service = config().services.get(row.service);
  const launched = supervisor.launchedWith(row);
  return service !== undefined && launched !== undefined && launched !== launchOf(service);
}

async function restartAll(
  { registry }: Context,
  lifecycle: Lifecycle,
  names: readonly string[],
  progress: (message: string) => void,
  signal: AbortSignal,
): Promise<string[]> {
  const restarted: string[] = [];
  for (const { service, id } of registry.list()) {
    const name = instanceName(service, id);
    // Others may have been stopped or removed while the ones before were restarted.
    if (!names.includes(name) || registry.find(service, id)?.desired !== "running") continue;
    progress(`restarting ${name}`);
    await lifecycle.restart(service, id, false, signal);
    restarted.push(name);
  }
  return restarted;
}

/** With all defaults, so that a key that was taken out is told; but a service that the other has not as it was written. */
function besides({ document, written }: Config, other: Config): unknown {
  const services = Object.entries(document.service).map(([name, service]) => {
    return [name, other.services.has(name) ? service : written[name]];
  });
  return { ...document, service: Object.fromEntries(services) };
}

/** The keys whose values differ, in the order of the files; a table that came or went is told key by key. */
function differencesOf(before: unknown, after: unknown): Difference[] {
  const was = new Map(leavesOf(before, []));
  const is = new Map(leavesOf(after, []));
  const keys = new Set([...was.keys(), ...is.keys()]);
  return [...keys]
    .map((key) => ({ key, before: was.get(key) ?? null, after: is.get(key) ?? null }))
    .filter((one) => one.before !== one.after);
}

function leavesOf(value: unknown, path: readonly string[]): [string, string][] {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return [[path.join("."), JSON.stringify(value)]];
  return Object.entries(value).flatMap(([key, inner]) =>
    inner === undefined ? [] : leavesOf(inner, [...path, key]),
  );
}
