// Which slums work with the registry: each publishes its observations of the servers there, and reads those of the others.
import { and, eq, gt, inArray, lt, ne } from "drizzle-orm";
import type { Clock } from "../../../platform/time/clock.ts";
import { formatObservations, type Observations, type OtherSlum, parseObservations } from "../observations.ts";
import { databaseMs } from "./postgres-read.ts";
import * as tables from "./postgres-schema.ts";
import type { Drizzle } from "./postgres-write-set.ts";

/** How often observations are published that have not changed, and how long they count. */
const PUBLISH_EVERY_MS = 5_000;
const LATELY_MS = 15_000;
/** So long after the database is back all other slums have noticed, and published anew. */
const HEARD_AFTER_MS = 6_000;
/** A slum that has published nothing for so long is forgotten. */
const GONE_MS = 24 * 3_600_000;

/** Another slum as it was read last. */
interface Heard extends OtherSlum {
  readonly seenAt: number;
  readonly text: string;
}

export class Presence {
  readonly #slumId: string;
  readonly #clock: Clock;
  #others: readonly Heard[] = [];
  #published: { readonly text: string; readonly atMs: number } | undefined;
  /** Since when it has published without a break. */
  #sinceMs: number | undefined;

  constructor(slumId: string, clock: Clock) {
    this.#slumId = slumId;
    this.#clock = clock;
  }

  /** What the others have observed lately. */
  get others(): readonly OtherSlum[] {
    return this.#others;
  }

  /** Whether all slums that live have had the time to publish. */
  get hasHeardFromAll(): boolean {
    return this.#sinceMs !== undefined && this.#clock.monotonic() - this.#sinceMs >= HEARD_AFTER_MS;
  }

  /** The connection was lost. */
  interrupt(): void {
    this.#sinceMs = undefined;
  }

  /** `nowMs` is the database's time. */
  async read(db: Drizzle, nowMs: number): Promise<void> {
    const { id, seenAt, observations } = tables.slums;
    const known = new Map(this.#others.map((one) => [one.id, one]));
    const isOther = and(gt(seenAt, nowMs - LATELY_MS), ne(id, this.#slumId));
    const found = await db.select({ id, seenAt }).from(tables.slums).where(isOther);
    // Ten thousand servers are 190 KB of text: read when it was published anew, and parsed when it is another.
    const fresh = found.filter((one) => known.get(one.id)?.seenAt !== one.seenAt).map((one) => one.id);
    const texts = new Map<string, string>();
    if (fresh.length > 0)
      for (const one of await db.select({ id, observations }).from(tables.slums).where(inArray(id, fresh)))
        texts.set(one.id, one.observations);
    this.#others = found.flatMap((one) => heard(one, texts.get(one.id), known.get(one.id)) ?? []);
  }

  async publish(db: Drizzle, observations: Observations): Promise<void> {
    const text = formatObservations(observations);
    const last = this.#published;
    if (last?.text === text && this.#clock.monotonic() - last.atMs < PUBLISH_EVERY_MS) return;
    const fresh = { seenAt: databaseMs as never, observations: text };
    await db
      .insert(tables.slums)
      .values({ id: this.#slumId, ...fresh })
      .onConflictDoUpdate({ target: tables.slums.id, set: fresh });
    this.#published = { text, atMs: this.#clock.monotonic() };
    this.#sinceMs ??= this.#clock.monotonic();
  }

  /** Whoever goes does not count any more. */
  async leave(db: Drizzle): Promise<void> {
    if (this.#published !== undefined) await db.delete(tables.slums).where(eq(tables.slums.id, this.#slumId));
  }

  async forgetGone(db: Drizzle, nowMs: number): Promise<void> {
    await db.delete(tables.slums).where(lt(tables.slums.seenAt, nowMs - GONE_MS));
  }
}

/** Undefined when it has gone between two questions. */
function heard(
  { id, seenAt }: Pick<Heard, "id" | "seenAt">,
  text: string | undefined,
  before: Heard | undefined,
): Heard | undefined {
  if (before !== undefined && (text === undefined || text === before.text)) return { ...before, seenAt };
  return text === undefined ? undefined : { id, seenAt, text, observations: parseObservations(text) };
}
