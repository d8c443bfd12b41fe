// Reads the registry out of a PostgreSQL-compatible database: all of it, or what has changed since a revision.
import { and, asc, desc, eq, gt, gte, inArray, lt, lte, sql } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import { internTenants } from "../intern-rows.ts";
import type { EventRow } from "../schema.ts";
import type { Changes, Contents, EventFilter } from "../store.ts";
import * as tables from "./postgres-schema.ts";
import { ALL, COPIED, type Drizzle, firstSeq, MARK, pieces } from "./postgres-write-set.ts";

/** Rows in one statement: an answer is to come well within its deadline. */
const PIECE = 2_000;
/** Changes that can be followed within one deadline. */
const FOLLOWED_MAX = 10_000;

/** The database's time, in milliseconds. */
export const databaseMs = sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`.mapWith(Number);

/** Asks the database something, within a deadline of its own. */
export type Ask = <T>(question: (db: Drizzle) => Promise<T>) => Promise<T>;

/** Everything, as it is while it is read: what changes meanwhile is among the changes since the revision before. */
export async function readAll(ask: Ask): Promise<Contents> {
  const { servers, webhooks, deliveries } = tables;
  return {
    servers: await ask((db) => db.select().from(servers).orderBy(asc(servers.seq))),
    tenants: await readTenants(ask),
    webhooks: await ask((db) => db.select().from(webhooks).orderBy(asc(webhooks.seq))),
    deliveries: await ask((db) => db.select().from(deliveries).orderBy(asc(deliveries.seq))),
    alerts: await readAlerts(ask),
    accessTokens: await ask((db) => db.select().from(tables.accessTokens)),
  };
}

function readTenants(ask: Ask): Promise<Contents["tenants"]> {
  const { seq } = tables.tenants;
  const lean = internTenants();
  const read = async (last: number) => {
    const from = gt(seq, last);
    const piece = await ask((db) =>
      db.select().from(tables.tenants).where(from).orderBy(asc(seq)).limit(PIECE),
    );
    return piece.map(lean);
  };
  return readPieces(-1, read, (row) => row.seq);
}

/** As many as there are tenants, when all their servers are offline. */
function readAlerts(ask: Ask): Promise<Contents["alerts"]> {
  const { thing } = tables.alerts;
  const read = (last: string) => {
    const from = gt(thing, last);
    return ask((db) => db.select().from(tables.alerts).where(from).orderBy(asc(thing)).limit(PIECE));
  };
  return readPieces("", read, (row) => row.thing);
}

/** All that `read` answers, a piece at a time, each from the key on with which the one before has ended. */
async function readPieces<Row, Key>(
  first: Key,
  read: (last: Key) => Promise<Row[]>,
  keyOf: (row: Row) => Key,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (let last = first; ; ) {
    const piece = await read(last);
    rows.push(...piece);
    const end = piece.at(-1);
    if (end === undefined || piece.length < PIECE) return rows;
    last = keyOf(end);
  }
}

/**
 * The rows that later revisions have touched, as they are now, in the order in which they were touched; undefined when they are
 * too many, and everything is to be read.
 */
export async function readChanges(db: Drizzle, seen: number): Promise<Changes | undefined> {
  const { changes } = tables;
  const keys = new Map<string, Set<string>>();
  const isLater = gt(changes.revision, seen);
  const found = await db
    .select()
    .from(changes)
    .where(isLater)
    .orderBy(asc(changes.revision), asc(changes.table), asc(changes.key))
    .limit(FOLLOWED_MAX + 1);
  if (found.length > FOLLOWED_MAX || found.some(({ key }) => key === ALL)) return undefined;
  for (const { table, key } of found) keys.set(table, (keys.get(table) ?? new Set()).add(key));

  async function rowsOf<Row, Key>(
    name: keyof typeof COPIED,
    keyOf: (row: Row) => Key,
    read: (text: string) => Key,
  ): Promise<Map<Key, Row | undefined>> {
    const wanted = [...(keys.get(name) ?? [])].map(read);
    const found = new Map<Key, Row | undefined>(wanted.map((key) => [key, undefined]));
    for (const piece of pieces(wanted, PIECE)) {
      const { table, key }: { table: PgTable; key: PgColumn } = COPIED[name];
      const rows = await db.select().from(table).where(inArray(key, piece));
      for (const row of rows as Row[]) found.set(keyOf(row), row);
    }
    return found;
  }

  const lean = internTenants();
  const tenants = await rowsOf("tenants", ({ id }: typeof tables.tenants.$inferSelect) => id, String);
  for (const [id, row] of tenants) if (row) tenants.set(id, lean(row));
  return {
    tenants,
    servers: await rowsOf("servers", ({ id }: typeof tables.servers.$inferSelect) => id, String),
    webhooks: await rowsOf("webhooks", ({ id }: typeof tables.webhooks.$inferSelect) => id, String),
    deliveries: await rowsOf("deliveries", ({ seq }: typeof tables.deliveries.$inferSelect) => seq, Number),
    alerts: await rowsOf("alerts", ({ thing }: typeof tables.alerts.$inferSelect) => thing, String),
    accessTokens: await rowsOf(
      "accessTokens",
      ({ hash }: typeof tables.accessTokens.$inferSelect) => hash,
      String,
    ),
  };
}

/** What distinguishes a revision from another of the same number; undefined for none. */
export async function markOf(db: Drizzle, revision: number): Promise<string | undefined> {
  const { changes } = tables;
  const isMark = and(eq(changes.revision, revision), eq(changes.table, MARK));
  const [found] = await db.select({ key: changes.key }).from(changes).where(isMark);
  return found?.key;
}

/** Those that revisions after `seen` and up to `last` have written, oldest first. */
export function readEventsOf(db: Drizzle, seen: number, last: number): Promise<EventRow[]> {
  const { seq } = tables.events;
  const isTheirs = and(gte(seq, firstSeq(seen + 1)), lt(seq, firstSeq(last + 1)));
  return db.select().from(tables.events).where(isTheirs).orderBy(asc(seq));
}

export async function readEvents(
  db: Drizzle,
  { after, sinceMs, kind, actor, server, tenant, limit }: EventFilter,
): Promise<EventRow[]> {
  const { events } = tables;
  const { seq } = events;
  const where = and(
    after === undefined ? undefined : gt(seq, after),
    sinceMs === undefined ? undefined : gte(events.at, sinceMs),
    kind === undefined ? undefined : eq(events.kind, kind),
    actor === undefined ? undefined : eq(events.actor, actor),
    server === undefined ? undefined : eq(events.server, server),
    tenant === undefined ? undefined : eq(events.tenant, tenant),
  );
  const found = await db.select().from(tables.events).where(where).orderBy(desc(seq)).limit(limit);
  return found.reverse();
}

/** Forgets which rows revisions up to `last` have changed, and all events but the newest. */
export async function prune(db: Drizzle, last: number, keptEvents: number, keptSince: number): Promise<void> {
  await db.delete(tables.changes).where(lte(tables.changes.revision, last));
  const { seq } = tables.events;
  const [oldest] = await db
    .select({ seq })
    .from(tables.events)
    .orderBy(desc(seq))
    .offset(keptEvents)
    .limit(1);
  if (oldest) await db.delete(tables.events).where(lte(seq, oldest.seq));
  await db.delete(tables.events).where(lt(tables.events.at, keptSince));
}
