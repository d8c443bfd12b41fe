// The registry: the database and its copy in memory. Everything reads the copy; every write goes to the database first.
import type { Database } from "bun:sqlite";
import { desc, eq, gt, lt } from "drizzle-orm";
import { type BunSQLiteDatabase, drizzle } from "drizzle-orm/bun-sqlite";
import { Fault, messageOf } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import type { Change } from "../../core/rollout.ts";
import { databaseFault, sqliteCode } from "../../platform/storage/database.ts";
import { waitBriefly, whileLocked } from "../../platform/storage/turns.ts";
import type { Clock } from "../../platform/time/clock.ts";
import * as tables from "./schema.ts";
import { Copy, type InstanceRow, keyOf, type Observation, RowWriter, type Writer } from "./writer.ts";

export type { InstanceRow, NewInstance, Observation, Writer } from "./writer.ts";
export type EventRow = Readonly<typeof tables.events.$inferSelect>;
export type TokenRow = Readonly<typeof tables.tokens.$inferSelect>;

export interface Registry {
  /** A random name of this registry, in every nonce: tells our processes from those of another data directory. */
  readonly id: string;
  /** All rows, oldest first; of one service when given. */
  list(service?: string): readonly InstanceRow[];
  find(service: string, id: string): InstanceRow | undefined;
  /** Like find, but a missing row is a not_found fault. */
  get(service: string, id: string): InstanceRow;
  epoch(service: string): number;
  /** Whether the registry has ever held an instance of the service. */
  knows(service: string): boolean;
  /** The services under maintenance, and since when, in milliseconds since the epoch. */
  readonly maintenance: ReadonlyMap<string, number>;
  /** Runs one transaction. While another process holds the database it is tried again, for 5 s; then a conflict fault. */
  write<T>(work: (writer: Writer) => T): Promise<T>;
  /** Notes what was seen. Never throws: what cannot be written now is written with the next observation that can. */
  observe(row: InstanceRow, seen: Observation): void;
  note(service: string, instance: string | null, kind: string, detail: string): void;
  history(service: string): readonly Change[];
  events(filter: { readonly after?: number; readonly limit: number }): readonly EventRow[];
  tokens(): readonly TokenRow[];
  addToken(hash: string, tenant: string | null): void;
  /** Observations that are not in the database yet. */
  readonly unwritten: number;
}

const LOCKED_FOR_MS = 5_000;
const KEPT_CHANGES = 1_000;
const KEPT_EVENTS = 10_000;

/** `database` is open and migrated; it stays the caller's to close. `onTrouble` hears of writes that failed. */
export function createRegistry(
  database: Database,
  clock: Clock,
  onTrouble: (text: string) => void,
): Registry {
  return new SqliteRegistry(database, clock, onTrouble);
}

class SqliteRegistry implements Registry {
  readonly id: string;
  readonly #database: Database;
  readonly #db: BunSQLiteDatabase;
  readonly #clock: Clock;
  readonly #onTrouble: (text: string) => void;
  readonly #copy: Copy;
  /** Rows that hold observations which are not in the database yet. */
  readonly #dirty = new Set<string>();
  #syncedFor: "decided" | "seen" | undefined;

  constructor(database: Database, clock: Clock, onTrouble: (text: string) => void) {
    waitBriefly(database);
    this.#database = database;
    this.#db = drizzle(database, { casing: "snake_case" });
    this.#clock = clock;
    this.#onTrouble = onTrouble;
    this.#copy = new Copy(this.#db);
    this.id = this.#readOrCreateId();
    this.#bestEffort("its clean-up", () => this.#prune());
  }

  get maintenance(): ReadonlyMap<string, number> {
    return this.#copy.maintenance;
  }

  get unwritten(): number {
    return this.#dirty.size;
  }

