// The registry: the database and its copy in memory. Everything reads the copy; every write goes to the database first.
import type { Database } from "bun:sqlite";
import { existsSync, statSync } from "node:fs";
import { desc, eq, gt, lt } from "drizzle-orm";
import { type BunSQLiteDatabase, drizzle } from "drizzle-orm/bun-sqlite";
import type { SQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import { Fault, messageOf } from "../core/fault.ts";
import { type Clock, sleep } from "../platform/clock.ts";
import { databaseFault, sqliteCode } from "../platform/database.ts";
import { Copy, type Rows, type Statements } from "./copy.ts";
import { leanTenants } from "./lean.ts";
import * as tables from "./schema.ts";

export type ServerRow = Readonly<typeof tables.servers.$inferSelect>;
export type TenantRow = Readonly<typeof tables.tenants.$inferSelect>;
export type WebhookRow = Readonly<typeof tables.webhooks.$inferSelect>;
export type DeliveryRow = Readonly<typeof tables.deliveries.$inferSelect>;
export type AlertRow = Readonly<typeof tables.alerts.$inferSelect>;
export type EventRow = Readonly<typeof tables.events.$inferSelect>;

/** Whom an event is about. */
export interface Subject {
  readonly server?: string;
  readonly tenant?: string;
}

/** The writes that one transaction may make; the copy in memory follows when it has committed. */
export interface Writer {
  readonly servers: Rows<ServerRow, typeof tables.servers.$inferInsert>;
  readonly tenants: Rows<TenantRow, typeof tables.tenants.$inferInsert>;
  readonly webhooks: Rows<WebhookRow, typeof tables.webhooks.$inferInsert>;
  readonly deliveries: Rows<DeliveryRow, typeof tables.deliveries.$inferInsert>;
  readonly alerts: Rows<AlertRow, typeof tables.alerts.$inferInsert>;
  event(kind: string, subject: Subject, detail: string): void;
}

/** What routing needs, for a start without the database. */
export interface Known {
  readonly servers: readonly ServerRow[];
  readonly tenants: readonly TenantRow[];
}

export interface Registry extends Disposable {
  readonly servers: ReadonlyMap<string, ServerRow>;
  readonly tenants: ReadonlyMap<string, TenantRow>;
  readonly webhooks: ReadonlyMap<string, WebhookRow>;
  /** By `seq`: oldest first. */
  readonly deliveries: ReadonlyMap<number, DeliveryRow>;
  readonly alerts: ReadonlyMap<string, AlertRow>;
  /** Why the database could not be used the last time; undefined while all is well. */
  readonly trouble: string | undefined;
  /** Runs one transaction. While another process holds the database it is tried again, for 5 s; then a fault. */
  write<T>(work: (writer: Writer) => T): Promise<T>;
  /** One try without waiting. False when it could not be written: nothing has changed then, and `trouble` says why. */
  tryWrite(work: (writer: Writer) => unknown): boolean;
  /** Tells whether the database can be used, and opens it when it could not be opened so far. */
  probe(): void;
  events(filter: { readonly after?: number | undefined; readonly limit: number }): readonly EventRow[];
  /** Calls back for every event from now on, until the returned function is called. */
  onEvent(call: (event: EventRow) => void): () => void;
  /** Hashes of the tokens; the last ones read while the database cannot be. */
  tokens(): readonly string[];
  addToken(hash: string): void;
}

export interface RegistryOptions {
  readonly path: string;
  /** Opens and migrates; may throw each time. */
  readonly open: () => Database;
  readonly clock: Clock;
  /** What to go on with while the database cannot be opened; without it, a failure to open is thrown. */
  readonly fallback: Known | undefined;
  /** Heard when the database was opened after all: all copies may have changed. */
  readonly onOpen?: () => void;
}

const LOCKED_FOR_MS = 5_000;
const RETRY_MS = 50;
const KEPT_EVENTS = 10_000;
const PRUNE_EVERY = 1_000;
const PIECE = 1_000;

type Drizzle = BunSQLiteDatabase<Record<string, never>>;
interface Opened {
  readonly raw: Database;
  readonly db: Drizzle;
  readonly inode: number;
}

/** Opens the database; it is closed by disposing the registry. */
export function createRegistry({ path, open, clock, fallback, onOpen }: RegistryOptions): Registry {
  const servers = new Copy<ServerRow, typeof tables.servers.$inferInsert, string>(({ id }) => id);
  const tenants = new Copy<TenantRow, typeof tables.tenants.$inferInsert, string>(({ id }) => id);
  const webhooks = new Copy<WebhookRow, typeof tables.webhooks.$inferInsert, string>(({ id }) => id);
  const deliveries = new Copy<DeliveryRow, typeof tables.deliveries.$inferInsert, number>(({ seq }) => seq);
  const alerts = new Copy<AlertRow, typeof tables.alerts.$inferInsert, string>(({ thing }) => thing);
  const listeners = new Set<(event: EventRow) => void>();
  let opened: Opened | undefined;
  let trouble: string | undefined;
  let knownTokens: readonly string[] = [];
  let written = 0;

  function openNow(): Opened {
    const raw = open();
    // The event loop carries the traffic, so SQLite itself must not wait long for a lock: `write` does, in turns.
    raw.run("PRAGMA busy_timeout = 20");
    const db = drizzle(raw, { casing: "snake_case" });
    servers.load(db.select().from(tables.servers).orderBy(tables.servers.seq).all());
    tenants.load(readTenants(db));
    webhooks.load(db.select().from(tables.webhooks).orderBy(tables.webhooks.seq).all());
    deliveries.load(db.select().from(tables.deliveries).orderBy(tables.deliveries.seq).all());
    alerts.load(db.select().from(tables.alerts).all());
    return { raw, db, inode: inodeOf(path) };
  }

  /** The open database, or the fault that says why there is none. */
  function usable(): Opened {
    if (opened) {
      // A file that was removed would take writes that nobody ever reads again.
      if (inodeOf(path) === opened.inode) return opened;
      throw new Fault(
        "internal",
        `the registry ${path} is gone from its place; nothing was changed`,
        "put it back, or restart slum; routing goes on",
      );
    }
    opened = openNow();
    onOpen?.();
    return opened;
  }

  function writerTo(db: Drizzle, effects: (() => void)[]): Writer {
    return {
      servers: servers.writer(statementsOf(db, tables.servers, tables.servers.id), effects),
      tenants: tenants.writer(statementsOf(db, tables.tenants, tables.tenants.id), effects),
      webhooks: webhooks.writer(statementsOf(db, tables.webhooks, tables.webhooks.id), effects),
      deliveries: deliveries.writer(statementsOf(db, tables.deliveries, tables.deliveries.seq), effects),
      alerts: alerts.writer(statementsOf(db, tables.alerts, tables.alerts.thing), effects),
      event(kind, { server = null, tenant = null }, detail) {
        const row = db
          .insert(tables.events)
          .values({ at: clock.now(), kind, server, tenant, detail })
          .returning()
          .get();
        if (++written % PRUNE_EVERY === 0)
          db.delete(tables.events)
            .where(lt(tables.events.seq, row.seq - KEPT_EVENTS))
            .run();
        effects.push(() => {
          for (const listener of listeners) listener(row);
        });
      },
    };
  }

  /** One try: all of `work` or nothing, in the database and in memory. */
  function attempt<T>(work: (writer: Writer) => T): T {
    const effects: (() => void)[] = [];
    try {
      const { raw, db } = usable();
      const result = raw.transaction(() => work(writerTo(db, effects))).immediate();
      trouble = undefined;
      for (const effect of effects) effect();
      return result;
    } catch (thrown) {
      if (isOurs(thrown)) trouble = messageOf(faultOf(thrown));
      throw thrown;
    }
  }

  /** Whether what was thrown is the database's doing, and not a refusal by `work`. */
  function isOurs(thrown: unknown): boolean {
    return sqliteCode(thrown) !== "" || (thrown instanceof Fault && thrown.code === "internal") || !opened;
  }

  function faultOf(thrown: unknown): unknown {
    return sqliteCode(thrown) === "" ? thrown : databaseFault(thrown, path);
  }

  try {
    opened = openNow();
  } catch (thrown) {
    if (!fallback) throw thrown;
    trouble = messageOf(thrown);
    servers.load(fallback.servers);
    tenants.load(fallback.tenants);
  }

  return {
    servers: servers.rows,
    tenants: tenants.rows,
    webhooks: webhooks.rows,
    deliveries: deliveries.rows,
    alerts: alerts.rows,
    get trouble() {
      return trouble;
    },
    async write(work) {
      const giveUpAt = clock.monotonic() + LOCKED_FOR_MS;
      for (;;) {
        try {
          return attempt(work);
        } catch (thrown) {
          const isBusy = /^SQLITE_(BUSY|LOCKED)/.test(sqliteCode(thrown));
          if (!isBusy || clock.monotonic() >= giveUpAt) throw faultOf(thrown);
        }
        await sleep(clock, RETRY_MS);
      }
    },
    tryWrite(work) {
      try {
        attempt(work);
        return true;
      } catch (thrown) {
        if (isOurs(thrown)) return false;
        throw thrown;
      }
    },
    probe() {
      const before = trouble;
      // A full disk lets transactions begin: only one that writes shows that it is over.
      this.tryWrite((writer) => before !== undefined && writer.event("registry.back", {}, before));
    },
    events({ after, limit }) {
      const { db } = usable();
      const where = after === undefined ? undefined : gt(tables.events.seq, after);
      const found = db
        .select()
        .from(tables.events)
        .where(where)
        .orderBy(desc(tables.events.seq))
        .limit(limit);
      return found.all().reverse();
    },
    onEvent(call) {
      listeners.add(call);
      return () => listeners.delete(call);
    },
    tokens() {
      try {
        knownTokens = usable()
          .db.select()
          .from(tables.tokens)
          .all()
          .map(({ hash }) => hash);
      } catch {
        // The last ones that were read go on to count.
      }
      return knownTokens;
    },
    addToken: (hash) => void usable().db.insert(tables.tokens).values({ hash, createdAt: clock.now() }).run(),
    [Symbol.dispose]: () => opened?.raw.close(),
  };
}

/** There may be a hundred thousand: read in pieces, and each kept as small as it can be. */
function* readTenants(db: Drizzle): Generator<TenantRow> {
  const { seq } = tables.tenants;
  const lean = leanTenants();
  for (let last = 0; ; ) {
    const piece = db.select().from(tables.tenants).where(gt(seq, last)).orderBy(seq).limit(PIECE).all();
    yield* piece.map(lean);
    if (piece.length < PIECE) return;
    last = piece.at(-1)?.seq ?? last;
  }
}

function statementsOf<Row, New, Key>(
  db: Drizzle,
  table: SQLiteTable,
  key: SQLiteColumn,
): Statements<Row, New, Key> {
  return {
    all: () => db.select().from(table).all() as Row[],
    insert: (values) =>
      db
        .insert(table)
        .values(values as never)
        .returning()
        .get() as Row,
    update: (at, change) =>
      void db
        .update(table)
        .set(change as never)
        .where(eq(key, at))
        .run(),
    remove: (at) => void db.delete(table).where(eq(key, at)).run(),
  };
}

function inodeOf(path: string): number {
  return existsSync(path) ? statSync(path).ino : 0;
}
