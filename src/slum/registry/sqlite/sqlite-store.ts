// The registry in a SQLite file, for one slum: each transaction is one synchronous step, so that nothing comes between it and the copy.
import type { Database } from "bun:sqlite";
import { existsSync, statSync } from "node:fs";
import { and, desc, eq, getTableColumns, gt, gte, lt, lte, or, sql } from "drizzle-orm";
import { type BunSQLiteDatabase, drizzle } from "drizzle-orm/bun-sqlite";
import { Fault } from "../../../core/fault.ts";
import { databaseFault, sqliteCode } from "../../../platform/storage/database.ts";
import { statementsOf } from "../../../platform/storage/sqlite-statements.ts";
import type { Statements } from "../../../platform/storage/table-copy.ts";
import { waitBriefly, whileLocked } from "../../../platform/storage/turns.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import { internTenants } from "../intern-rows.ts";
import * as tables from "../schema.ts";
import type { Feed, Store, Tables } from "../store.ts";

export interface SqliteStoreOptions {
  readonly path: string;
  /** Opens and migrates; may throw each time. */
  readonly open: () => Database;
  readonly clock: Clock;
  readonly feed: Feed;
}

const POLL_MS = 5_000;
const KEPT_EVENTS = 100_000;
const KEPT_EVENTS_MS = 90 * 24 * 3600_000;
/** Events are forgotten as new ones come, a few at a time: nothing else can be done meanwhile. */
const PRUNE_EVERY = 200;
const PRUNE_AT_ONCE = 500;
const PIECE = 1_000;

type Drizzle = BunSQLiteDatabase<Record<string, never>>;
interface Opened {
  readonly raw: Database;
  readonly db: Drizzle;
  readonly inode: number;
  readonly tenants: Statements<tables.TenantRow, tables.NewTenantRow, string>;
}

export function createSqliteStore({ path, open, clock, feed }: SqliteStoreOptions): Store {
  const startedAt = clock.now() - clock.monotonic();
  let opened: Opened | undefined;
  let written = 0;

  function openNow(): Opened {
    const raw = open();
    waitBriefly(raw);
    const db = drizzle(raw, { casing: "snake_case" });
    feed.replace({
      servers: db.select().from(tables.servers).orderBy(tables.servers.seq).all(),
      tenants: readTenants(db),
      webhooks: db.select().from(tables.webhooks).orderBy(tables.webhooks.seq).all(),
      deliveries: db.select().from(tables.deliveries).orderBy(tables.deliveries.seq).all(),
      alerts: db.select().from(tables.alerts).all(),
      accessTokens: db.select().from(tables.accessTokens).all(),
    });
    return { raw, db, inode: inodeOf(path), tenants: tenantStatements(db) };
  }

  /** The open database, or the fault that says why there is none. */
  function usable(): Opened {
    // A file that was removed would take writes that nobody ever reads again.
    if (opened && inodeOf(path) !== opened.inode)
      throw new Fault(
        "internal",
        `the registry ${path} is gone from its place; nothing was changed`,
        "put it back, or restart slum; routing goes on",
      );
    opened ??= openNow();
    return opened;
  }

  function tablesOf({ raw, db, tenants }: Opened): Tables {
    return {
      servers: statementsOf(db, tables.servers, tables.servers.id),
      tenants,
      webhooks: statementsOf(db, tables.webhooks, tables.webhooks.id),
      deliveries: statementsOf(db, tables.deliveries, tables.deliveries.seq),
      alerts: alertStatements(raw),
      insertEvent(values) {
        const row = db.insert(tables.events).values(values).returning().get();
        if (++written % PRUNE_EVERY === 0)
          pruneEvents(db, row.seq - KEPT_EVENTS, clock.now() - KEPT_EVENTS_MS);
        return row;
      },
      accessTokens: statementsOf(db, tables.accessTokens, tables.accessTokens.hash),
    };
  }

  return {
    pollMs: POLL_MS,
    otherSlums: [],
    hasHeardFromAll: true,
    async open() {
      usable();
    },
    async transact(work, patienceMs, committed) {
      return whileLocked(clock, patienceMs, () => {
        const now = usable();
        const result = now.raw.transaction(() => work(tablesOf(now))).immediate();
        committed();
        return result;
      });
    },
    async poll() {
      const { raw } = usable();
      raw.transaction(() => {}).immediate();
    },
    async events({ after, sinceMs, kind, actor, server, tenant, limit }) {
      const { db } = usable();
      const { events } = tables;
      const where = and(
        after === undefined ? undefined : gt(events.seq, after),
        sinceMs === undefined ? undefined : gte(events.at, sinceMs),
        kind === undefined ? undefined : eq(events.kind, kind),
        actor === undefined ? undefined : eq(events.actor, actor),
        server === undefined ? undefined : eq(events.server, server),
        tenant === undefined ? undefined : eq(events.tenant, tenant),
      );
      const found = db
        .select()
        .from(tables.events)
        .where(where)
        .orderBy(desc(tables.events.seq))
        .limit(limit);
      return found.all().reverse();
    },
    now: () => startedAt + clock.monotonic(),
    faultOf(thrown) {
      if (sqliteCode(thrown) !== "") return databaseFault(thrown, path);
      return thrown instanceof Fault && (thrown.code === "internal" || !opened) ? thrown : undefined;
    },
    async [Symbol.asyncDispose]() {
      opened?.raw.close();
    },
  };
}

