// Who owns what the versions of a service share: a change of its user is refused while that would lock it out, and made on demand.
import { lchown, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { accountOf, userEntry } from "../../platform/process/account.ts";
import type { Service } from "../config/service.ts";
import { type Context, configured } from "./context.ts";

/** So many files are looked at, and not more: a deploy must not take as long as there are files. */
const LOOKED_AT = 10_000;

/** Before a deploy: the new version runs as another user than the ones that are there, and could not use their files. */
export async function requireOwnFiles({ registry, paths }: Context, service: Service): Promise<void> {
  const { name, limits, release } = service;
  const rows = registry.list(name);
  if (process.getuid?.() !== 0 || rows.every((row) => row.release?.user === release.user)) return;
  const uid = accountOf(limits.user, limits.group)?.uid ?? 0;
  // Root may use what anybody has.
  if (uid === 0) return;
  const foreign = await firstForeign(paths.shared(name), uid);
  if (foreign === undefined) return;
  throw new Fault(
    "conflict",
    `${name} would run as ${limits.user ?? uid} from now on, and ${quote(foreign.path)} belongs to ${foreign.owner}`,
    `keep the user that it had: user = "${userBefore(rows)}" for ${name}; or give it the files: ten chown ${name}`,
  );
}

/** Gives all files of a service's instances, and those that they share, to who it is configured to run as. */
export async function giveFiles(context: Context, name: string): Promise<{ owner: string; files: number }> {
  const { registry, paths } = context;
  const { limits } = configured(context, name);
  if (process.getuid?.() !== 0)
    throw new Fault(
      "conflict",
      "ten serve does not run as root, so it cannot give files away",
      "chown -R them as root",
    );
  const account = accountOf(limits.user, limits.group) ?? { uid: 0, gid: 0 };
  const roots = [paths.shared(name), ...registry.list(name).map(({ id }) => paths.instance(name, id))];
  let files = 0;
  for (const root of roots)
    for await (const path of treeOf(root)) {
      // Links are given away, not what they lead to.
      await lchown(path, account.uid, account.gid);
      files += 1;
    }
  return { owner: userEntry(String(account.uid))?.name ?? String(account.uid), files };
}

async function firstForeign(root: string, uid: number): Promise<{ path: string; owner: string } | undefined> {
  let seen = 0;
  for await (const path of treeOf(root)) {
    // The directory itself is given to the user at each start.
    if (path === root) continue;
    const stats = await lstat(path).catch(() => undefined);
    if (stats && stats.uid !== uid)
      return { path, owner: userEntry(String(stats.uid))?.name ?? String(stats.uid) };
    seen += 1;
    if (seen >= LOOKED_AT) return undefined;
  }
  return undefined;
}

/** A directory and all below it, links not followed. */
async function* treeOf(path: string): AsyncGenerator<string> {
  const stats = await lstat(path).catch(() => undefined);
  if (!stats) return;
  yield path;
  if (!stats.isDirectory()) return;
  for (const entry of await readdir(path)) yield* treeOf(join(path, entry));
}

function userBefore(rows: readonly { readonly release: { readonly user?: string } | null }[]): string {
  return rows.at(-1)?.release?.user ?? "root";
}
