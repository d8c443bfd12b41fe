// Opens a SQLite database: checked, migrated, with a last good copy beside it; whatever is wrong is said in words.
import { Database } from "bun:sqlite";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename } from "node:path";
import { Fault, messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import type { Clock } from "../time/clock.ts";
import { clearStamp, requireOwnLog } from "./log-stamp.ts";

/** One step of the schema. The database's `user_version` says how many of them it has had, so their order never changes. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}

/** How long an open waits for another process that holds the database. It blocks the event loop, where nothing runs yet. */
const PATIENCE_MS = 5000;

/** Where the last copy is kept that was whole. */
export function goodCopyPath(path: string): string {
  return `${path}.last-good`;
}

/**
 * The database, of the newest version, with WAL and full synchronisation; the caller closes it. Throws a Fault and
 * changes nothing when the file is corrupt, newer than these migrations, cannot be opened, or is gone while a copy of
 * it is still there: it never starts empty in place of what was lost. Safe to call from several processes at once.
 * A new last good copy is saved where the disk has room for it.
 */
export function openDatabase(
  path: string,
  migrations: readonly Migration[],
  patienceMs = PATIENCE_MS,
): Database {
  if (existsSync(goodCopyPath(path)) && sizeOf(path) === 0) throw lost(path);
  requireOwnLog(path);
  let database: Database | undefined;
  try {
    database = new Database(path, { create: true, readwrite: true });
    closeToOthers(path);
    // First of all: switching to WAL fails at once while another process does the same.
    database.run(`PRAGMA busy_timeout = ${patienceMs}`);
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = FULL");
    database.run("PRAGMA foreign_keys = ON");
    verify(database, path);
    const version = versionOf(database);
    if (version > migrations.length) throw newer(path, version, migrations.length);
    if (version > 0 && version < migrations.length) copyTo(database, `${path}.v${version}`, version);
    migrate(database, migrations, path);
    saveIfRoom(database, path);
    return database;
  } catch (error) {
    database?.close();
    throw databaseFault(error, path);
  }
}

/**
 * Writes the last good copy, replacing the one before in one step. Takes milliseconds for a small database, and reads
 * every page of it, so a damaged one throws and leaves the earlier copy as it is.
 */
export function saveGoodCopy(database: Database, path: string): void {
  try {
    copyTo(database, goodCopyPath(path));
  } catch (error) {
    throw databaseFault(error, path);
  }
}

/**
 * A copy of a database at this moment, also while another process writes to it: whole or not there, and for its owner only. Throws
 * a Fault, and leaves what is at `target`, when the database is damaged, or is none.
 */
export function backUp(path: string, target: string): void {
  if (!existsSync(path))
    throw new Fault("not_found", `there is no database ${quote(path)}`, "look at --data-dir");
  requireOwnLog(path);
  try {
    // Not read-only: the log of a server that was killed has to be played in.
    using database = new Database(path, { create: false, readwrite: true });
    database.run(`PRAGMA busy_timeout = ${PATIENCE_MS}`);
    verify(database, path);
    copyTo(database, target);
  } catch (thrown) {
    throw databaseFault(thrown, path);
  }
}

/**
 * Puts a backup in a database's place, brought to the newest version, and answers where the database before it lies now; undefined
 * when there was none. Nobody may have it open. Throws a Fault, and changes nothing, for what is no backup of such a database.
 */
export function restore(backup: string, path: string, migrations: readonly Migration[]): string | undefined {
  const draft = `${path}.${process.pid}.restored`;
  try {
    backUp(backup, draft);
    refuseOther(draft, backup, migrations);
    const aside = setAside(path);
    // With a log of another database beside it, SQLite would play that into the restored one.
    for (const file of [`${path}-wal`, `${path}-shm`]) rmSync(file, { force: true });
    renameSync(draft, path);
    return aside;
  } finally {
    for (const file of [draft, `${draft}-wal`, `${draft}-shm`]) rmSync(file, { force: true });
  }
}

/** Migrates it too: what cannot be migrated is none of ours. */
function refuseOther(draft: string, backup: string, migrations: readonly Migration[]): void {
  try {
    using database = new Database(draft, { create: false, readwrite: true });
    const version = versionOf(database);
    if (version === 0)
      throw new Fault("usage", `${quote(backup)} is no backup of ours`, "take one that backup has written");
    if (version > migrations.length) throw newer(backup, version, migrations.length);
    migrate(database, migrations, backup);
  } catch (thrown) {
    throw databaseFault(thrown, backup);
  }
}

/** With what is still in its log; one that is damaged is set aside as it is. */
function setAside(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const aside = `${path}.before-restore-${new Date().toISOString().replace(/[:.]/g, "-")}`;
  try {
    backUp(path, aside);
  } catch {
    copyFileSync(path, aside);
    if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${aside}-wal`);
  }
  return aside;
}

/** How often at most: a copy holds up the event loop for as long as it takes. */
const COPY_EVERY_MS = 10 * 60_000;

/** Saves a good copy every ten minutes in which this connection has changed something; what fails is told and tried again. */
export function keepGoodCopy(
  database: Database,
  clock: Clock,
  onTrouble: (text: string) => void,
): Disposable {
  const count = database.query("SELECT total_changes() AS changes");
  const changes = () => Number((count.get() as { changes: number }).changes);
  let saved = changes();
  const stop = clock.every(COPY_EVERY_MS, () => {
    const now = changes();
    if (now === saved) return;
    try {
      saveGoodCopy(database, database.filename);
      saved = now;
    } catch (thrown) {
      onTrouble(`no good copy could be saved: ${messageOf(thrown)}`);
    }
  });
  return { [Symbol.dispose]: stop };
}

/** A full disk must not keep a server from starting. */
function saveIfRoom(database: Database, path: string): void {
  try {
    copyTo(database, goodCopyPath(path));
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (!/^(ENOSPC|SQLITE_(FULL|IOERR|CANTOPEN))/.test(String(code))) throw error;
  }
}

/** A Fault for what SQLite threw; a Fault stays what it is. */
export function databaseFault(thrown: unknown, path: string): Fault {
  if (thrown instanceof Fault) return thrown;
  const code = sqliteCode(thrown);
  const name = quote(path);
  const because = { cause: thrown };
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) {
    const hint = `close what holds it open (fuser ${path}) and try again`;
    return new Fault("conflict", `the database ${name} is locked by another process`, hint, because);
  }
  if (code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB") return corrupt(path, messageOf(thrown));
  const [what, hint] = REASONS.find(([prefix]) => code.startsWith(prefix))?.slice(1) ?? [messageOf(thrown)];
  return new Fault("internal", `the database ${name} ${what}`, hint, because);
}

/** SQLite's own name for what went wrong, also when drizzle has wrapped it; empty for anything else. */
export function sqliteCode(thrown: unknown): string {
  const { code, cause } = (thrown ?? {}) as { code?: unknown; cause?: { code?: unknown } };
  const found = [code, cause?.code].find((one) => typeof one === "string" && one.startsWith("SQLITE_"));
  return typeof found === "string" ? found : "";
}

const FREE_SPACE = "free space in its directory and try again";
const REASONS: readonly (readonly [prefix: string, what: string, hint: string])[] = [
  ["SQLITE_FULL", "cannot be written: the disk is full", FREE_SPACE],
  ["SQLITE_IOERR", "cannot be read or written", `check the disk; if it is full, ${FREE_SPACE}`],
  ["SQLITE_READONLY", "is not writable by this user", "check who owns it and its directory"],
  ["SQLITE_PERM", "is not accessible to this user", "check who owns it and its directory"],
  ["SQLITE_CANTOPEN", "cannot be opened", "check that its directory exists and is writable by this user"],
];

function verify(database: Database, path: string): void {
  const [result] = Object.values(database.query("PRAGMA quick_check(1)").get() as Record<string, string>);
  if (result !== "ok") throw corrupt(path, result ?? "quick_check gave no answer");
}

/** All steps that are missing, in one transaction that holds the write lock from its beginning. */
function migrate(database: Database, migrations: readonly Migration[], path: string): void {
  const steps = database.transaction(() => {
    // Read inside: another process may have migrated while we waited for the lock.
    const version = versionOf(database);
    for (const { name, sql } of migrations.slice(version)) {
      try {
        database.run(sql);
      } catch (error) {
        if (sqliteCode(error) !== "SQLITE_ERROR") throw error;
        throw new Fault("internal", `migration ${name} of ${quote(path)} failed: ${messageOf(error)}`);
      }
    }
    if (version < migrations.length) database.run(`PRAGMA user_version = ${migrations.length}`);
  });
  steps.immediate();
}

/** A whole copy, renamed into place when it is on the disk. With `version`, only if the copy still is of that one. */
function copyTo(database: Database, target: string, version?: number): void {
  const draft = `${target}.${process.pid}`;
  rmSync(draft, { force: true });
  try {
    database.query("VACUUM INTO ?").run(draft);
    if (version !== undefined && readVersion(draft) !== version) return;
    clearStamp(draft);
    closeToOthers(draft);
    const descriptor = openSync(draft, "r");
    fsyncSync(descriptor);
    closeSync(descriptor);
    renameSync(draft, target);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** SQLite makes files for all to read; its log and its index of it take after the database. */
function closeToOthers(path: string): void {
  try {
    chmodSync(path, 0o600);
  } catch {
    // Not ours: whoever made it decides.
  }
}

function readVersion(path: string): number {
  using database = new Database(path, { readonly: true });
  return versionOf(database);
}

function versionOf(database: Database): number {
  return Number((database.query("PRAGMA user_version").get() as { user_version: number }).user_version);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function lost(path: string): Fault {
  const what = existsSync(path) ? "is empty" : "is gone";
  const copy = goodCopyPath(path);
  const hint = `${restoring(path)}; or, to start with nothing: rm ${copy}`;
  return new Fault("internal", `the database ${quote(path)} ${what}, but its last good copy is there`, hint);
}

function corrupt(path: string, detail: string): Fault {
  const hint = existsSync(goodCopyPath(path))
    ? restoring(path)
    : `there is no good copy; move ${path} away to start with nothing`;
  return new Fault("internal", `the database ${quote(path)} is damaged: ${detail.trim()}`, hint);
}

/** The log of the damaged database must go with it, or it would be played into the copy. */
function restoring(path: string): string {
  const copy = goodCopyPath(path);
  const at = statSync(copy).mtime.toISOString();
  const aside = existsSync(path) ? `mv ${path} ${path}.damaged; ` : "";
  return `restore the last good copy of ${at}: ${aside}rm -f ${path}-wal ${path}-shm; cp ${copy} ${path}`;
}

function newer(path: string, version: number, known: number): Fault {
  const message = `the database ${quote(path)} is of version ${version}, this program knows up to ${known}`;
  const old = `${path}.v${known}`;
  const earlier = existsSync(old) ? `, or go back to ${basename(old)}, saved before the upgrade` : "";
  return new Fault("internal", message, `install the newer program again${earlier}`);
}
