// Where a server keeps its data when neither a flag nor the file says so: outside of what an app may serve.
import { existsSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import type { Environment } from "../../platform/environment.ts";
import { userEntry } from "../../platform/process/account.ts";

/** Where earlier versions kept it, beside the file. */
export const OLD_DATA_DIR = "tenement-data";
const SYSTEM_STATE = "/var/lib/ten";
const REGISTRY = "ten.db";
const NAME_CHARS = 40;

/**
 * The data directory of the tenement.toml `file` (absolute) for this user, absolute: what earlier versions left beside the
 * file; what `install` made for this user below /var/lib/ten; else /var/lib/ten/NAME for root, $XDG_STATE_HOME/ten/NAME for
 * others. NAME is the directory's name and a short hash of the file's path.
 */
export function defaultDataDir(file: string, env: Environment): string {
  const old = join(dirname(file), OLD_DATA_DIR);
  return existsSync(join(old, REGISTRY)) ? old : newDataDir(file, env);
}

/** The same where nothing is left of earlier versions. */
export function newDataDir(file: string, env: Environment): string {
  const system = join(SYSTEM_STATE, directoryName(file));
  const uid = process.getuid?.();
  const isSystems = uid === 0 || statSync(system, { throwIfNoEntry: false })?.uid === uid;
  return isSystems ? system : ownDataDir(file, env);
}

/** Of who runs as a service of the machine: what the user has begun by hand goes on, else it lies below /var/lib/ten. */
export function installedDataDir(file: string, user: string, env: Environment): string {
  const usual = defaultDataDir(file, env);
  const home = userEntry(user)?.home;
  if (process.getuid?.() !== 0 || home === undefined || existsSync(join(usual, REGISTRY))) return usual;
  const theirs = ownDataDir(file, { HOME: home });
  return existsSync(join(theirs, REGISTRY)) ? theirs : usual;
}

/** A registry of the same file that another user has begun, where `dataDir` has none yet. */
export function forgottenDataDir(file: string, dataDir: string, env: Environment): string | undefined {
  if (existsSync(join(dataDir, REGISTRY))) return undefined;
  const places = [join(dirname(file), OLD_DATA_DIR), ...allDataDirs(file, env)];
  return places.find((path) => path !== dataDir && existsSync(join(path, REGISTRY)));
}

/** Of this user, of root, and of whose the file is. */
function allDataDirs(file: string, env: Environment): string[] {
  const owner = userEntry(String(statSync(file, { throwIfNoEntry: false })?.uid));
  const system = join(SYSTEM_STATE, directoryName(file));
  return [ownDataDir(file, env), system, ...(owner ? [ownDataDir(file, { HOME: owner.home })] : [])];
}

/** Where commands look for the server of a file when nothing else says so: their own user's place, else another's that there is. */
export function dataDirToAsk(file: string, env: Environment): string {
  const own = defaultDataDir(file, env);
  return [own, ...allDataDirs(file, env)].find(existsSync) ?? own;
}

function ownDataDir(file: string, env: Environment): string {
  const state = env.XDG_STATE_HOME ?? join(env.HOME ?? homedir(), ".local", "state");
  return join(state, "ten", directoryName(file));
}

function directoryName(file: string): string {
  const path = realPath(file);
  const name = basename(dirname(path)).replace(/[^A-Za-z0-9_-]+/g, "-") || "root";
  const hash = new Bun.CryptoHasher("sha256").update(path).digest("hex");
  return `${name.slice(0, NAME_CHARS)}-${hash.slice(0, 8)}`;
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** The service whose directory has the data directory in it; relative workdirs start at `directory`. */
export function servingService(
  services: Iterable<{ readonly name: string; readonly workdir: string }>,
  directory: string,
  dataDir: string,
): string | undefined {
  // What stands in a placeholder's place is not known, but all of it lies below what comes before.
  const directoryOf = (workdir: string) => resolve(directory, workdir.replace(/\{.*$/s, ""));
  for (const { name, workdir } of services) if (contains(directoryOf(workdir), dataDir)) return name;
  return undefined;
}

function contains(directory: string, path: string): boolean {
  const way = relative(directory, path);
  return way === "" || (!way.startsWith("..") && !isAbsolute(way));
}
