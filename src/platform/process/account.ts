// Who a child runs as: a user and a group of this system, by name or by number.
import { readFileSync } from "node:fs";
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";

export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** USER, LOGNAME and HOME of the user; empty when only a group was given, or the user has no entry. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * The account that a child is to be started as; undefined when that is who we are. Names are those of /etc/passwd and
 * /etc/group. Throws a Fault (`unhealthy`) when there is no such one, or when we may not become it.
 */
export function accountOf(user: string | undefined, group: string | undefined): Account | undefined {
  const self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  if (user === undefined && group === undefined) return undefined;
  const entry = user === undefined ? undefined : findUser(user);
  const uid = entry?.uid ?? self.uid;
  const gid = group === undefined ? (entry?.gid ?? self.gid) : findGroup(group);
  if (uid === self.uid && gid === self.gid) return undefined;
  if (self.uid !== 0) {
    const wanted = [user && `user ${quote(user)}`, group && `group ${quote(group)}`]
      .filter(Boolean)
      .join(", ");
    throw new Fault(
      "unhealthy",
      `cannot run as ${wanted}: ten serve does not run as root`,
      "run it as root, or leave out user and group",
    );
  }
  return { uid, gid, env: entry?.env ?? {} };
}

/** An entry of /etc/passwd by name or number. */
export function userEntry(
  user: string,
): { name: string; uid: number; gid: number; home: string } | undefined {
  const fields = entries("/etc/passwd").find(([name, , uid]) => name === user || uid === user);
  const [name = "", , uid, gid, , home = "/"] = fields ?? [];
  return uid === undefined ? undefined : { name, uid: Number(uid), gid: Number(gid), home };
}

function findUser(user: string): Account {
  const entry = userEntry(user);
  if (entry) {
    const { name, home, ...ids } = entry;
    return { ...ids, env: { USER: name, LOGNAME: name, HOME: home } };
  }
  if (isId(user)) return { uid: Number(user), gid: Number(user), env: {} };
  throw new Fault(
    "unhealthy",
    `there is no user ${quote(user)} on this machine`,
    `add one: useradd --system ${user}`,
  );
}

function findGroup(group: string): number {
  const [, , gid] = entries("/etc/group").find(([name, , id]) => name === group || id === group) ?? [];
  if (gid !== undefined) return Number(gid);
  if (isId(group)) return Number(group);
  throw new Fault(
    "unhealthy",
    `there is no group ${quote(group)} on this machine`,
    `add one: groupadd --system ${group}`,
  );
}

function isId(text: string): boolean {
  return /^\d{1,9}$/.test(text);
}

function entries(path: string): string[][] {
  try {
    return readFileSync(path, "utf8")
      .split("\n")
      .map((line) => line.split(":"));
  } catch {
    return [];
  }
}
