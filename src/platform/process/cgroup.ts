// Control groups: what the kernel is told about how much memory and CPU one group of processes may have, of version 1 or 2.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { Fault, messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { type Clock, sleep } from "../time/clock.ts";

export interface CgroupLimits {
  readonly memoryBytes?: number | undefined;
  /** As of version 1: 1024 is the part of a group that was told nothing. */
  readonly cpuShares?: number | undefined;
}

export interface OutOfMemory {
  readonly kills: number;
  readonly limitBytes: number;
}

export interface Cgroups {
  /**
   * Makes a group with these limits; one of that name is removed first. Returns the directories that a process has to be
   * started in, none when there is no limit. Throws a Fault (`unhealthy`) that says why a limit cannot be applied.
   */
  make(name: string, limits: CgroupLimits): Promise<readonly string[]>;
  /** How often the kernel killed something of the group because of its memory; undefined when it has no such limit. */
  outOfMemory(name: string): OutOfMemory | undefined;
  /** Ends with SIGKILL what is still in the group, then removes it. One that is not there is no trouble. */
  remove(name: string): Promise<void>;
  /** The groups that there are, those of an earlier life of this program included. */
  names(): string[];
}

export interface CgroupOptions {
  /** The directory, below this process's own group, that all groups are made in: nobody else's name. */
  readonly parent: string;
  readonly clock: Clock;
  /** Contents of /proc/self/mounts and /proc/self/cgroup. */
  readonly mounts?: string;
  readonly own?: string;
}

type Controller = "memory" | "cpu";

/** Where groups with a controller are made. */
interface Hierarchy {
  readonly version: 1 | 2;
  readonly base: string;
}

/** In version 2 a group with limits below it must hold no process itself: ours is in this one, as systemd's DelegateSubgroup= has it. */
const SERVER_GROUP = "ten-serve";
const REMOVE_PATIENCE_MS = 2_000;
const REMOVE_POLL_MS = 10;
const MB = 1_048_576;

export function createCgroups({ parent, clock, ...told }: CgroupOptions): Cgroups {
  const mounts = told.mounts ?? readText("/proc/self/mounts");
  const own = told.own ?? readText("/proc/self/cgroup");

  function require(controller: Controller, key: string): Hierarchy {
    const found = findHierarchy(controller, mounts, own);
    if (found) return found;
    const hint = `leave out ${key}, or run where cgroups with the ${controller} controller are mounted (Linux)`;
    throw new Fault("unhealthy", `${key} cannot be applied: there is no ${controller} cgroup here`, hint);
  }

  function makeIn({ version, base }: Hierarchy, controller: Controller, name: string): string {
    const directory = join(base, parent, name);
    if (version === 2) {
      mkdirSync(join(base, parent), { recursive: true });
      enable(base, controller);
      writeFileSync(join(base, parent, "cgroup.subtree_control"), `+${controller}`);
    }
    mkdirSync(directory, { recursive: true });
    return directory;
  }

  function limitMemory(name: string, bytes: number): string {
    const hierarchy = require("memory", "memory_limit_mb");
    const directory = makeIn(hierarchy, "memory", name);
    const [file, swap] =
      hierarchy.version === 1
        ? ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
        : ["memory.max", "memory.swap.max"];
    writeFileSync(join(directory, file), String(bytes));
    // Where swap is accounted for: none beyond the limit. In version 1 the number is that of both together.
    if (existsSync(join(directory, swap)))
      writeFileSync(join(directory, swap), hierarchy.version === 1 ? String(bytes) : "0");
    return directory;
  }

  function limitCpu(name: string, shares: number): string {
    const hierarchy = require("cpu", "cpu_shares");
    const directory = makeIn(hierarchy, "cpu", name);
    if (hierarchy.version === 1) writeFileSync(join(directory, "cpu.shares"), String(shares));
    else writeFileSync(join(directory, "cpu.weight"), String(weightOf(shares)));
    return directory;
  }

  const bases = () =>
    new Set((["memory", "cpu"] as const).flatMap((one) => findHierarchy(one, mounts, own)?.base ?? []));

  const directoriesOf = (name: string) =>
    [...bases()].map((base) => join(base, parent, name)).filter((directory) => existsSync(directory));

  async function remove(name: string): Promise<void> {
    const giveUpAt = clock.monotonic() + REMOVE_PATIENCE_MS;
    for (const directory of directoriesOf(name)) {
      while (!tryRemove(directory)) {
        if (clock.monotonic() > giveUpAt)
          throw new Fault(
            "internal",
            `the cgroup ${quote(directory)} cannot be removed`,
            "see its cgroup.procs",
          );
        killAll(directory);
        await sleep(clock, REMOVE_POLL_MS);
      }
      // The last one out.
      tryRemove(dirname(directory));
    }
  }

  return {
    async make(name, { memoryBytes, cpuShares }) {
      await remove(name);
      try {
        const memory = memoryBytes === undefined ? [] : [limitMemory(name, memoryBytes)];
        const cpu = cpuShares === undefined ? [] : [limitCpu(name, cpuShares)];
        return [...new Set([...memory, ...cpu])];
      } catch (thrown) {
        await remove(name).catch(() => {});
        throw thrown instanceof Fault ? thrown : refused(thrown);
      }
    },
    outOfMemory(name) {
      const hierarchy = findHierarchy("memory", mounts, own);
      if (!hierarchy) return undefined;
      const directory = join(hierarchy.base, parent, name);
      const one = hierarchy.version === 1;
      const limit = Number(readText(join(directory, one ? "memory.limit_in_bytes" : "memory.max")));
      const told = readText(join(directory, one ? "memory.oom_control" : "memory.events"));
      const kills = Number(/^oom_kill (\d+)$/m.exec(told)?.[1] ?? 0);
      return limit > 0 ? { kills, limitBytes: limit } : undefined;
    },
    remove,
    names: () => [...new Set([...bases()].flatMap((base) => subdirectories(join(base, parent))))],
  };
}

