// The registry in a PostgreSQL-compatible database, for several slums: whoever writes holds one row, and leaves word of what is other.
import { eq, gt, lt, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/bun-sql";
import { Fault } from "../../../core/fault.ts";
import { isCollision, isDisconnected, type Postgres } from "../../../platform/storage/postgres.ts";
import { migratePostgres } from "../../../platform/storage/postgres-migrate.ts";
import { type Clock, sleep } from "../../../platform/time/clock.ts";
import { createKeyedLock } from "../../../platform/time/keyed-lock.ts";
import { type Peer, parseSightings, type Sightings, writeSightings } from "../sightings.ts";
import type { Feed, Store, Tables } from "../store.ts";
import { postgresMigrations } from "./postgres-migrations.ts";
import { markOf, prune, readAll, readChanges, readEvents, readEventsOf } from "./postgres-read.ts";
import * as tables from "./postgres-schema.ts";
import { createWriteSet, type Drizzle } from "./postgres-write-set.ts";

export interface PostgresStoreOptions {
  readonly postgres: Postgres;
  readonly clock: Clock;
  /** Whose sightings these are. */
  readonly slumId: string;
  readonly feed: Feed;
}

const POLL_MS = 1_000;
/** Whatever is asked of the database, and a whole transaction. */
const LIMIT_MS = 4_000;
/** A slum that has not left word for so long is forgotten. */
const GONE_MS = 24 * 3_600_000;
const WAIT_MS = 5_000;
const WAITING_MAX = 1_000;
const RETRY_MS = 50;
const STALE_MS = 500;
const ANEW_MAX = 2;
/** Who does not want to wait still tries again where slums have only met. */
const COLLISION_MS = 1_000;
/** How often word is left that has not changed, and how long it counts. */
const SIGHTINGS_EVERY_MS = 5_000;
const LATELY_MS = 15_000;
/** So long after the database is back all other slums have noticed, and left word anew. */
const HEARD_AFTER_MS = 6_000;
const PRUNE_EVERY = 1_000;
const KEPT_REVISIONS = 10_000;
const KEPT_EVENTS = 10_000;

const databaseMs = sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`.mapWith(Number);
/** Where the registry stands: the number of its last write, and the database's time. */
interface Mark {
  readonly number: number;
  readonly since: number;
  readonly ms: number;
}
const RETRY = "routing goes on; try again";
const RESTORE = "restore the table slum_revision";

/** Thrown to undo a transaction that has turned out to write nothing. */
const NOTHING = Symbol("nothing to write");
/** Thrown to undo one whose copy is too old to be brought up while others wait. */
const BEHIND = Symbol("everything has to be read anew");

export function createPostgresStore({ postgres, clock, slumId, feed }: PostgresStoreOptions): Store {
  /** Polls and writes follow each other, so that nothing that was read earlier is fed later. */
  const turns = createKeyedLock(clock, WAITING_MAX);
  const ours = new WeakSet<Fault>();
  let isMigrated = false;
  /** The revision that the copy is of, and its mark; undefined: none, everything has to be read. */
  let seen: number | undefined;
  let seenMark: string | undefined;
  /** The database's time at a moment of the monotonic clock. */
  let anchor = { databaseMs: clock.now(), monotonicMs: clock.monotonic() };
  let peers: readonly Peer[] = [];
  let knownTokens: readonly string[] = [];
  let left = { text: "", atMs: Number.NEGATIVE_INFINITY };
  /** Since when word has been left without a break. */
  let inTouchSinceMs: number | undefined;
  const now = () => anchor.databaseMs + (clock.monotonic() - anchor.monotonicMs);

  const withDb = <T>(work: (db: Drizzle) => Promise<T>, limitMs = LIMIT_MS) =>
    postgres.use(limitMs, (client) => work(drizzle(client, { casing: "snake_case" }) as Drizzle));

  /** Runs in turn; what the database throws, and what comes of its silence, comes out as a Fault. */
  function inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    let hasBegun = false;
    const run = () => {
      hasBegun = true;
      return guarded(work);
    };
    return turns.run("registry", { name, waitMs: WAIT_MS }, run).catch((thrown) => {
      if (hasBegun) throw thrown;
      throw own(`does not answer ${name} in time; nothing was changed`, RETRY, thrown);
    });
  }

  function own(what: string, hint: string, cause?: unknown): Fault {
    const fault = new Fault("internal", `the registry ${postgres.name} ${what}`, hint, { cause });
    ours.add(fault);
    return fault;
  }

  async function guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      // After a lost connection another database may answer, one that has missed the last writes.
      if (isDisconnected(thrown)) seen = inTouchSinceMs = undefined;
      const fault = postgres.faultOf(thrown);
      if (fault) ours.add(fault);
      throw fault ?? thrown;
    }
  }

  async function migrate(): Promise<void> {
    if (isMigrated) return;
    await migratePostgres(postgres, "slum_schema", postgresMigrations, clock).catch((thrown) => {
      if (thrown instanceof Fault) ours.add(thrown);
      throw thrown;
    });
    isMigrated = true;
  }

  /** Notes the database's time, and what the others have seen. */
  async function listen(db: Drizzle, { ms }: Mark): Promise<void> {
    anchor = { databaseMs: ms, monotonicMs: clock.monotonic() };
    const lately = gt(tables.slums.seenAt, ms - LATELY_MS);
    const found = await db.select().from(tables.slums).where(lately);
    peers = found
      .filter(({ id }) => id !== slumId)
      .map(({ id, sightings }) => ({ id, sightings: parseSightings(sightings) }));
  }

  /**
   * Brings the copy to this revision. False when it is not known any more what has changed, or too much has. A cluster may have
   * lost the last writes in a failover, and taken others of the same number: then the mark is another.
   */
  async function follow(db: Drizzle, { number, since }: Mark): Promise<boolean> {
    if (seen === undefined || seen > number || seen < since) return false;
    if ((await markOf(db, seen)) !== seenMark) return false;
    if (seen === number) return true;
    const found = await readChanges(db, seen);
    if (!found) return false;
    const { tokens, ...changes } = found;
    const events = feed.wantsEvents ? await readEventsOf(db, seen, number) : [];
    if (tokens) await readTokens(db);
    seenMark = await markOf(db, number);
    seen = number;
    feed.apply(changes);
    feed.events(events);
    return true;
  }

  async function readTokens(db: Drizzle): Promise<void> {
    const rows = await db.select({ hash: tables.tokens.hash }).from(tables.tokens);
    knownTokens = rows.map(({ hash }) => hash);
  }

  /** Brings the copy to what the database says now. */
  async function look(): Promise<void> {
    const { number, since } = tables.revisions;
    const mark = await withDb(async (db) => {
      const [found] = await db.select({ number, since, ms: databaseMs }).from(tables.revisions);
      if (!found) throw own("has lost its revision", RESTORE);
      await listen(db, found);
      return found;
    });
    if (await withDb((db) => follow(db, mark))) return;
    const contents = await readAll(withDb);
    await withDb(readTokens);
    seenMark = await withDb((db) => markOf(db, mark.number));
    seen = mark.number;
    feed.replace(contents);
  }

  /** Holds the row of the revision from here to the end of the transaction, and answers what it becomes. */
  async function hold(db: Drizzle): Promise<Mark> {
    const { number, since } = tables.revisions;
    const [mark] = await db
      .update(tables.revisions)
      .set({ number: sql`${number} + 1` })
      .returning({ number, since, ms: databaseMs });
    if (!mark) throw own("has lost its revision", RESTORE);
    return mark;
  }

  async function attempt<T>(work: (tables: Tables) => T, committed: () => void): Promise<T> {
    let result: T | undefined;
    let isSent = false;
    try {
      await migrate();
      if (seen === undefined) await look();
      const { revision, record } = await postgres.transaction(LIMIT_MS, async (transaction) => {
        const db = drizzle(transaction as never, { casing: "snake_case" }) as Drizzle;
        const mark = await hold(db);
        const revision = mark.number;
        await listen(db, mark);
        const before = { ...mark, number: revision - 1 };
        // Nobody else can write now: what `work` sees is what there is.
        if (!(await follow(db, before))) throw BEHIND;
        const record = createWriteSet(revision, now);
        result = work(record.tables);
        if (record.isEmpty) throw NOTHING;
        await record.send(db);
        if (revision % PRUNE_EVERY === 0) await forget(db, revision - KEPT_REVISIONS);
        isSent = true;
        return { revision, record };
      });
      seen = revision;
      seenMark = record.mark;
      knownTokens = [...knownTokens, ...record.tokens];
    } catch (thrown) {
      if (thrown === BEHIND) seen = undefined;
      if (thrown !== NOTHING) throw isSent && isDisconnected(thrown) ? unknownOutcome() : thrown;
    }
    committed();
    return result as T;
  }

  /** Whether a transaction that failed may do better the next time. */
  function mayPass(thrown: unknown, tries: number, tookMs: number): boolean {
    if (ours.has(thrown as Fault)) return false;
    if (isCollision(thrown)) return true;
    // A connection may have been closed while nobody used it; a new one tells whether the database is there.
    return tries <= ANEW_MAX && (thrown === BEHIND || (isDisconnected(thrown) && tookMs < STALE_MS));
  }

  async function forget(db: Drizzle, last: number): Promise<void> {
    if (last <= 0) return;
    await prune(db, last, KEPT_EVENTS);
    await db.delete(tables.slums).where(lt(tables.slums.seenAt, now() - GONE_MS));
    await db.update(tables.revisions).set({ since: last }).where(eq(tables.revisions.id, 1));
  }

  function unknownOutcome(): Fault {
    seen = inTouchSinceMs = undefined;
    const hint = "look when it is back, before you do it again; routing goes on";
    return own("was lost while it took the change, which it may have made or not", hint);
  }

  async function leaveWord(db: Drizzle, sightings: Sightings): Promise<void> {
    const text = writeSightings(sightings);
    if (text === left.text && clock.monotonic() - left.atMs < SIGHTINGS_EVERY_MS) return;
    const seenAt = databaseMs;
    await db
      .insert(tables.slums)
      .values({ id: slumId, seenAt: seenAt as never, sightings: text })
      .onConflictDoUpdate({ target: tables.slums.id, set: { seenAt: seenAt as never, sightings: text } });
    left = { text, atMs: clock.monotonic() };
    inTouchSinceMs ??= clock.monotonic();
  }

  return {
    pollMs: POLL_MS,
    get peers() {
      return peers;
    },
    open: () =>
      inTurn("the start", async () => {
        await migrate();
        await look();
      }),
    transact: (work, patienceMs, committed) =>
      inTurn("the change", async () => {
        const giveUpAt = clock.monotonic() + Math.max(patienceMs, COLLISION_MS);
        for (let tries = 1; ; tries += 1) {
          const triedMs = clock.monotonic();
          try {
            return await attempt(work, committed);
          } catch (thrown) {
            const isOver = clock.monotonic() >= giveUpAt;
            if (isOver || !mayPass(thrown, tries, clock.monotonic() - triedMs))
              throw thrown === BEHIND ? own("changes too fast; nothing was changed", RETRY) : thrown;
          }
          await sleep(clock, RETRY_MS * (0.5 + Math.random()));
        }
      }),
    poll: (sightings) =>
      inTurn("the poll", async () => {
        await migrate();
        // First: a database that takes no word, as it only reads or is full, is not read anew every second.
        await withDb((db) => leaveWord(db, sightings));
        await look();
      }),
    events: (filter) => guarded(() => withDb((db) => readEvents(db, filter))),
    get hearsAll() {
      return inTouchSinceMs !== undefined && clock.monotonic() - inTouchSinceMs >= HEARD_AFTER_MS;
    },
    tokens: () => knownTokens,
    now,
    faultOf: (thrown) => (thrown instanceof Fault && ours.has(thrown) ? thrown : postgres.faultOf(thrown)),
    async [Symbol.asyncDispose]() {
      // Whoever goes does not count any more. A database that is away forgets us by itself.
      if (left.text !== "")
        await withDb((db) => db.delete(tables.slums).where(eq(tables.slums.id, slumId)), POLL_MS).catch(
          () => {},
        );
      await postgres[Symbol.asyncDispose]();
    },
  };
}
