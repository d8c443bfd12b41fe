// The writes of one transaction, and the copy in memory that follows each of them once it has committed.
import type { Database } from "bun:sqlite";
import { and, eq, isNull, max } from "drizzle-orm";
import type { BunSQLiteDatabase } from "drizzle-orm/bun-sqlite";
import type { Actor } from "../../api/acting.ts";
import { type Principal, requireService } from "../../api/principal.ts";
import { instanceName } from "../../core/name.ts";
import type { Weights } from "../../core/weight.ts";
import type { SecretBox } from "../../platform/storage/secret-box.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { type OutboxRows, OutboxTables } from "./outbox-tables.ts";
import {
  requireInstance,
  requireNew,
  requireVersion,
  requireWeight,
  requireWholeService,
} from "./permission.ts";
import * as tables from "./schema.ts";
import { TokenCopy } from "./token-table.ts";

export type InstanceRow = Readonly<typeof tables.instances.$inferSelect>;
export type EventRow = Readonly<typeof tables.events.$inferSelect>;
export type ShadowRow = tables.ShadowRow;
export type RolloutRow = Readonly<typeof tables.rollouts.$inferSelect>;
export type LinkRow = Readonly<typeof tables.links.$inferSelect>;
export type ShippedRow = Readonly<typeof tables.shipped.$inferSelect>;
export type NewRollout = Omit<typeof tables.rollouts.$inferInsert, "seq">;
export type NewInstance = Omit<typeof tables.instances.$inferInsert, "seq">;
/** What a supervisor notes about an instance that it did not decide: written when the disk allows. */
export type Observation = Partial<Omit<InstanceRow, "seq" | "service" | "id">>;

/** The writes that one transaction may make; the copy in memory follows when it has committed. */
export interface Writer {
  /** It counts as deployed now. */
  create(row: Omit<NewInstance, "deployed" | "deployedAfter">): InstanceRow;
  update(row: InstanceRow, change: Observation): void;
  /**
   * They were deployed, or spawned, together, now: after all others of the registry. With `anew` a life of theirs begins, and
   * what they took before is no concern of it.
   */
  markDeployed(rows: readonly InstanceRow[], anew: boolean): void;
  remove(row: InstanceRow): void;
  /** Forgets a service whose first instance could not be created, as if it had never been known. */
  forgetService(name: string): void;
  /** Sets weights by id (others keep theirs); a real change starts the service's selection counters anew and is recorded. */
  setWeights(service: string, weights: Weights, command: string): void;
  /** Begins or ends a service's maintenance, and records it. */
  setMaintenance(service: string, isOn: boolean): void;
  /** Begins copies of a service's requests, or says how they go on; in the place of those before. */
  setShadow(row: ShadowRow): void;
  /** At most one of a service is under way. */
  beginRollout(values: NewRollout): RolloutRow;
  /** Goes on, or ends: see `endedAt`. */
  updateRollout(row: RolloutRow, change: Partial<Omit<RolloutRow, "seq" | "service">>): void;
  /** A build is there, whole and set up. */
  addShipped(values: Omit<ShippedRow, "seq" | "at" | "actor">): ShippedRow;
  removeShipped(row: ShippedRow, reason: string): void;
  addLink(values: Omit<LinkRow, "seq">): void;
  removeLinks(service: string, label: string): void;
  /** On behalf of whom it was, if of anybody. Of weights also what they were and are. */
  event(service: string, instance: string | null, kind: string, detail: string, weights?: WeightChange): void;
  readonly tokens: Pick<TokenCopy, "add" | "change" | "remove">;
  /** Receivers of webhooks and what waits for them; events get there by themselves: see alert-kinds. */
  readonly outbox: OutboxRows;
}

/** The weights of a service's instances, by id. */
interface WeightChange {
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
}

/** Before the name of a service, in `meta`: it is under maintenance since then. */
const MAINTENANCE = "maintenance:";
/** The same, and its copies as JSON. */
const SHADOW = "shadow:";