export function describeLimit(bytes: number): string {
  return `limit ${Math.round((bytes / MB) * 10) / 10} MB`;
}

/** Version 2 counts 1 to 10,000 with 100 as usual: the range of shares, 2 to 262,144, is laid upon it as systemd does. */
export function weightOf(shares: number): number {
  return 1 + Math.floor(((shares - 2) * 9999) / 262_142);
}

/** The hierarchy that has a controller, at the group that this process is in. Version 1 wins where both are there, as it has it then. */
function findHierarchy(controller: Controller, mounts: string, own: string): Hierarchy | undefined {
  const lines = mounts.split("\n").map((line) => line.split(" "));
  const groups = own.split("\n").map((line) => /^\d+:([^:]*):(.*)$/.exec(line) ?? []);
  const first = lines.find(
    ([, , type, options = ""]) => type === "cgroup" && options.split(",").includes(controller),
  );
  if (first?.[1] !== undefined) {
    const [, , path = "/"] = groups.find(([, names = ""]) => names.split(",").includes(controller)) ?? [];
    return { version: 1, base: below(first[1], path) };
  }
  const unified = lines.find(([, , type]) => type === "cgroup2")?.[1];
  if (unified === undefined) return undefined;
  const [, , path = "/"] = groups.find(([line, names]) => line?.startsWith("0:") && names === "") ?? [];
  const group = below(unified, path);
  const base = basename(group) === SERVER_GROUP ? dirname(group) : group;
  const controllers = readText(join(base, "cgroup.controllers")).trim().split(" ");
  return controllers.includes(controller) ? { version: 2, base } : undefined;
}

/** Inside a container the path may be one of the host's: then the mount itself is our group. */
function below(mount: string, path: string): string {
  const group = join(mount, path);
  return existsSync(group) ? group : mount;
}

/** Hands a controller down to the groups below. The kernel refuses that while the group itself holds processes. */
function enable(base: string, controller: Controller): void {
  const file = join(base, "cgroup.subtree_control");
  if (readText(file).trim().split(" ").includes(controller)) return;
  try {
    writeFileSync(file, `+${controller}`);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EBUSY") throw thrown;
    moveToServerGroup(base);
    writeFileSync(file, `+${controller}`);
  }
}

/** Only this process: a group that holds others' is not ours to rearrange, and the second try fails with the reason. */
function moveToServerGroup(base: string): void {
  mkdirSync(join(base, SERVER_GROUP), { recursive: true });
  writeFileSync(join(base, SERVER_GROUP, "cgroup.procs"), String(process.pid));
}

function refused(thrown: unknown): Fault {
  const { code } = thrown as NodeJS.ErrnoException;
  const hint =
    code === "EBUSY"
      ? `run ten serve in a cgroup of its own (systemd: Delegate=yes and DelegateSubgroup=${SERVER_GROUP})`
      : "run ten serve as root or in a delegated cgroup (systemd: Delegate=yes), or leave out memory_limit_mb and cpu_shares";
  return new Fault("unhealthy", `the limits cannot be applied: ${messageOf(thrown)}`, hint, {
    cause: thrown,
  });
}

function tryRemove(directory: string): boolean {
  try {
    rmdirSync(directory);
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "ENOENT";
  }
  return true;
}

/** Whatever is in the group was started in it, so it is ours, also when it has left its session. */
function killAll(directory: string): void {
  for (const text of readText(join(directory, "cgroup.procs")).split("\n")) {
    const pid = Number(text);
    try {
      if (pid > 1) process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}

function subdirectories(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => statSync(join(directory, name)).isDirectory());
  } catch {
    return [];
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
