// The replica of the registry in memory: which revision it is of, and how it is brought to a later one.
import type { Feed } from "../store.ts";
import { type Ask, markOf, readAll, readChanges, readEventsOf } from "./postgres-read.ts";
import type { Drizzle } from "./postgres-write-set.ts";

/** Where the database stands. */
export interface Head {
  /** The number of the last write. */
  readonly number: number;
  /** From this revision on it is still known what has changed. */
  readonly since: number;
}

/** `stale`: it is not known any more what has changed, or too much has, so that everything has to be read. */
export type Follow = "current" | "stale";

/** A revision, and the mark that distinguishes it from another of the same number: a cluster may lose the last writes in a failover. */
interface Revision {
  readonly number: number;
  readonly mark: string | undefined;
}

export class Replica {
  readonly #feed: Feed;
  /** Undefined: none that counts. */
  #revision: Revision | undefined;

  constructor(feed: Feed) {
    this.#feed = feed;
  }

  /** Whether everything has to be read before changes can be followed. */
  get isStale(): boolean {
    return this.#revision === undefined;
  }

  /** Another database may answer from now on, one that has missed the last writes. */
  invalidate(): void {
    this.#revision = undefined;
  }

  /** Feeds what has changed up to the head. */
  async follow(db: Drizzle, { number, since }: Head): Promise<Follow> {
    const before = this.#revision;
    if (before === undefined || before.number > number || before.number < since) return "stale";
    if ((await markOf(db, before.number)) !== before.mark) return "stale";
    if (before.number === number) return "current";
    const found = await readChanges(db, before.number);
    if (!found) return "stale";
    const events = this.#feed.wantsEvents ? await readEventsOf(db, before.number, number) : [];
    this.#revision = { number, mark: await markOf(db, number) };
    this.#feed.apply(found);
    this.#feed.events(events);
    return "current";
  }

  /** Feeds everything; what changes while it is read is among the changes since this head. */
  async load(ask: Ask, { number }: Head): Promise<void> {
    const contents = await readAll(ask);
    this.#revision = { number, mark: await ask((db) => markOf(db, number)) };
    this.#feed.replace(contents);
  }

  /** This slum has written a revision itself. */
  committed(number: number, mark: string): void {
    this.#revision = { number, mark };
  }
}
