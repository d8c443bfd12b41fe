// The registry: the database and its copy in memory. Everything reads the copy; every write goes to the database first.
import type { Database } from "bun:sqlite";
import { and, desc, eq, gt, gte, inArray, lt } from "drizzle-orm";
import { type BunSQLiteDatabase, drizzle } from "drizzle-orm/bun-sqlite";
import type { Acting, Actor } from "../../api/acting.ts";
import type { TokenTable } from "../../api/tokens.ts";
import { Fault, messageOf } from "../../core/fault.ts";
import type { Rollout } from "../../core/judge/rollout-state.ts";
import { instanceName } from "../../core/name.ts";
import type { Change } from "../../core/rollout.ts";
import { databaseFault, sqliteCode } from "../../platform/storage/database.ts";
import type { SecretBox } from "../../platform/storage/secret-box.ts";
import { onDisk, syncBeside, waitBriefly, whileLocked } from "../../platform/storage/turns.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { AlertRow } from "../../webhooks/registry/tables.ts";
import { forgetChanges, forgetEvents, KEPT_CHANGES } from "./forget-old.ts";
import * as tables from "./schema.ts";
import { createWebhookStore, type TenWebhookStore } from "./webhook-store.ts";
import {
  Copy,
  type EventRow,
  type InstanceRow,
  keyOf,
  type LinkRow,
  type Observation,
  type RolloutRow,
  RowWriter,
  type ShadowRow,
  type ShippedRow,
  type Writer,
} from "./writer.ts";

export type {
  EventRow,
  InstanceRow,
  LinkRow,
  NewInstance,
  Observation,
  RolloutRow,
  ShadowRow,
  ShippedRow,
  Writer,
} from "./writer.ts";

/** Which events are asked for; all that are given have to fit. */
export interface EventFilter {
  readonly after?: number | undefined;
  readonly sinceMs?: number | undefined;
  readonly service?: string | undefined;
  readonly kind?: string | undefined;
  readonly actor?: string | undefined;
  /** The only services whose events are meant; undefined: all, and those of none. */
  readonly services?: readonly string[] | undefined;
  /** The newest so many. */
  readonly limit: number;
}

/** A change of a service's weights, as it was commanded. */
export interface HistoryRow extends Change {
  readonly at: number;
  readonly command: string;
  /** Null: nobody; the server did it. */
  readonly actor: string | null;
}

export interface Registry {
  /** A random name of this registry, in every nonce: tells our processes from those of another data directory. */
  readonly id: string;
  /** Whether it is older than `selector_from`: then who is trusted may route by the field, until the file says who may. */
  readonly isOlderThanSelectors: boolean;
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
  /** Notes what somebody was refused or failed to do, without a service of its own. Never throws. */
  audit(kind: string, detail: string): void;
  /** Newest first. */
  history(service: string, limit?: number): readonly HistoryRow[];
  /** Oldest first. */
  events(filter: EventFilter): readonly EventRow[];
  /** Calls back for every event from now on, until the returned function is called. */
  onEvent(call: (event: EventRow) => void): () => void;
  readonly tokens: TokenTable;
  /** Resolves when all that was written would outlive a power failure: to be awaited before what cannot be undone. Throws as `onDisk`. */
  kept(): Promise<void>;
  /** Receivers of webhooks and what waits for them. */
  readonly outbox: TenWebhookStore;
  /** Things whose beginning was announced, open until their end was: `instance api:v1`. */
  readonly alerts: ReadonlyMap<string, AlertRow>;
  /** The rollouts under way, by service. */
  readonly rollouts: ReadonlyMap<string, RolloutRow>;
  /** Links to single instances, by service; some may be over. */
  readonly links: ReadonlyMap<string, readonly LinkRow[]>;
  /** The builds that were shipped and may be started, oldest first; of one service when given. */
  shipped(service?: string): readonly ShippedRow[];
  /** Copies of requests, by service: those that go on, or the last that were made. */
  readonly shadows: ReadonlyMap<string, ShadowRow>;
  /** What they have led to; like `observe`. */
  observeShadow(row: ShadowRow): void;
  /** How a rollout goes on; like `observe`. */
  observeRollout(row: RolloutRow, state: Rollout): void;
  /** Those that have ended too, newest first. */
  rolloutHistory(service: string, limit: number): readonly RolloutRow[];
  /** Observations that are not in the database yet. */
  readonly unwritten: number;
}

