// Reading the configuration again: checked whole before anything changes, told as a diff, running instances left alone.
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import type { Config } from "../config/config.ts";
import { differingKeys, type Release } from "../config/release.ts";
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
  /** Running instances whose release is not what is configured now. */
  readonly stale: readonly string[];
  /** Running instances whose service is no longer configured: they run on without traffic. */
  readonly orphaned: readonly string[];
  readonly restarted: readonly string[];
}

/** Settings that are taken when the server starts. */
const AT_START = [
  "settings.data_dir",
  "settings.workers",
  "settings.trusted_proxies",
  "settings.proxy_protocol",
  "settings.max_client_requests",
  "settings.max_client_streams",
  "settings.max_client_connections",
  "settings.min_body_rate",
  "settings.min_read_rate",
  "settings.held_memory_mb",
  "settings.access_log_",
  "settings.certificates",
  "settings.http2",
  "acme.",
  "settings.direct_from",
  "settings.domain",
  "settings.host",
  "settings.port",
  "settings.selector_from",
];

/** The configuration as the file has it now. The server goes on with what it has, and whoever wrote the file ought to know. */
export function readWhole(before: Config, read: () => Config): Config {
  const after = readOr(read);
  if (before.settings.dataDir === after.settings.dataDir) return after;
  throw new Fault(
    "conflict",
    "settings.data_dir cannot change while the server runs",
    "stop the server, move the directory, start it again",
  );
}

function readOr(read: () => Config): Config {
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    throw new Fault(thrown.code, thrown.message, `${thrown.hint}; nothing of it was applied`);
  }
}

/**
 * With `restartChanged`, those whose release is not what is configured now are restarted with that, one by one; the first that
 * does not get healthy ends it. `spawnInitial` spawns what [instances] names.
 */
export function createReload(context: Context, lifecycle: Lifecycle, spawnInitial: () => Promise<void>) {
  return async (
    restartChanged: boolean,
    progress: (message: string) => void,
    signal: AbortSignal,
  ): Promise<ReloadReport> => {
    const { before, after } = await context.reread();
    await spawnInitial();
    const differences = differencesBetween(before, after);
    const later = differences
      .map(({ key }) => key)
      .filter((key) => AT_START.some((one) => key.startsWith(one)));
    const stale = namesOf(context, (row) => row.pid !== null && staleKeys(context, row).length > 0);
    const orphaned = namesOf(context, (row) => !after.services.has(row.service));
    if (!restartChanged) return { differences, later, stale, orphaned, restarted: [] };
    const restarted = await restartAll(context, lifecycle, stale, progress, signal);
    return { differences, later, stale: [], orphaned, restarted };
  };
}

/** The names of those that should run and are meant. */
function namesOf({ registry }: Context, isMeant: (row: InstanceRow) => boolean): string[] {
  return registry
    .list()
    .filter((row) => row.desired === "running" && isMeant(row))
    .map((row) => instanceName(row.service, row.id));
}

/** Everybody who looks at the instances asks, and releases are never changed. */
const compared = new WeakMap<object, { readonly to: Release; readonly keys: readonly string[] }>();

/** In what an instance's release differs from what is configured now. */
export function staleKeys({ config }: Pick<Context, "config">, row: InstanceRow): readonly string[] {
  const release = config().services.get(row.service)?.release;
  if (!release || !row.release) return [];
  const known = compared.get(row.release);
  if (known?.to === release) return known.keys;
  const keys = differingKeys(row.release, release);
  compared.set(row.release, { to: release, keys });
  return keys;
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
    await lifecycle.restart(service, id, { stopFirst: false, anew: true }, signal);
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

export function differencesBetween(before: Config, after: Config): Difference[] {
  return differencesOf(besides(before, after), besides(after, before)).map((one) =>
    // Values of the environment may be secrets, and this goes to logs.
    ENV.test(one.key) ? { ...one, before: one.before && HIDDEN, after: one.after && HIDDEN } : one,
  );
}

const ENV = /^service\.[^.]+\.env\./;
const HIDDEN = '"..."';

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
