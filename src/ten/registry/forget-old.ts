// How long the registry remembers what happened: events and changes beyond that are deleted as new ones come.
import { desc, lt, lte, or } from "drizzle-orm";
import type { BunSQLiteDatabase } from "drizzle-orm/bun-sqlite";
import * as tables from "./schema.ts";

/** Of each service. */
export const KEPT_CHANGES = 1_000;
const KEPT_EVENTS = 100_000;
const KEPT_EVENTS_MS = 90 * 24 * 3600_000;
/** Nothing else can be done meanwhile. */
const PRUNE_AT_ONCE = 500;

/** `services`: how many there are. */
export function forgetChanges(db: BunSQLiteDatabase, services: number): void {
  const { changes } = tables;
  const newest = db.select({ seq: changes.seq }).from(changes).orderBy(desc(changes.seq)).limit(1).get();
  const kept = KEPT_CHANGES * Math.max(1, services);
  if (newest)
    db.delete(changes)
      .where(lt(changes.seq, newest.seq - kept))
      .run();
}

/** A few of those that are too old or too many; `newest` is the seq of the last one, `nowMs` the wall clock's. */
export function forgetEvents(db: BunSQLiteDatabase, newest: number, nowMs: number): void {
  const { events } = tables;
  const isOld = or(lt(events.seq, newest - KEPT_EVENTS), lt(events.at, nowMs - KEPT_EVENTS_MS));
  const oldest = db.select({ seq: events.seq }).from(events).where(isOld).orderBy(events.seq);
  const some = oldest.limit(PRUNE_AT_ONCE).all();
  if (some.length === 0) return;
  db.delete(events)
    .where(lte(events.seq, some.at(-1)?.seq ?? 0))
    .run();
}