const LOCKED_FOR_MS = 5_000;
/** Events are forgotten as new ones come, a few at a time: nothing else can be done meanwhile. */
const PRUNE_EVERY = 200;

/**
 * `database` is open and migrated; it stays the caller's to close. `onTrouble` hears of writes that failed. What is written
 * counts as written by whom `acting` names at that moment. `syncsBeside`: no commit waits for the disk, and who answers that
 * something was done waits for that himself. `box` seals the secrets of receivers of webhooks.
 */
export function createRegistry(
  database: Database,
  clock: Clock,
  onTrouble: (text: string) => void,
  acting: Pick<Acting, "current"> = { current: () => undefined },
  syncsBeside = false,
  box?: SecretBox,
): Registry {
  return new SqliteRegistry(database, clock, onTrouble, acting, syncsBeside, box);
}

class SqliteRegistry implements Registry {
  readonly id: string;
  readonly isOlderThanSelectors: boolean;
  readonly #database: Database;
  readonly #db: BunSQLiteDatabase;
  readonly #clock: Clock;
  readonly #onTrouble: (text: string) => void;
  readonly #copy: Copy;
  /** Rows that hold observations which are not in the database yet. */
  readonly #dirty = new Set<string>();
  readonly #acting: Pick<Acting, "current">;
  readonly #listeners = new Set<(event: EventRow) => void>();
  readonly tokens: TokenTable;
  readonly #syncsBeside: boolean;
  readonly outbox: TenWebhookStore;
  #syncedFor: "decided" | "seen" | undefined;
  #eventsWritten = 0;

