// `ten install` as root: the users that services run as are made, and must be able to reach what they are to run.
import { dirname, resolve } from "node:path";
import { addSystemUser } from "../../cli/install.ts";
import type { Output } from "../../cli/output.ts";
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { userEntry } from "../../platform/process/account.ts";
import type { Config } from "../config/config.ts";
import type { Service } from "../config/service.ts";
import { serviceUser } from "../config/service-user.ts";

interface Users {
  find(user: string): { readonly uid: number; readonly gid: number } | undefined;
  add(user: string): Promise<void>;
}

/** Makes the users of services that have none of their own choice. Throws a fault that names the directory in the way. */
export function prepareServiceUsers(config: Config, out: Output): Promise<void> {
  return prepareUsers(config, { find: userEntry, add: (user) => addSystemUser(user, out) });
}

export async function prepareUsers({ services, directory }: Config, users: Users): Promise<void> {
  for (const service of services.values()) {
    const { name, limits } = service;
    if (limits.user !== serviceUser(name)) continue;
    if (!users.find(limits.user)) await users.add(limits.user);
    const entry = users.find(limits.user);
    if (!entry) throw new Fault("internal", `useradd did not add ${limits.user}`, "see /etc/passwd");
    const blocked = await firstOutOfReach(entry, needs(service, directory));
    if (blocked === undefined) continue;
    throw new Fault(
      "conflict",
      `${name} would run as ${limits.user}, who cannot reach ${quote(blocked)}`,
      `let it: chmod o+x ${blocked}; or move the app, to /srv for example; or write user = "root" for ${name}`,
    );
  }
}

/** What a service needs, as far as it does not depend on a version: its directory and its program, with all that lies above. */
function needs({ workdir, words: [program] }: Service, directory: string): string[] {
  const fixed = (path: string) => {
    const at = path.indexOf("{");
    return resolve(directory, at < 0 ? path : `${dirname(`${path.slice(0, at)}x`)}`);
  };
  const paths = [fixed(workdir), ...(program.includes("/") ? [fixed(program)] : [])];
  return [...new Set(paths.flatMap(withParents))].sort((a, b) => a.length - b.length);
}

function withParents(path: string): string[] {
  const above = dirname(path);
  return above === path ? [path] : [...withParents(above), path];
}

/** Asked as that user, so that groups, ACLs and mounts count; what does not exist is not in the way yet. */
async function firstOutOfReach(
  { uid, gid }: { readonly uid: number; readonly gid: number },
  paths: readonly string[],
): Promise<string | undefined> {
  const script = 'for p; do [ -e "$p" ] || exit 0; [ -x "$p" ] || { printf %s "$p"; exit 1; }; done';
  const child = Bun.spawn(["/bin/sh", "-c", script, "sh", ...paths], {
    ...{ uid, gid, cwd: "/", env: {} },
    ...{ stdin: "ignore", stdout: "pipe", stderr: "ignore" },
  });
  const [said] = await Promise.all([child.stdout.text(), child.exited]);
  return said === "" ? undefined : said;
}
