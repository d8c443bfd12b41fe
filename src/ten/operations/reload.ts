// Reading the configuration again: checked whole before anything changes, told as a diff, running instances left alone.
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import type { Config } from "../config/config.ts";
import { launchOf } from "../config/service.ts";
import type { InstanceRow, Registry } from "../registry/registry.ts";
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

export interface ReloadParts {
  readonly registry: Registry;
  readonly lifecycle: Lifecycle;
  current(): Config;
  /** `launchOf` the service as it was when the instance was started; undefined when it has no process. */
  launchedWith(row: InstanceRow): string | undefined;
  /** Reads and checks the file again; throws a Fault and changes nothing when it is not right. */
  read(): Config;
  /** Puts a configuration into force for everything but what runs. */
  use(config: Config): Promise<void>;
}

/** Settings that are taken when the server starts. */
const AT_START = ["settings.data_dir", "settings.workers", "settings.trusted_proxies"];

/** With `restartChanged`, stale instances are restarted one by one; the first that does not get healthy ends it. */
export function createReload(parts: ReloadParts) {
  const { registry, lifecycle } = parts;

  /** Whether it was started with something else than is configured now; a reload before this one may have changed it. */
  function isStale(row: InstanceRow, config: Config): boolean {
    const service = config.services.get(row.service);
    const launched = parts.launchedWith(row);
    return service !== undefined && launched !== undefined && launched !== launchOf(service);
  }

  /** The server goes on with what it has, and whoever wrote the file ought to know. */
  function readWhole(): Config {
    try {
      return parts.read();
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      throw new Fault(thrown.code, thrown.message, `${thrown.hint}; nothing of it was applied`);
    }
  }

  return async (
    restartChanged: boolean,
    progress: (message: string) => void,
    signal: AbortSignal,
  ): Promise<ReloadReport> => {
    const before = parts.current();
    const after = readWhole();
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
    await parts.use(after);
    const stale = registry
      .list()
      .filter((row) => row.desired === "running" && row.pid !== null && isStale(row, after))
      .map((row) => instanceName(row.service, row.id));
    const orphaned = registry
      .list()
      .filter((row) => row.desired === "running" && !after.services.has(row.service))
      .map((row) => instanceName(row.service, row.id));
    if (!restartChanged) return { differences, later, stale, orphaned, restarted: [] };
    const restarted: string[] = [];
    for (const { service, id } of registry.list()) {
      const name = instanceName(service, id);
      const row = registry.find(service, id);
      // Others may have been stopped or removed while the ones before were restarted.
      if (!stale.includes(name) || row?.desired !== "running") continue;
      progress(`restarting ${name}`);
      await lifecycle.restart(row.service, row.id, signal);
      restarted.push(name);
    }
    return { differences, later, stale: [], orphaned, restarted };
  };
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