/** All that is asked for often, as the database has it. */
export class Copy {
  readonly tokens: TokenCopy;
  readonly outbox: OutboxTables;
  /** By name, oldest first. */
  readonly rows = new Map<string, InstanceRow>();
  readonly epochs = new Map<string, number>();
  /** Since when, in milliseconds since the epoch. */
  readonly maintenance = new Map<string, number>();
  /** Those under way, by service. */
  readonly rollouts = new Map<string, RolloutRow>();

  /** Builds that were shipped, by service and version, oldest first. */
  readonly shipped = new Map<string, ShippedRow>();

  /** Those that have ended too, by service. */
  readonly shadows = new Map<string, ShadowRow>();

  /** Links by service, those that are over included. */
  readonly links = new Map<string, readonly LinkRow[]>();

  constructor(database: Database, db: BunSQLiteDatabase, box: SecretBox | undefined) {
    this.tokens = new TokenCopy(database, db);
    this.outbox = new OutboxTables(db, box);
    for (const row of db.select().from(tables.links).all())
      this.links.set(row.service, [...(this.links.get(row.service) ?? []), row]);
    for (const row of db.select().from(tables.instances).orderBy(tables.instances.seq).all())
      this.rows.set(keyOf(row), row);
    for (const row of db.select().from(tables.shipped).orderBy(tables.shipped.seq).all())
      this.shipped.set(shippedKey(row), row);
    for (const row of db.select().from(tables.services).all()) this.epochs.set(row.name, row.epoch);
    for (const { key, value } of db.select().from(tables.meta).all())
      if (key.startsWith(MAINTENANCE)) this.maintenance.set(key.slice(MAINTENANCE.length), Number(value));
      else if (key.startsWith(SHADOW)) this.shadows.set(key.slice(SHADOW.length), JSON.parse(value));
    for (const row of db.select().from(tables.rollouts).where(isNull(tables.rollouts.endedAt)).all())
      this.rollouts.set(row.service, row);
  }

  /** Of a row that has been removed, or made anew, nothing is kept. */
  merge(row: InstanceRow, change: Observation): void {
    const current = this.rows.get(keyOf(row));
    if (current?.seq === row.seq) this.rows.set(keyOf(row), { ...current, ...change });
  }

  /** One that has ended is none of those under way. */
  mergeRollout({ seq, service }: RolloutRow, change: Partial<RolloutRow>): void {
    const current = this.rollouts.get(service);
    if (current?.seq !== seq) return;
    if (typeof change.endedAt === "number") this.rollouts.delete(service);
    else this.rollouts.set(service, { ...current, ...change });
  }
}

/**
 * For one transaction: `commit` is to be called when it has committed. What `actor` may not write is refused here, whatever
 * operation it comes from; what is written on its behalf is told of in an event.
 */
export class RowWriter implements Writer {
  readonly #db: BunSQLiteDatabase;
  readonly #copy: Copy;
  readonly #clock: Clock;
  readonly #actor: Actor | undefined;
  readonly #onEvent: (row: EventRow) => void;
  readonly #effects: (() => void)[] = [];
  readonly outbox: OutboxRows;