  constructor(
    database: Database,
    clock: Clock,
    onTrouble: (text: string) => void,
    acting: Pick<Acting, "current">,
    syncsBeside: boolean,
    box: SecretBox | undefined,
  ) {
    waitBriefly(database);
    if (syncsBeside) syncBeside(database);
    this.#syncsBeside = syncsBeside;
    this.#database = database;
    this.#db = drizzle(database, { casing: "snake_case" });
    this.#clock = clock;
    this.#onTrouble = onTrouble;
    this.#acting = acting;
    this.#bestEffort("its clean-up", () =>
      this.#db.delete(tables.links).where(lt(tables.links.expiresAt, clock.now())).run(),
    );
    this.#copy = new Copy(database, this.#db, box);
    this.tokens = this.#tokenTable();
    this.outbox = createWebhookStore({
      tables: this.#copy.outbox,
      write: (work) => this.write(work),
      attempt: (work) => this.#attempt("seen", work),
      now: clock.now,
    });
    this.id = this.#readOrCreateId();
    const age = this.#db.select().from(tables.meta).where(eq(tables.meta.key, "older_than")).get();
    this.isOlderThanSelectors = age !== undefined;
    this.#bestEffort("its clean-up", () => forgetChanges(this.#db, this.#copy.epochs.size));
  }

  get maintenance(): ReadonlyMap<string, number> {
    return this.#copy.maintenance;
  }

  get alerts(): ReadonlyMap<string, AlertRow> {
    return this.#copy.outbox.alerts;
  }

  get unwritten(): number {
    return this.#dirty.size;
  }

  get rollouts(): ReadonlyMap<string, RolloutRow> {
    return this.#copy.rollouts;
  }

  get links(): ReadonlyMap<string, readonly LinkRow[]> {
    return this.#copy.links;
  }

  shipped(service?: string): readonly ShippedRow[] {
    const all = [...this.#copy.shipped.values()];
    return service === undefined ? all : all.filter((row) => row.service === service);
  }

  get shadows(): ReadonlyMap<string, ShadowRow> {
    return this.#copy.shadows;
  }

  observeShadow(row: ShadowRow): void {
    if (this.#copy.shadows.get(row.service)?.run !== row.run) return;
    this.#copy.shadows.set(row.service, row);
    this.#bestEffort(`the shadow of ${row.service}`, () =>
      this.#attempt("seen", (writer) => writer.setShadow(row)),
    );
  }

  observeRollout(row: RolloutRow, state: Rollout): void {
    this.#copy.mergeRollout(row, { state });
    this.#bestEffort(`the rollout of ${row.service}`, () =>
      this.#attempt("seen", (writer) => writer.updateRollout(row, { state })),
    );
  }

  rolloutHistory(service: string, limit: number): readonly RolloutRow[] {
    const { rollouts } = tables;
    return this.#db
      .select()
      .from(rollouts)
      .where(eq(rollouts.service, service))
      .orderBy(desc(rollouts.seq))
      .limit(limit)
      .all();
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
      return await whileLocked(this.#clock, LOCKED_FOR_MS, () =>
        this.#attempt("decided", work, this.#acting.current()),
      );
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
    if (kind === "decided") this.kept().catch((thrown) => this.#onTrouble(messageOf(thrown)));
  }

  async kept(): Promise<void> {
    if (this.#syncsBeside) await onDisk(this.#database.filename);
  }

  note(service: string, instance: string | null, kind: string, detail: string): void {
    this.#bestEffort(`an event of ${service}`, () =>
      this.#attempt("seen", (writer) => writer.event(service, instance, kind, detail)),
    );
  }

  audit(kind: string, detail: string): void {
    const actor = this.#acting.current();
    this.#bestEffort(`an event of ${actor?.principal.name}`, () =>
      this.#attempt("seen", (writer) => writer.event("", null, kind, detail), actor),
    );
  }

  history(service: string, limit = KEPT_CHANGES): readonly HistoryRow[] {
    const found = this.#db
      .select()
      .from(tables.changes)
      .where(eq(tables.changes.service, service))
      .orderBy(desc(tables.changes.seq))
      .limit(limit)
      .all();
    const toWeights = (record: Record<string, number>) => new Map(Object.entries(record));
    return found.map(({ seq, at, command, actor, before, after }) => ({
      seq,
      at,
      command,
      actor,
      before: toWeights(before),
      after: toWeights(after),
    }));
  }

  events({ after, sinceMs, service, kind, actor, services, limit }: EventFilter): readonly EventRow[] {
    const { events } = tables;
    const wanted = [
      after === undefined ? undefined : gt(events.seq, after),
      sinceMs === undefined ? undefined : gte(events.at, sinceMs),
      service === undefined ? undefined : eq(events.service, service),
      kind === undefined ? undefined : eq(events.kind, kind),
      actor === undefined ? undefined : eq(events.actor, actor),
      services === undefined ? undefined : inArray(events.service, [...services]),
    ];
    const found = this.#db
      .select()
      .from(events)
      .where(and(...wanted));
    return found.orderBy(desc(events.seq)).limit(limit).all().reverse();
  }

  onEvent(call: (event: EventRow) => void): () => void {
    this.#listeners.add(call);
    return () => this.#listeners.delete(call);
  }

  #tokenTable(): TokenTable {
    const { tokens } = this.#copy;
    return {
      rows: () => tokens.rows,
      write: (work) =>
        this.write((writer) =>
          work({
            add: (row) => writer.tokens.add(row),
            change: (hash, change) => writer.tokens.change(hash, change),
            remove: (hash) => writer.tokens.remove(hash),
            event: (kind, detail) => writer.event("", null, kind, detail),
          }),
        ),
      note: (seen) =>
        this.#bestEffort("the last use of tokens", () =>
          this.#attempt("seen", (writer) => {
            for (const [hash, change] of seen) writer.tokens.change(hash, change);
          }),
        ),
    };
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
  #attempt<T>(kind: "decided" | "seen", work: (writer: Writer) => T, actor?: Actor): T {
    const tell = (event: EventRow) => this.#tell(event);
    const writer = new RowWriter(this.#db, this.#copy, this.#clock, actor, tell);
    if (kind !== this.#syncedFor && !this.#syncsBeside)
      this.#database.run(`PRAGMA synchronous = ${kind === "seen" ? "NORMAL" : "FULL"}`);
    this.#syncedFor = kind;
    try {
      const result = this.#database.transaction(() => work(writer)).immediate();
      writer.commit();
      return result;
    } catch (thrown) {
      this.#copy.tokens.forget();
      throw thrown;
    }
  }

  #tell(event: EventRow): void {
    for (const listener of this.#listeners) listener(event);
    this.#eventsWritten += 1;
    if (this.#eventsWritten % PRUNE_EVERY === 0)
      this.#bestEffort("its clean-up", () => forgetEvents(this.#db, event.seq, this.#clock.now()));
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
}
