// The data directory belongs to one running server: private to its user, and locked for as long as the server lives. A start
// that comes to nothing takes the directory that it has made away again.
import { Database } from "bun:sqlite";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Fault, messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { shellWord } from "../../core/shell-words.ts";
import type { Log } from "../log.ts";
import { listenerOf } from "../net/peer-credentials.ts";
import { userEntry } from "../process/account.ts";
import { type Clock, sleep } from "../time/clock.ts";
import { databaseFault, sqliteCode } from "./database.ts";

export interface DataDirectory extends Disposable {
  readonly path: string;
  /** From now on what lies in it stays: until then a directory that the claim has made goes again with the claim. */
  keep(): void;
}

/** Which program's server holds a directory: `ten.lock` and `ten.pid` lie in it. */
export interface Claimant {
  /** `ten` or `slum`. */
  readonly program: string;
  /** Told when it had to be closed to others. */
  readonly note?: (text: string) => void;
}

/**
 * Makes the directory (mode 0700) and locks it until disposed, or until this process dies in whatever way. Of any
 * number of starts at once exactly one succeeds; the others get a conflict fault that names the holder.
 *
 * The lock is SQLite's, on an empty database: a POSIX record lock that the kernel drops with its process, that children
 * do not inherit, and that needs no native code of ours. Nothing else may open that file in this process, since closing
 * any descriptor of it would drop the lock.
 */
export function claimDirectory(path: string, { program, note }: Claimant): DataDirectory {
  const made = makePrivate(path, program, note);
  const pidPath = join(path, `${program}.pid`);
  const lockPath = join(path, `${program}.lock`);
  let lock: Database | undefined;
  try {
    lock = new Database(lockPath, { create: true, readwrite: true });
    tryChmod(lockPath, 0o600);
    lock.run("BEGIN EXCLUSIVE");
  } catch (error) {
    lock?.close();
    if (sqliteCode(error).startsWith("SQLITE_BUSY")) throw held(path, program, pidPath);
    unmake(made, `${program}.lock`);
    throw databaseFault(error, lockPath);
  }
  notePid(pidPath);
  let isKept = made.length === 0;
  return {
    path,
    keep() {
      isKept = true;
    },
    [Symbol.dispose]() {
      // While it is locked, so that nobody's start is in it.
      if (!isKept) unmake(made, `${program}.lock`);
      lock.close();
    },
  };
}