  list(service?: string): InstanceRow[] {
    const all = [...this.#copy.rows.values()];
    return service === undefined ? all : all.filter((row) => row.service === service);
  }

  find(service: string, id: string): InstanceRow | undefined {
    return this.#copy.rows.get(instanceName(service, id));
  }

  get(service: string, id: string): InstanceRow {
    const row = this.find(service, id);
    if (row) return row;
    const known = this.list(service).map((one) => one.id);
    throw new Fault(
      "not_found",
      `there is no instance ${instanceName(service, id)}`,
      known.length > 0
        ? `${service} has ${known.join(", ")}`
        : `start one: ten deploy ${service} --version ${id}`,
    );
  }

  epoch(service: string): number {
    return this.#copy.epochs.get(service) ?? 0;
  }

  knows(service: string): boolean {
    return this.#copy.epochs.has(service);
  }

  async write<T>(work: (writer: Writer) => T): Promise<T> {
    try {
      return await whileLocked(this.#clock, LOCKED_FOR_MS, () => this.#attempt("decided", work));
    } catch (thrown) {
      throw this.#faultOf(thrown);
    }
  }

  observe(row: InstanceRow, seen: Observation): void {
    this.#copy.merge(row, seen);
    this.#dirty.add(keyOf(row));
    // That the restart policy leaves it stopped is decided: after a power failure it must not run once more.
    const kind = seen.desired === undefined ? "seen" : "decided";
    this.#bestEffort(`the state of ${keyOf(row)}`, () => this.#flush(kind));
  }

  note(service: string, instance: string | null, kind: string, detail: string): void {
    this.#bestEffort(`an event of ${service}`, () =>
      this.#attempt("seen", (writer) => writer.event(service, instance, kind, detail)),
    );
  }

  history(service: string): readonly Change[] {
    const found = this.#db
      .select()
      .from(tables.changes)
      .where(eq(tables.changes.service, service))
      .orderBy(desc(tables.changes.seq))
      .limit(KEPT_CHANGES)
      .all();
    const toWeights = (record: Record<string, number>) => new Map(Object.entries(record));
    return found.map(({ seq, before, after }) => ({
      seq,
      before: toWeights(before),
      after: toWeights(after),
    }));
  }

  events({ after, limit }: { readonly after?: number; readonly limit: number }): readonly EventRow[] {
    return this.#db
      .select()
      .from(tables.events)
      .where(after === undefined ? undefined : gt(tables.events.seq, after))
      .orderBy(desc(tables.events.seq))
      .limit(limit)
      .all()
      .reverse();
  }

  tokens(): readonly TokenRow[] {
    return this.#db.select().from(tables.tokens).all();
  }

  addToken(hash: string, tenant: string | null): void {
    this.#db.insert(tables.tokens).values({ hash, tenant, createdAt: this.#clock.now() }).run();
  }

  #readOrCreateId(): string {
    const fresh = { key: "id", value: crypto.randomUUID().replaceAll("-", "").slice(0, 16) };
    this.#db.insert(tables.meta).values(fresh).onConflictDoNothing().run();
    const stored = this.#db.select().from(tables.meta).where(eq(tables.meta.key, "id")).get();
    return stored?.value ?? fresh.value;
  }

  /**
   * One try: all of `work` or nothing, in the database and in memory. What was seen need not outlive a power failure, as
   * no process does; so it does not hold up the event loop until the disk has it.
   */
  #attempt<T>(kind: "decided" | "seen", work: (writer: Writer) => T): T {
    const writer = new RowWriter(this.#db, this.#copy, this.#clock);
    if (kind !== this.#syncedFor)
      this.#database.run(`PRAGMA synchronous = ${kind === "seen" ? "NORMAL" : "FULL"}`);
    this.#syncedFor = kind;
    const result = this.#database.transaction(() => work(writer)).immediate();
    writer.commit();
    return result;
  }

  #flush(kind: "decided" | "seen"): void {
    if (this.#dirty.size === 0) return;
    this.#attempt(kind, () => {
      for (const key of this.#dirty) {
        const row = this.#copy.rows.get(key);
        if (row) this.#db.update(tables.instances).set(row).where(eq(tables.instances.seq, row.seq)).run();
      }
    });
    this.#dirty.clear();
  }

  #bestEffort(what: string, work: () => void): void {
    try {
      work();
    } catch (thrown) {
      this.#onTrouble(`the registry could not take ${what}: ${messageOf(thrown)}`);
    }
  }

  /** What SQLite refused as a Fault that names the database; everything else as it is. */
  #faultOf(thrown: unknown): unknown {
    if (sqliteCode(thrown) === "") return thrown;
    const { code, message, hint, cause } = databaseFault(thrown, this.#database.filename);
    return new Fault(code, `${message}; nothing was changed`, hint, { cause });
  }

  #prune(): void {
    const trim = (table: typeof tables.changes | typeof tables.events, kept: number) => {
      const newest = this.#db.select({ seq: table.seq }).from(table).orderBy(desc(table.seq)).limit(1).get();
      if (newest)
        this.#db
          .delete(table)
          .where(lt(table.seq, newest.seq - kept))
          .run();
    };
    trim(tables.changes, KEPT_CHANGES * Math.max(1, this.#copy.epochs.size));
    trim(tables.events, KEPT_EVENTS);
  }
}
