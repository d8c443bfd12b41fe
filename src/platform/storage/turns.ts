// Writing to a SQLite database that other processes write to as well, without holding up the event loop that carries the traffic.
import type { Database } from "bun:sqlite";
import { closeSync, fdatasync, openSync } from "node:fs";
import { promisify } from "node:util";
import { Fault, messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { isShortage, withSpareDescriptors } from "../process/spare-descriptors.ts";
import { type Clock, sleep } from "../time/clock.ts";
import { sqliteCode } from "./database.ts";

const datasync = promisify(fdatasync);

/** How long SQLite itself may wait for a lock: it blocks everything else meanwhile. */
const BLOCKED_MS = 20;
const RETRY_MS = 50;

/** From now on this connection leaves waiting to `whileLocked`. */
export function waitBriefly(database: Database): void {
  database.run(`PRAGMA busy_timeout = ${BLOCKED_MS}`);
}

/** Tries again while another process holds the database, for `patienceMs`; then throws what SQLite said. */
export async function whileLocked<T>(clock: Clock, patienceMs: number, attempt: () => T): Promise<T> {
  const giveUpAt = clock.monotonic() + patienceMs;
  for (;;) {
    try {
      return attempt();
    } catch (thrown) {
      if (!isLocked(thrown) || clock.monotonic() >= giveUpAt) throw thrown;
    }
    await sleep(clock, RETRY_MS);
  }
}

function isLocked(thrown: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(sqliteCode(thrown));
}

/**
 * From now on a commit only writes to the log of the database (WAL), which a kill of this process outlives and a power failure may
 * not; `onDisk` says when it does. A checkpoint, after every thousand pages of the log, still waits for the disk.
 */
export function syncBeside(database: Database): void {
  database.run("PRAGMA synchronous = NORMAL");
}

/**
 * Resolves when all that was committed so far would outlive a power failure. Throws a Fault when the disk refuses: what was
 * committed is in force nevertheless.
 */
export async function onDisk(path: string): Promise<void> {
  let log: number | undefined;
  try {
    // What visitors have left of the descriptors says nothing about the disk.
    log = withSpareDescriptors(() => openSync(`${path}-wal`, "r"));
    await datasync(log);
  } catch (thrown) {
    // Nothing was ever written to it.
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return;
    throw new Fault(
      "internal",
      `it was done, and the disk does not take it: a power failure would undo it (${quote(path)}: ${messageOf(thrown)})`,
      isShortage(thrown) ? "too many files are open: ulimit -n, or LimitNOFILE=" : "look at the disk",
      { cause: thrown },
    );
  } finally {
    if (log !== undefined) closeSync(log);
  }
}
