// Writing to a SQLite database that other processes write to as well, without holding up the event loop that carries the traffic.
import type { Database } from "bun:sqlite";
import { type Clock, sleep } from "../time/clock.ts";
import { sqliteCode } from "./database.ts";

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
