// The registry in a PostgreSQL-compatible database, for several slums: whoever writes locks one row, and notes which rows have changed.
import { eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/bun-sql";
import { Fault } from "../../../core/fault.ts";
import { isCollision, isDisconnected, type Postgres } from "../../../platform/storage/postgres.ts";
import { migratePostgres } from "../../../platform/storage/postgres-migrate.ts";
import { type Clock, sleep } from "../../../platform/time/clock.ts";
import { createKeyedLock, type KeyedLock } from "../../../platform/time/keyed-lock.ts";
import type { Observations } from "../observations.ts";
import type { EventFilter, Feed, Store, Tables, WriteSize } from "../store.ts";
import { postgresMigrations } from "./postgres-migrations.ts";
import { type Ask, databaseMs, prune, readEvents } from "./postgres-read.ts";
import * as tables from "./postgres-schema.ts";
import { createWriteSet, type Drizzle, type WriteSet } from "./postgres-write-set.ts";
import { Presence } from "./presence.ts";
import { type Head, Replica } from "./replica.ts";

export interface PostgresStoreOptions {
  readonly postgres: Postgres;
  readonly clock: Clock;
  /** Whose observations these are. */
  readonly slumId: string;
  readonly feed: Feed;
}

const POLL_MS = 1_000;
/** Whatever is asked of the database, and a whole transaction of few rows. */
const LIMIT_MS = 4_000;
/** A hundred thousand rows take seconds, and more on a busy machine. */
const TRANSACTION_MS: Readonly<Record<WriteSize, number>> = { few: LIMIT_MS, many: 120_000 };
const WAIT_MS = 5_000;
const WAITING_MAX = 1_000;
const RETRY_MS = 50;
const STALE_MS = 500;
const ANEW_MAX = 2;
/** Who does not want to wait still tries again where slums have only met. */
const COLLISION_MS = 1_000;
const PRUNE_EVERY = 1_000;
const KEPT_REVISIONS = 10_000;
const KEPT_EVENTS = 100_000;
const KEPT_EVENTS_MS = 90 * 24 * 3600_000;

const RETRY = "routing goes on; try again";
const TOO_FAST = "changes too fast; nothing was changed";
const RESTORE = "restore the table slum_revision";
const LOOK_FIRST = "look when it is back, before you do it again; routing goes on";

/** The copy is too old to be brought up while others wait for the lock. */
interface Stale {
  readonly kind: "stale";
}
interface Failed {
  readonly kind: "failed";
  readonly thrown: unknown;
}
/** What one transaction has come to. */
type Attempt<T> =
  | { readonly kind: "written"; readonly result: T; readonly revision: number; readonly writes: WriteSet }
  | { readonly kind: "nothing_to_write"; readonly result: T }
  | Stale;

export class PostgresStore implements Store {
  readonly pollMs = POLL_MS;
  readonly #postgres: Postgres;
  readonly #clock: Clock;
  readonly #replica: Replica;
  readonly #presence: Presence;
  /** Polls and writes follow each other, so that nothing that was read earlier is fed later. */
  readonly #turns: KeyedLock;
  /** Faults that are about the database. */
  readonly #faults = new WeakSet<Fault>();
  #isMigrated = false;
  /** The database's time at a moment of the monotonic clock. */
  #anchor: { readonly databaseMs: number; readonly monotonicMs: number };

  constructor({ postgres, clock, slumId, feed }: PostgresStoreOptions) {
    this.#postgres = postgres;
    this.#clock = clock;
    this.#replica = new Replica(feed);
    this.#presence = new Presence(slumId, clock);
    this.#turns = createKeyedLock(clock, WAITING_MAX);
    this.#anchor = { databaseMs: clock.now(), monotonicMs: clock.monotonic() };
  }

  get otherSlums() {
    return this.#presence.others;
  }

  get hasHeardFromAll(): boolean {
    return this.#presence.hasHeardFromAll;
  }

  open(): Promise<void> {
    return this.#inTurn("the start", async () => {
      await this.#migrate();
      await this.#catchUp();
    });
  }

  transact<T>(
    work: (tables: Tables) => T,
    patienceMs: number,
    committed: () => void,
    size: WriteSize = "few",
  ): Promise<T> {
    return this.#inTurn("the change", async () => {
      const giveUpAt = this.#clock.monotonic() + Math.max(patienceMs, COLLISION_MS);
      for (let tries = 1; ; tries += 1) {
        const triedMs = this.#clock.monotonic();
        const attempt = await this.#attempt(work, TRANSACTION_MS[size]).catch(
          (thrown): Failed => ({ kind: "failed", thrown }),
        );
        if (attempt.kind === "written" || attempt.kind === "nothing_to_write") {
          committed();
          return attempt.result;
        }
        const nowMs = this.#clock.monotonic();
        if (nowMs >= giveUpAt || !this.#mayPass(attempt, tries, nowMs - triedMs))
          throw attempt.kind === "failed" ? attempt.thrown : this.#fault(TOO_FAST, RETRY);
        await sleep(this.#clock, RETRY_MS * (0.5 + Math.random()));
      }
    });
  }

  poll(observations: Observations): Promise<void> {
    return this.#inTurn("the poll", async () => {
      await this.#migrate();
      // First: a database that takes no write, as it only reads or is full, is not read anew every second.
      await this.#ask((db) => this.#presence.publish(db, observations));
      await this.#catchUp();
    });
  }

  events(filter: EventFilter) {
    return this.#guarded(() => this.#ask((db) => readEvents(db, filter)));
  }

  now(): number {
    return this.#anchor.databaseMs + (this.#clock.monotonic() - this.#anchor.monotonicMs);
  }

  faultOf(thrown: unknown): Fault | undefined {
    return thrown instanceof Fault && this.#faults.has(thrown) ? thrown : this.#postgres.faultOf(thrown);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A database that is away forgets us by itself.
    await this.#ask((db) => this.#presence.leave(db), POLL_MS).catch(() => {});
    await this.#postgres[Symbol.asyncDispose]();
  }

  #ask<T>(question: (db: Drizzle) => Promise<T>, limitMs = LIMIT_MS): Promise<T> {
    return this.#postgres.use(limitMs, (client) => question(drizzleOver(client)));
  }

  /** Runs in turn; what the database throws, and what comes of its silence, comes out as a Fault. */
  #inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    let hasBegun = false;
    const run = () => {
      hasBegun = true;
      return this.#guarded(work);
    };
    return this.#turns.run("registry", { name, waitMs: WAIT_MS }, run).catch((thrown) => {
      if (hasBegun) throw thrown;
      throw this.#fault(`does not answer ${name} in time; nothing was changed`, RETRY, thrown);
    });
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      if (isDisconnected(thrown)) this.#disconnected();
      const fault = this.#postgres.faultOf(thrown);
      if (fault) this.#faults.add(fault);
      throw fault ?? thrown;
    }
  }

  #disconnected(): void {
    this.#replica.invalidate();
    this.#presence.interrupt();
  }

  #fault(what: string, hint: string, cause?: unknown): Fault {
    const fault = new Fault("internal", `the registry ${this.#postgres.name} ${what}`, hint, { cause });
    this.#faults.add(fault);
    return fault;
  }

  async #migrate(): Promise<void> {
    if (this.#isMigrated) return;
    await migratePostgres(this.#postgres, "slum_schema", postgresMigrations, this.#clock).catch((thrown) => {
      if (thrown instanceof Fault) this.#faults.add(thrown);
      throw thrown;
    });
    this.#isMigrated = true;
  }

  /** Brings the copy to what the database says now. */
  async #catchUp(): Promise<void> {
    const { number, since } = tables.revisions;
    const head = await this.#ask(async (db) => {
      const [found] = await db.select({ number, since, ms: databaseMs }).from(tables.revisions);
      return this.#heardOf(db, found);
    });
    const ask: Ask = (question) => this.#ask(question);
    if ((await ask((db) => this.#replica.follow(db, head))) === "stale") await this.#replica.load(ask, head);
  }

  /** Locks the row of the revision from here to the end of the transaction; its number is the new one. */
  async #lock(db: Drizzle): Promise<Head> {
    const { number, since } = tables.revisions;
    const [head] = await db
      .update(tables.revisions)
      .set({ number: sql`${number} + 1` })
      .returning({ number, since, ms: databaseMs });
    return this.#heardOf(db, head);
  }

  /** Notes the database's time, and what the others have observed. */
  async #heardOf(db: Drizzle, head: (Head & { readonly ms: number }) | undefined): Promise<Head> {
    if (!head) throw this.#fault("has lost its revision", RESTORE);
    this.#anchor = { databaseMs: head.ms, monotonicMs: this.#clock.monotonic() };
    await this.#presence.read(db, head.ms);
    return head;
  }

  async #attempt<T>(work: (tables: Tables) => T, limitMs: number): Promise<Attempt<T>> {
    await this.#migrate();
    if (this.#replica.isStale) await this.#catchUp();
    let isSent = false;
    const transaction = async (db: Drizzle): Promise<Attempt<T>> => {
      const { number: revision, since } = await this.#lock(db);
      // Nobody else can write now: what `work` sees is what there is.
      if ((await this.#replica.follow(db, { number: revision - 1, since })) === "stale")
        return { kind: "stale" };
      const writes = createWriteSet(revision);
      const result = work(writes.tables);
      if (writes.isEmpty) return { kind: "nothing_to_write", result };
      await writes.send(db);
      if (revision % PRUNE_EVERY === 0) await this.#forget(db, revision - KEPT_REVISIONS);
      isSent = true;
      return { kind: "written", result, revision, writes };
    };
    const attempt = await this.#postgres
      .transaction(
        limitMs,
        (client) => transaction(drizzleOver(client)),
        ({ kind }) => kind === "written",
      )
      .catch((thrown) => {
        throw isSent && isDisconnected(thrown) ? this.#unknownOutcome() : thrown;
      });
    if (attempt.kind === "stale") this.#replica.invalidate();
    if (attempt.kind === "written") this.#replica.committed(attempt.revision, attempt.writes.mark);
    return attempt;
  }

  /** Whether a transaction that was not made may do better the next time. */
  #mayPass(attempt: Stale | Failed, tries: number, tookMs: number): boolean {
    if (attempt.kind === "stale") return tries <= ANEW_MAX;
    const { thrown } = attempt;
    if (this.#faults.has(thrown as Fault)) return false;
    if (isCollision(thrown)) return true;
    // A connection may have been closed while nobody used it; a new one tells whether the database is there.
    return tries <= ANEW_MAX && isDisconnected(thrown) && tookMs < STALE_MS;
  }

  async #forget(db: Drizzle, last: number): Promise<void> {
    if (last <= 0) return;
    await prune(db, last, KEPT_EVENTS, this.now() - KEPT_EVENTS_MS);
    await this.#presence.forgetGone(db, this.now());
    await db.update(tables.revisions).set({ since: last }).where(eq(tables.revisions.id, 1));
  }

  #unknownOutcome(): Fault {
    this.#disconnected();
    return this.#fault("was lost while it took the change, which it may have made or not", LOOK_FIRST);
  }
}

function drizzleOver(client: unknown): Drizzle {
  return drizzle(client as never, { casing: "snake_case" }) as Drizzle;
}