export interface ClaimToServe extends Pick<Claimant, "program"> {
  /** Has a server that runs on the directory leave. */
  readonly replace?: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** A data directory, and where a server that runs on it answers commands: whoever listens there is asked to leave. */
interface Served {
  readonly root: string;
  readonly socket: string;
}

/** Claims the directory for a server. Throws a conflict fault when another one has it, and does not leave if it is to. */
export async function claimToServe(served: Served, options: ClaimToServe): Promise<DataDirectory> {
  const { program, replace = false, log } = options;
  return replace ? takeOver(served, options) : claimDirectory(served.root, { program, note: log.warn });
}

/** What it has to close besides requests, which go on; an older version finishes those first. */
const LEAVE_MS = 60_000;
const LEAVE_STEP_MS = 20;

/** When a server runs on it, that one is told to leave (SIGQUIT) and waited for. */
async function takeOver(
  { root, socket }: Served,
  { clock, log, program }: ClaimToServe,
): Promise<DataDirectory> {
  const deadline = clock.monotonic() + LEAVE_MS;
  let told: number | undefined;
  for (;;) {
    try {
      return claimDirectory(root, { program });
    } catch (thrown) {
      const isHeld = thrown instanceof Fault && thrown.code === "conflict";
      if (!isHeld || clock.monotonic() > deadline) throw thrown;
      told ??= await tellToLeave(socket, thrown);
      if (told > 0) log.info(`${program} serve (pid ${told}) is told to leave`);
      told = 0;
    }
    await sleep(clock, LEAVE_STEP_MS);
  }
}

async function tellToLeave(socket: string, held: Fault): Promise<number> {
  const pid = (await listenerOf(socket))?.pid;
  if (pid === undefined)
    throw new Fault(
      "conflict",
      `${held.message}, and does not answer at ${quote(socket)}`,
      "stop it, then start without --replace",
    );
  process.kill(pid, "SIGQUIT");
  return pid;
}

/** For people and messages only, so a full disk is no reason not to start. */
function notePid(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`, { mode: 0o600 });
  } catch {
    // The message of a second start will not name us.
  }
}

function held(path: string, program: string, pidPath: string): Fault {
  const pid = readText(pidPath).trim();
  const who = /^\d+$/.test(pid) ? ` (pid ${pid})` : "";
  return new Fault(
    "conflict",
    `another ${program} serve${who} runs on the data directory ${quote(path)}`,
    "stop it first, or choose another directory with --data-dir",
  );
}

/**
 * A directory that we made, or that is empty or already ours, is closed to others. One with other things in it is not
 * touched, as `--data-dir /tmp` would otherwise take /tmp away from everybody.
 */
function makePrivate(path: string, program: string, note: Claimant["note"]): readonly string[] {
  let made: readonly string[];
  let stats: Stats;
  let names: string[];
  try {
    made = makePrivateDirectory(path);
    stats = statSync(path);
    names = readdirSync(path);
  } catch (error) {
    const hint = "choose a directory that this user may write to with --data-dir";
    throw new Fault("usage", `cannot use the data directory ${quote(path)}: ${messageOf(error)}`, hint);
  }
  noteStranger(path, stats.uid, note);
  // Others may pass through where instances run as another user, but read and write nothing.
  if ((stats.mode & 0o066) === 0) return made;
  const mode = (stats.mode & 0o7777).toString(8);
  const isOurs = names.includes(`${program}.lock`) || names.every((name) => isOwnName(name, program));
  if (isOurs && tryChmod(path, 0o700)) {
    note?.(
      `the data directory ${path} was open to other users (mode ${mode}); it is its owner's alone now (700)`,
    );
    return made;
  }
  const hint = `chmod 700 ${shellWord(path)}, or choose another directory with --data-dir`;
  throw new Fault("usage", `the data directory ${quote(path)} is open to other users (mode ${mode})`, hint);
}

/** Whose the directory is can write what root runs from it. */
function noteStranger(path: string, uid: number, note: Claimant["note"]): void {
  if (process.geteuid?.() !== 0 || uid === 0) return;
  const who = userEntry(String(uid))?.name ?? `uid ${uid}`;
  note?.(
    `the data directory ${path} is ${who}'s, who can change what this server runs as root: start it as ${who}, or chown -R root ${shellWord(path)}`,
  );
}

/**
 * Makes what is missing of a path: the last part for us alone, those above it open, as other users' instances pass through.
 * Answers what it has made, the innermost first; nothing when the last part was there.
 */
export function makePrivateDirectory(path: string): readonly string[] {
  const whole = resolve(path);
  const above: string[] = [];
  const first = mkdirSync(dirname(whole), { recursive: true, mode: 0o755 });
  if (first !== undefined)
    for (let made = dirname(whole); made.length >= first.length; made = dirname(made)) above.push(made);
  for (const made of above) chmodSync(made, 0o755);
  const isMade = mkdirSync(whole, { recursive: true, mode: 0o700 }) !== undefined;
  // Who else has made the last part meanwhile is in it, and needs those above.
  return isMade ? [whole, ...above] : [];
}

/** Takes away a directory that a start has made and that came to nothing, and those above it that nobody uses meanwhile. */
function unmake([whole, ...above]: readonly string[], lock: string): void {
  if (whole === undefined) return;
  try {
    // The other program may run on it by now.
    if (readdirSync(whole).some((name) => name.endsWith(".lock") && name !== lock)) return;
    rmSync(whole, { recursive: true, force: true });
    for (const directory of above) rmdirSync(directory);
  } catch {
    // Somebody else has put something there, or the disk refuses: it stays.
  }
}

/** What commands without a server leave there: the registry, and a token. */
function isOwnName(name: string, program: string): boolean {
  return name.startsWith(`${program}.`) || name === "api_token";
}

function tryChmod(path: string, mode: number): boolean {
  try {
    chmodSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
