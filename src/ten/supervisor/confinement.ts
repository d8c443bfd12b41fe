// What an instance is confined to: its directories, its memory and CPU, who it runs as, and how many files it may open.
import { chmod, chown, mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { instanceName } from "../../core/name.ts";
import { type Account, accountOf } from "../../platform/process/account.ts";
import { type Cgroups, describeLimit } from "../../platform/process/cgroup.ts";
import type { Exit } from "../../platform/process/exit-status.ts";
import type { SpawnOptions } from "../../platform/process/spawn.ts";
import type { DataPaths } from "../config/paths.ts";
import type { Limits } from "../config/service.ts";

/** Names one instance. */
interface Named {
  readonly service: string;
  readonly id: string;
}

export interface Confined extends Pick<SpawnOptions, "cgroups" | "openFiles"> {
  readonly account: Account | undefined;
}

export interface Confinement {
  /** Makes what a run needs. Rejects with a Fault that says which limit cannot be applied and why. */
  prepare(instance: Named, nonce: string, limits: Limits): Promise<Confined>;
  /** How the process of a run ended, in words; to be asked before `release`. */
  describeExit(instance: Named, nonce: string, exit: Exit): string;
  /** The processes of a run are gone: what was made for them is removed. */
  release(instance: Named, nonce: string): Promise<void>;
  /** Removes what a server that was killed left of all other runs. */
  sweep(runs: Iterable<readonly [instance: Named, nonce: string]>): Promise<void>;
}

/** So much of its nonce names a run of an instance. */
const RUN_CHARS = 12;
const NOBODY_ELSE = 0o700;
/** Others may pass through and see nothing. */
const PASS_THROUGH = 0o711;

export function createConfinement(paths: DataPaths, cgroups: Cgroups): Confinement {
  /** The group of one run. Those of older versions are named by the instance alone. */
  function groupOf({ service, id }: Named, nonce: string): string {
    const group = newGroup({ service, id }, nonce);
    return cgroups.names().includes(group) ? group : instanceName(service, id);
  }

  async function makeDirectories({ service, id }: Named, account: Account | undefined): Promise<void> {
    const logs = paths.logs(service, id);
    const theirs = [paths.instance(service, id), paths.shared(service)];
    for (const path of [...theirs, logs]) await mkdir(path, { recursive: true, mode: NOBODY_ELSE });
    if (!account) return;
    for (const path of theirs) await chown(path, account.uid, account.gid);
    await letThrough(paths.root, [logs, dirname(logs), dirname(paths.shared(service))]);
  }

  return {
    async prepare(instance, nonce, { memoryBytes, cpuShares, user, group, openFiles }) {
      const account = accountOf(user, group);
      await makeDirectories(instance, account);
      return {
        account,
        openFiles,
        cgroups: await cgroups.make(newGroup(instance, nonce), { memoryBytes, cpuShares }),
      };
    },
    describeExit(instance, nonce, exit) {
      const memory = cgroups.outOfMemory(groupOf(instance, nonce));
      if (!memory || memory.kills === 0) return describeExit(exit);
      const limit = describeLimit(memory.limitBytes);
      // Nobody learns how an adopted process ended, but the kernel has counted.
      if (exit.unknown || exit.signal === "SIGKILL") return `was killed: out of memory (${limit})`;
      return `${describeExit(exit)} after a process of it was killed: out of memory (${limit})`;
    },
    release: (instance, nonce) => cgroups.remove(groupOf(instance, nonce)),
    async sweep(runs) {
      const wanted = new Set(Array.from(runs, ([instance, nonce]) => groupOf(instance, nonce)));
      for (const name of cgroups.names()) if (!wanted.has(name)) await cgroups.remove(name);
    },
  };
}

/** Only now that somebody else runs below it: files of ours are closed one by one, then its directories may be passed. */
export async function letThrough(root: string, directories: readonly string[]): Promise<void> {
  for (const entry of await readdir(root, { withFileTypes: true }))
    if (entry.isFile()) await chmod(join(root, entry.name), 0o600);
  for (const path of [...directories, root]) await chmod(path, PASS_THROUGH);
}

function newGroup({ service, id }: Named, nonce: string): string {
  return `${instanceName(service, id)}~${nonce.slice(-RUN_CHARS)}`;
}

/** How a process ended, in words that read on after "it": `it exited with code 1`. */
function describeExit(exit: Exit): string {
  if (exit.signal !== undefined) return `was killed by ${exit.signal}`;
  if (exit.code !== undefined) return `exited with code ${exit.code}`;
  return "exited, with which code only its parent was told: a server before this one had started it";
}