  constructor(
    db: BunSQLiteDatabase,
    copy: Copy,
    clock: Clock,
    actor: Actor | undefined,
    onEvent: (row: EventRow) => void,
  ) {
    this.#db = db;
    this.#copy = copy;
    this.#clock = clock;
    this.#actor = actor;
    this.#onEvent = onEvent;
    this.outbox = copy.outbox.rows(this.#effects);
  }

  get tokens(): TokenCopy {
    return this.#copy.tokens;
  }

  commit(): void {
    for (const effect of this.#effects) effect();
  }

  create(values: Omit<NewInstance, "deployed" | "deployedAfter">): InstanceRow {
    if (this.#actor) {
      requireNew(this.#actor.principal, values);
      this.event(values.service, values.id, "created", `version ${values.version}`);
    }
    const row = this.#db
      .insert(tables.instances)
      .values({ ...values, ...this.#deployedNow() })
      .returning()
      .get();
    this.#ensureService(row.service);
    this.#effects.push(() => this.#copy.rows.set(keyOf(row), row));
    return row;
  }

  update(row: InstanceRow, change: Observation): void {
    if (this.#actor) this.#require(this.#actor.principal, row, change);
    this.#set(row, change);
  }

  markDeployed(rows: readonly InstanceRow[], anew: boolean): void {
    const { deployed, deployedAfter } = this.#deployedNow();
    for (const row of rows) this.update(row, anew ? { deployed, deployedAfter } : { deployed });
  }

  remove(row: InstanceRow): void {
    this.event(row.service, row.id, "removed", row.reason);
    this.#db.delete(tables.instances).where(eq(tables.instances.seq, row.seq)).run();
    this.#effects.push(() => this.#copy.rows.delete(keyOf(row)));
  }

  forgetService(name: string): void {
    this.#db.delete(tables.services).where(eq(tables.services.name, name)).run();
    this.#effects.push(() => this.#copy.epochs.delete(name));
  }

  setWeights(service: string, weights: Weights, command: string): void {
    const before: Record<string, number> = {};
    const after: Record<string, number> = {};
    const { instances } = tables;
    const current = this.#db.select().from(instances).where(eq(instances.service, service)).all();
    for (const row of current) {
      const weight = weights.get(row.id) ?? weightKept(row);
      before[row.id] = row.weight;
      after[row.id] = weight;
      if (this.#actor) requireWeight(this.#actor.principal, row, row.weight, weight);
      if (weight !== row.weight) this.#set(row, weight > 0 ? { weight, deploying: false } : { weight });
    }
    if (current.every((row) => after[row.id] === row.weight)) return;
    const at = this.#clock.now();
    const actor = this.#actor?.principal.name ?? null;
    this.#db.insert(tables.changes).values({ service, at, command, before, after, actor }).run();
    this.event(service, null, "traffic", command, { before, after });
    const epoch = (this.#copy.epochs.get(service) ?? 0) + 1;
    this.#db.update(tables.services).set({ epoch }).where(eq(tables.services.name, service)).run();
    this.#effects.push(() => this.#copy.epochs.set(service, epoch));
  }

  setMaintenance(service: string, isOn: boolean): void {
    if (this.#actor) requireWholeService(this.#actor.principal, service);
    const key = `${MAINTENANCE}${service}`;
    const since = this.#clock.now();
    const { maintenance } = this.#copy;
    this.#db.delete(tables.meta).where(eq(tables.meta.key, key)).run();
    if (isOn)
      this.#db
        .insert(tables.meta)
        .values({ key, value: String(since) })
        .run();
    this.event(service, null, "maintenance", isOn ? "on" : "off");
    this.#effects.push(() => (isOn ? maintenance.set(service, since) : maintenance.delete(service)));
  }

  setShadow(row: ShadowRow): void {
    if (this.#actor) requireWholeService(this.#actor.principal, row.service);
    const key = `${SHADOW}${row.service}`;
    const value = JSON.stringify(row);
    this.#db
      .insert(tables.meta)
      .values({ key, value })
      .onConflictDoUpdate({ target: tables.meta.key, set: { value } })
      .run();
    this.#effects.push(() => this.#copy.shadows.set(row.service, row));
  }

  beginRollout(values: NewRollout): RolloutRow {
    const row = this.#db.insert(tables.rollouts).values(values).returning().get();
    this.#effects.push(() => this.#copy.rollouts.set(row.service, row));
    return row;
  }

  updateRollout(row: RolloutRow, change: Partial<RolloutRow>): void {
    this.#db.update(tables.rollouts).set(change).where(eq(tables.rollouts.seq, row.seq)).run();
    this.#effects.push(() => this.#copy.mergeRollout(row, change));
  }

  addShipped(values: Omit<ShippedRow, "seq" | "at" | "actor">): ShippedRow {
    if (this.#actor) requireWholeService(this.#actor.principal, values.service);
    const { service, version, digest, bytes } = values;
    const made = { ...values, at: this.#clock.now(), actor: this.#actor?.principal.name ?? null };
    const row = this.#db.insert(tables.shipped).values(made).returning().get();
    this.event(service, null, "shipped", `version ${version}, ${bytes} bytes, ${digest}`);
    this.#effects.push(() => this.#copy.shipped.set(shippedKey(row), row));
    return row;
  }

  removeShipped(row: ShippedRow, reason: string): void {
    if (this.#actor) requireWholeService(this.#actor.principal, row.service);
    this.#db.delete(tables.shipped).where(eq(tables.shipped.seq, row.seq)).run();
    this.event(row.service, null, "release.removed", `version ${row.version}: ${reason}`);
    this.#effects.push(() => this.#copy.shipped.delete(shippedKey(row)));
  }

  addLink(values: Omit<LinkRow, "seq">): void {
    const row = this.#db.insert(tables.links).values(values).returning().get();
    const { links } = this.#copy;
    this.#effects.push(() => links.set(row.service, [...(links.get(row.service) ?? []), row]));
  }

  removeLinks(service: string, label: string): void {
    const { links } = tables;
    this.#db
      .delete(links)
      .where(and(eq(links.service, service), eq(links.label, label)))
      .run();
    const known = this.#copy.links;
    this.#effects.push(() => {
      const left = (known.get(service) ?? []).filter((row) => row.label !== label);
      if (left.length > 0) known.set(service, left);
      else known.delete(service);
    });
  }

  event(
    service: string,
    instance: string | null,
    kind: string,
    detail: string,
    weights?: WeightChange,
  ): void {
    const { principal, from = null, operation = null } = this.#actor ?? {};
    if (principal && instance !== null) requireInstance(principal, { service, id: instance });
    else if (principal && service !== "") requireService(principal, service);
    const values = { at: this.#clock.now(), service, instance, kind, detail, ...weights };
    const row = this.#db
      .insert(tables.events)
      .values({ ...values, actor: principal?.name ?? null, origin: from, operation })
      .returning()
      .get();
    this.#copy.outbox.announce(this.outbox, row, (kind, _, detail) => this.event("", null, kind, detail));
    this.#effects.push(() => this.#onEvent(row));
  }

  #require(principal: Principal, row: InstanceRow, change: Observation): void {
    requireInstance(principal, row);
    requireWeight(principal, row, row.weight, change.weight ?? row.weight);
    if (change.version !== undefined)
      requireVersion(principal, { ...row, version: change.version }, row.version);
    const { desired = row.desired, version = row.version, weight = row.weight } = change;
    if (desired === row.desired && version === row.version && weight === row.weight) return;
    const kind = desired === row.desired ? "changed" : desired === "running" ? "start" : "stop";
    const part = weight === row.weight ? "" : `, weight ${row.weight / 100} -> ${weight / 100}`;
    this.event(row.service, row.id, kind, `version ${version}${part}`);
  }

  #set(row: InstanceRow, change: Observation): void {
    this.#db.update(tables.instances).set(change).where(eq(tables.instances.seq, row.seq)).run();
    this.#effects.push(() => this.#copy.merge(row, change));
  }

  #deployedNow(): { deployed: number; deployedAfter: number } {
    const { instances, changes } = tables;
    const newest = this.#db
      .select({ deployed: max(instances.deployed) })
      .from(instances)
      .get();
    const last = this.#db
      .select({ seq: max(changes.seq) })
      .from(changes)
      .get();
    return { deployed: (newest?.deployed ?? 0) + 1, deployedAfter: last?.seq ?? 0 };
  }

  #ensureService(name: string): void {
    const { epochs } = this.#copy;
    this.#db.insert(tables.services).values({ name, epoch: 0 }).onConflictDoNothing().run();
    if (!epochs.has(name)) this.#effects.push(() => epochs.set(name, epochs.get(name) ?? 0));
  }
}

export function keyOf(row: { readonly service: string; readonly id: string }): string {
  return instanceName(row.service, row.id);
}

function shippedKey({ service, version }: Pick<ShippedRow, "service" | "version">): string {
  return instanceName(service, version);
}

/** What ended by itself kept its weight for its return; once others are given theirs, it has none. */
function weightKept({ desired, weight }: InstanceRow): number {
  return desired === "stopped" ? 0 : weight;
}
