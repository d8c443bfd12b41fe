// A version that runs the very files of the one beside it: after a crash that one would be the new version too.
import { readdir, stat } from "node:fs/promises";
import { extname, join, resolve } from "node:path";
import { instanceName } from "../../core/name.ts";
import type { Release } from "../config/release.ts";
import type { Service } from "../config/service.ts";
import type { InstanceRow } from "../registry/registry.ts";
import type { Context } from "./context.ts";

/** Any of these tells versions apart. */
const TELLING = ["{version}", "{id}", "{instance_dir}", "{release_dir}"];
/** How many files are looked at: a deploy does not wait for a search through everything. */
const LOOKED_AT = 5_000;
const DEEPEST = 6;
/** What apps write while they run is no new version of them. */
const NOT_CODE = new Set([".db", ".sqlite", ".sqlite3", ".log", ".pid", ".sock", ".tmp", ".pyc"]);
const isWrittenByApps = (name: string) => NOT_CODE.has(extname(name)) || /-(wal|shm|journal)$/.test(name);
const NOT_LOOKED_INTO = new Set(["node_modules", "__pycache__", "logs", "log", "tmp", "tenement-data"]);

/**
 * Answers what to say of a deploy whose files are those of a version that runs, and have changed since that one was started: once a
 * service for as long as the server runs. Undefined when there is nothing to say.
 */
export function createSameFilesWarning({ registry, paths, config }: Context) {
  const told = new Set<string>();

  return async (service: Service, version: string): Promise<string | undefined> => {
    if (told.has(service.name) || isTold(service.release)) return undefined;
    const beside = registry
      .list(service.name)
      .filter((row) => row.desired === "running" && row.version !== version && isSame(row, service.release));
    const [first] = beside;
    if (first === undefined) return undefined;
    const workdir = resolve(config().directory, service.workdir);
    const since = Math.min(...beside.map((row) => row.createdAt));
    const changed = await changedSince(workdir, since, paths.root);
    if (changed === undefined) return undefined;
    told.add(service.name);
    const name = instanceName(service.name, first.id);
    return `${name} and ${instanceName(service.name, version)} run the same files, and ${changed} has changed since ${name} was started: when ${name} restarts it is ${version}. ${howToTell(service.name)}`;
  };
}

/** What to say of stopped instances that are started again, of those whose files have changed since they were deployed. */
export async function changedFilesOf(
  { config, paths }: Pick<Context, "config" | "paths">,
  rows: readonly InstanceRow[],
): Promise<string[]> {
  const warnings: string[] = [];
  for (const { service, id, version, release, createdAt } of rows) {
    if (release === null || isTold(release)) continue;
    const changed = await changedSince(resolve(config().directory, release.workdir), createdAt, paths.root);
    if (changed === undefined) continue;
    const name = instanceName(service, id);
    warnings.push(
      `${name} runs the files that are there now, and ${changed} has changed since it was deployed: it may not be the ${version} that it was. ${howToTell(service)}`,
    );
  }
  return warnings;
}

function howToTell(service: string): string {
  return `Give each version files of its own: workdir = "releases/{version}", or {version} in command, in the service ${service} of tenement.toml`;
}

function isTold({ command, args, workdir, env, env_file: envFile, before_start: before }: Release): boolean {
  const text = [command, ...args, workdir, ...Object.values(env), envFile, before].join(" ");
  return TELLING.some((one) => text.includes(one));
}

function isSame({ release }: InstanceRow, next: Release): boolean {
  return release !== null && release.workdir === next.workdir && !isTold(release);
}

async function isNewer(file: string, since: number): Promise<boolean> {
  const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: 0 }));
  return mtimeMs > since;
}

/** A file below `root` that is newer than `since` (milliseconds since the epoch), as it is called from there; undefined when none was found. */
async function changedSince(root: string, since: number, dataDir: string): Promise<string | undefined> {
  let left = LOOKED_AT;
  const open: { readonly path: string; readonly depth: number }[] = [{ path: ".", depth: 0 }];
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    const { path, depth } = next;
    const entries = await readdir(join(root, path), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      left -= 1;
      if (left < 0) return undefined;
      const inner = join(path, entry.name);
      if (entry.name.startsWith(".") || join(root, inner) === dataDir) continue;
      if (entry.isDirectory() && depth < DEEPEST && !NOT_LOOKED_INTO.has(entry.name))
        open.push({ path: inner, depth: depth + 1 });
      if (entry.isFile() && !isWrittenByApps(entry.name) && (await isNewer(join(root, inner), since)))
        return inner;
    }
  }
  return undefined;
}