function pruneEvents(db: Drizzle, keptFrom: number, keptSince: number): void {
  const { events } = tables;
  const isOld = or(lt(events.seq, keptFrom), lt(events.at, keptSince));
  const oldest = db.select({ seq: events.seq }).from(events).where(isOld).orderBy(events.seq);
  const last = oldest.limit(PRUNE_AT_ONCE).all().at(-1);
  if (last) db.delete(events).where(lte(events.seq, last.seq)).run();
}

/** There may be a hundred thousand: read in pieces, and each kept as small as it can be. */
function* readTenants(db: Drizzle): Generator<tables.TenantRow> {
  const { seq } = tables.tenants;
  const lean = internTenants();
  for (let last = 0; ; ) {
    const piece = db.select().from(tables.tenants).where(gt(seq, last)).orderBy(seq).limit(PIECE).all();
    yield* piece.map(lean);
    if (piece.length < PIECE) return;
    last = piece.at(-1)?.seq ?? last;
  }
}

/** Inserts are prepared: an import may have a hundred thousand, for which all traffic waits. */
function tenantStatements(db: Drizzle): Opened["tenants"] {
  const { seq, ...columns } = getTableColumns(tables.tenants);
  const values = Object.fromEntries(Object.keys(columns).map((name) => [name, sql.placeholder(name)]));
  const prepared = db
    .insert(tables.tenants)
    .values(values as never)
    .returning({ seq })
    .prepare();
  return {
    ...statementsOf<tables.TenantRow, tables.NewTenantRow, string>(db, tables.tenants, tables.tenants.id),
    insert(given) {
      const row = { ...given, instance: given.instance ?? null, failover: given.failover ?? null };
      return { ...row, seq: prepared.get(row).seq };
    },
  };
}

/** Prepared, and nothing but: there may be a hundred thousand in a transaction, for which all traffic waits. */
function alertStatements(raw: Database): Statements<tables.AlertRow, tables.AlertRow, string> {
  return {
    insert(row) {
      raw
        .query("INSERT INTO alerts (thing, begun_at, open) VALUES (?, ?, ?)")
        .run(row.thing, row.begunAt, row.open);
      return row;
    },
    update: (thing, { begunAt = null, open = null }) =>
      void raw
        .query("UPDATE alerts SET begun_at = coalesce(?, begun_at), open = coalesce(?, open) WHERE thing = ?")
        .run(begunAt, open, thing),
    remove: (thing) => void raw.query("DELETE FROM alerts WHERE thing = ?").run(thing),
  };
}

function inodeOf(path: string): number {
  return existsSync(path) ? statSync(path).ino : 0;
}
