// Whether a write-ahead log belongs to the database beside it: one of another file would undo a backup that was copied there.
import type { Database } from "bun:sqlite";
import { closeSync, openSync, readFileSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { syncDirectory, writeSecret } from "./atomic-file.ts";

/** Of the header of a database: four bytes that SQLite keeps for the application (file format, section 1.2). */
const STAMP_AT = 68;
const UNSTAMPED = 0;
const MAGIC = "SQLite format 3\0";

function stampPath(path: string): string {
  return `${path}.stamp`;
}

/**
 * Gives the database that a server has just opened a new stamp, in its file and beside it. A copy carries none, so that a log written
 * from now on is told from the log of a copy. Where another process has the database open there is no stamp, and nothing is told.
 */
export function stampLog(database: Database): void {
  const path = database.filename;
  try {
    rmSync(stampPath(path), { force: true });
    // Beside a database with a new stamp the old one would have its own log refused after a power failure.
    syncDirectory(dirname(path));
    const stamp = 1 + Math.floor(Math.random() * 0x7f_ff_ff_fe);
    database.run(`PRAGMA application_id = ${stamp}`);
    // Not read from the file: closing it would drop the locks that SQLite holds on it for this process.
    const { busy } = database.query("PRAGMA wal_checkpoint(TRUNCATE)").get() as { busy: number };
    if (busy !== 0) return;
    writeSecret(stampPath(path), String(stamp));
    syncDirectory(dirname(path));
  } catch {
    // A disk that is full, or cannot be written, is no reason not to start.
  }
}

/** Throws a Fault when a log lies beside the database that was not written to it. Nobody in this process may have it open. */
export function requireOwnLog(path: string): void {
  const stamp = noted(path);
  if (stamp === undefined || sizeOf(path) === 0 || sizeOf(`${path}-wal`) === 0) return;
  const found = readStamp(path);
  // What is no database is damaged, and told as that.
  if (found === undefined || found === stamp) return;
  throw new Fault(
    "conflict",
    `${quote(`${path}-wal`)} is the log of another database than ${quote(path)}: played into it, it would undo what was copied there`,
    `if ${path} is the backup that you want: rm ${path}-wal ${path}-shm ${stampPath(path)}; ten restore and slum restore do all of it`,
  );
}

/** A copy is a database of its own. */
export function clearStamp(path: string): void {
  const descriptor = openSync(path, "r+");
  try {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(UNSTAMPED);
    writeSync(descriptor, bytes, 0, 4, STAMP_AT);
  } finally {
    closeSync(descriptor);
  }
}

/** Undefined when it is no database at all. */
function readStamp(path: string): number | undefined {
  const descriptor = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(STAMP_AT + 4);
    if (
      readSync(descriptor, bytes, 0, bytes.length, 0) < bytes.length ||
      !bytes.toString("latin1").startsWith(MAGIC)
    )
      return undefined;
    return bytes.readUInt32BE(STAMP_AT);
  } finally {
    closeSync(descriptor);
  }
}

function noted(path: string): number | undefined {
  try {
    return Number(readFileSync(stampPath(path), "utf8"));
  } catch {
    return undefined;
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
