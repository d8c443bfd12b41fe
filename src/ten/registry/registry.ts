// The registry: the database and its copy in memory. Everything reads the copy; every write goes to the database first.
import type { Database } from "bun:sqlite";
import { and, desc, eq, gt, lt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/bun-sqlite";
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import type { Change } from "../../core/rollout.ts";
import type { Weights } from "../../core/weight.ts";
import { databaseFault, sqliteCode } from "../../platform/storage/database.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { sleep } from "../../platform/time/clock.ts";
import * as tables from "./schema.ts";

export type InstanceRow = Readonly<typeof tables.instances.$inferSelect>;
export type NewInstance = Omit<typeof tables.instances.$inferInsert, "seq">;
export type EventRow = Readonly<typeof tables.events.$inferSelect>;
export type TokenRow = Readonly<typeof tables.tokens.$inferSelect>;
/** What a supervisor notes about an instance that it did not decide: written when the disk allows. */
export type Observation = Partial<Omit<InstanceRow, "seq" | "service" | "id">>;

/** The writes that one transaction may make; the copy in memory follows when it has committed. */
export interface Writer {
  create(row: NewInstance): InstanceRow;
  update(row: InstanceRow, change: Observation): void;
  remove(row: InstanceRow): void;
  /** Forgets a service whose first instance could not be created, as if it had never been known. */
  forgetService(name: string): void;
  /** Sets weights by id (others keep theirs); a real change starts the service's selection counters anew and is recorded. */
  setWeights(service: string, weights: Weights, command: string): void;
  /** Begins or ends a service's maintenance, and records it. */
  setMaintenance(service: string, isOn: boolean): void;
  event(service: string, instance: string | null, kind: string, detail: string): void;
}

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
const RETRY_MS = 50;
const KEPT_CHANGES = 1_000;
const KEPT_EVENTS = 10_000;
/** Before the name of a service, in `meta`: it is under maintenance since then. */
const MAINTENANCE = "maintenance:";

/** `database` is open and migrated; it stays the caller's to close. `onTrouble` hears of writes that failed. */
export function createRegistry(
  database: Database,
  clock: Clock,
  onTrouble: (text: string) => void,
): Registry {
  // The event loop carries the traffic, so SQLite itself must not wait long for a lock: `write` does, in turns.
  database.run("PRAGMA busy_timeout = 20");
  const db = drizzle(database, { casing: "snake_case" });
  const rows = new Map<string, InstanceRow>();
  const epochs = new Map<string, number>();
  const maintenance = new Map<string, number>();
  const dirty = new Set<string>();
  let syncedFor: "decided" | "seen" | undefined;
  for (const row of db.select().from(tables.instances).orderBy(tables.instances.seq).all())
    rows.set(keyOf(row), row);
  for (const row of db.select().from(tables.services).all()) epochs.set(row.name, row.epoch);
  for (const { key, value } of db.select().from(tables.meta).all())
    if (key.startsWith(MAINTENANCE)) maintenance.set(key.slice(MAINTENANCE.length), Number(value));
  const id = readOrCreateId();

  function readOrCreateId(): string {
    const fresh = { key: "id", value: crypto.randomUUID().replaceAll("-", "").slice(0, 16) };
    db.insert(tables.meta).values(fresh).onConflictDoNothing().run();
    return db.select().from(tables.meta).where(eq(tables.meta.key, "id")).get()?.value ?? fresh.value;
  }

  function writerTo(effects: (() => void)[]): Writer {
    const writer: Writer = {
      create(values) {
        const row = db.insert(tables.instances).values(values).returning().get();
        ensureService(row.service, effects);
        effects.push(() => rows.set(keyOf(row), row));
        return row;
      },
      update(row, change) {
        db.update(tables.instances).set(change).where(eq(tables.instances.seq, row.seq)).run();
        effects.push(() => merge(row, change));
      },
      remove(row) {
        db.delete(tables.instances).where(eq(tables.instances.seq, row.seq)).run();
        effects.push(() => rows.delete(keyOf(row)));
      },
      forgetService(name) {
        db.delete(tables.services).where(eq(tables.services.name, name)).run();
        effects.push(() => epochs.delete(name));
      },
      setWeights(service, weights, command) {
        const before: Record<string, number> = {};
        const after: Record<string, number> = {};
        const current = db.select().from(tables.instances).where(eq(tables.instances.service, service)).all();
        for (const row of current) {
          const weight = weights.get(row.id) ?? weightKept(row);
          before[row.id] = row.weight;
          after[row.id] = weight;
          if (weight !== row.weight)
            writer.update(row, weight > 0 ? { weight, deploying: false } : { weight });
        }
        if (current.every((row) => after[row.id] === row.weight)) return;
        db.insert(tables.changes).values({ service, at: clock.now(), command, before, after }).run();
        const epoch = (epochs.get(service) ?? 0) + 1;
        db.update(tables.services).set({ epoch }).where(eq(tables.services.name, service)).run();
        effects.push(() => epochs.set(service, epoch));
      },
      setMaintenance(service, isOn) {
        const key = `${MAINTENANCE}${service}`;
        const since = clock.now();
        db.delete(tables.meta).where(eq(tables.meta.key, key)).run();
        if (isOn)
          db.insert(tables.meta)
            .values({ key, value: String(since) })
            .run();
        writer.event(service, null, "maintenance", isOn ? "on" : "off");
        effects.push(() => (isOn ? maintenance.set(service, since) : maintenance.delete(service)));
      },
      event: (service, instance, kind, detail) =>
        void db.insert(tables.events).values({ at: clock.now(), service, instance, kind, detail }).run(),
    };
    return writer;
  }

  function ensureService(name: string, effects: (() => void)[]): void {
    db.insert(tables.services).values({ name, epoch: 0 }).onConflictDoNothing().run();
    if (!epochs.has(name)) effects.push(() => epochs.set(name, epochs.get(name) ?? 0));
  }

  /**
   * One try: all of `work` or nothing, in the database and in memory. What was seen need not outlive a power failure, as
   * no process does; so it does not hold up the event loop until the disk has it.
   */
  function attempt<T>(kind: "decided" | "seen", work: (writer: Writer) => T): T {
    const effects: (() => void)[] = [];
    if (kind !== syncedFor) database.run(`PRAGMA synchronous = ${kind === "seen" ? "NORMAL" : "FULL"}`);
    syncedFor = kind;
    const result = database.transaction(() => work(writerTo(effects))).immediate();
    for (const effect of effects) effect();
    return result;
  }

  function merge(row: InstanceRow, change: Observation): void {
    const current = rows.get(keyOf(row));
    if (current?.seq === row.seq) rows.set(keyOf(row), { ...current, ...change });
  }

  function list(service?: string): InstanceRow[] {
    const all = [...rows.values()];
    return service === undefined ? all : all.filter((row) => row.service === service);
  }

  /** What SQLite refused as a Fault that names the database; everything else as it is. */
  function faultOf(thrown: unknown): unknown {
    if (sqliteCode(thrown) === "") return thrown;
    const { code, message, hint, cause } = databaseFault(thrown, database.filename);
    return new Fault(code, `${message}; nothing was changed`, hint, { cause });
  }

  function flush(kind: "decided" | "seen"): void {
    if (dirty.size === 0) return;
    attempt(kind, () => {
      for (const key of dirty) {
        const row = rows.get(key);
        if (row) db.update(tables.instances).set(row).where(eq(tables.instances.seq, row.seq)).run();
      }
    });
    dirty.clear();
  }

  function bestEffort(what: string, work: () => void): void {
    try {
      work();
    } catch (thrown) {
      onTrouble(`the registry could not take ${what}: ${thrown instanceof Error ? thrown.message : thrown}`);
    }
  }

  function prune(): void {
    const trim = (table: typeof tables.changes | typeof tables.events, kept: number) => {
      const newest = db.select({ seq: table.seq }).from(table).orderBy(desc(table.seq)).limit(1).get();
      if (newest)
        db.delete(table)
          .where(lt(table.seq, newest.seq - kept))
          .run();
    };
    trim(tables.changes, KEPT_CHANGES * Math.max(1, epochs.size));
    trim(tables.events, KEPT_EVENTS);
  }
  bestEffort("its clean-up", prune);

  return {
    id,
    list,
    find: (service, label) => rows.get(instanceName(service, label)),
    get(service, label) {
      const row = rows.get(instanceName(service, label));
      if (row) return row;
      const known = list(service).map((one) => one.id);
      throw new Fault(
        "not_found",
        `there is no instance ${instanceName(service, label)}`,
        known.length > 0
          ? `${service} has ${known.join(", ")}`
          : `start one: ten deploy ${service} --version ${label}`,
      );
    },
    epoch: (service) => epochs.get(service) ?? 0,
    knows: (service) => epochs.has(service),
    maintenance,
    async write(work) {
      const giveUpAt = clock.monotonic() + LOCKED_FOR_MS;
      for (;;) {
        try {
          return attempt("decided", work);
        } catch (thrown) {
          if (!isBusy(thrown) || clock.monotonic() >= giveUpAt) throw faultOf(thrown);
        }
        await sleep(clock, RETRY_MS);
      }
    },
    observe(row, seen) {
      merge(row, seen);
      dirty.add(keyOf(row));
      // That the restart policy leaves it stopped is decided: after a power failure it must not run once more.
      const kind = seen.desired === undefined ? "seen" : "decided";
      bestEffort(`the state of ${keyOf(row)}`, () => flush(kind));
    },
    note(service, instance, kind, detail) {
      bestEffort(`an event of ${service}`, () =>
        attempt("seen", (writer) => writer.event(service, instance, kind, detail)),
      );
    },
    history(service) {
      const found = db
        .select()
        .from(tables.changes)
        .where(eq(tables.changes.service, service))
        .orderBy(desc(tables.changes.seq))
        .limit(KEPT_CHANGES)
        .all();
      const toWeights = (record: Record<string, number>) => new Map(Object.entries(record));
      return found.map((change) => ({ before: toWeights(change.before), after: toWeights(change.after) }));
    },
    events({ after, limit }) {
      const where = after === undefined ? undefined : and(gt(tables.events.seq, after));
      return db
        .select()
        .from(tables.events)
        .where(where)
        .orderBy(desc(tables.events.seq))
        .limit(limit)
        .all()
        .reverse();
    },
    tokens: () => db.select().from(tables.tokens).all(),
    addToken: (hash, tenant) =>
      void db.insert(tables.tokens).values({ hash, tenant, createdAt: clock.now() }).run(),
    get unwritten() {
      return dirty.size;
    },
  };
}

function keyOf(row: { readonly service: string; readonly id: string }): string {
  return instanceName(row.service, row.id);
}

/** What ended by itself kept its weight for its return; once others are given theirs, it has none. */
function weightKept({ desired, weight }: InstanceRow): number {
  return desired === "stopped" ? 0 : weight;
}

function isBusy(thrown: unknown): boolean {
  return sqliteCode(thrown).startsWith("SQLITE_BUSY");
}
