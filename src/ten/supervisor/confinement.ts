// What an instance is confined to: its directories, its memory and CPU, who it runs as, and how many files it may open.
import { chmod, chown, mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { instanceName } from "../../core/name.ts";
import { type Account, accountOf } from "../../platform/process/account.ts";
import { type Cgroups, describeLimit } from "../../platform/process/cgroup.ts";
import type { Exit } from "../../platform/process/process.ts";
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
  /** Makes what a start needs. Rejects with a Fault that says which limit cannot be applied and why. */
  prepare(instance: Named, limits: Limits): Promise<Confined>;
  /** How its process ended, in words; to be asked before `release`. */
  describeExit(instance: Named, exit: Exit): string;
  /** Its processes are gone: what was made for them is removed. */
  release(instance: Named): Promise<void>;
  /** Removes what a server that was killed left of instances that are not wanted any more, by name. */
  sweep(wanted: (name: string) => boolean): Promise<void>;
}

const NOBODY_ELSE = 0o700;
/** Others may pass through and see nothing. */
const PASS_THROUGH = 0o711;

export function createConfinement(paths: DataPaths, cgroups: Cgroups): Confinement {
  const nameOf = ({ service, id }: Named) => instanceName(service, id);

  async function makeDirectories({ service, id }: Named, account: Account | undefined): Promise<void> {
    const logs = paths.logs(service, id);
    const theirs = [paths.instance(service, id), paths.shared(service)];
    for (const path of [...theirs, logs]) await mkdir(path, { recursive: true, mode: NOBODY_ELSE });
    if (!account) return;
    for (const path of theirs) await chown(path, account.uid, account.gid);
    // Only now that somebody else runs below it: files of ours are closed one by one, then its directories may be passed.
    for (const entry of await readdir(paths.root, { withFileTypes: true }))
      if (entry.isFile()) await chmod(join(paths.root, entry.name), 0o600);
    for (const path of [logs, dirname(logs), dirname(paths.shared(service)), paths.root])
      await chmod(path, PASS_THROUGH);
  }

  return {
    async prepare(instance, { memoryBytes, cpuShares, user, group, openFiles }) {
      const account = accountOf(user, group);
      await makeDirectories(instance, account);
      return {
        account,
        openFiles,
        cgroups: await cgroups.make(nameOf(instance), { memoryBytes, cpuShares }),
      };
    },
    describeExit(instance, exit) {
      const memory = cgroups.outOfMemory(nameOf(instance));
      if (!memory || memory.kills === 0) return describeExit(exit);
      const limit = describeLimit(memory.limitBytes);
      // Nobody learns how an adopted process ended, but the kernel has counted.
      if (exit.unknown || exit.signal === "SIGKILL") return `was killed: out of memory (${limit})`;
      return `${describeExit(exit)} after a process of it was killed: out of memory (${limit})`;
    },
    release: (instance) => cgroups.remove(nameOf(instance)),
    async sweep(wanted) {
      for (const name of cgroups.names()) if (!wanted(name)) await cgroups.remove(name);
    },
  };
}

/** How a process ended, in words that read on after "it": `it exited with code 1`. */
function describeExit(exit: Exit): string {
  if (exit.signal !== undefined) return `was killed by ${exit.signal}`;
  if (exit.code !== undefined) return `exited with code ${exit.code}`;
  return "exited, its code is unknown";
}
