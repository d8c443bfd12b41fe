// What is known of all names, in memory and in the store; changed for one name by one program at a time.
import { wildcardOver } from "../core/server-name.ts";
import type { Clock } from "../platform/time/clock.ts";
import { createKeyedLock, type KeyedLock } from "../platform/time/keyed-lock.ts";
import { type NameRecord, newRecord, parseRecord, recordText } from "./name-record.ts";
import type { CertificateStore } from "./store/store.ts";

/** Chain and key in PEM. */
export interface Pair {
  readonly chain: string;
  readonly key: string;
}

/** Prolonged while work goes on: who dies holds the others up for so long at most, and what it had ordered is taken up by them. */
const LEASE_MS = 60_000;
const LEASE_AGAIN_MS = 15_000;
/** How long one here waits for another. */
const TURN_MS = 300_000;

export class Records {
  readonly #store: CertificateStore;
  readonly #clock: Clock;
  readonly #lock: KeyedLock;
  readonly #known = new Map<string, NameRecord>();
  /** Told that the certificate of a name is another one, or none. */
  readonly #onChange: (name: string) => void;

  constructor(store: CertificateStore, clock: Clock, onChange: (name: string) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#lock = createKeyedLock(clock);
    this.#onChange = onChange;
  }

  async open(): Promise<void> {
    await this.#store.changes?.("name");
    for (const text of (await this.#store.list("name")).values()) {
      const record = parseRecord(text);
      if (record) this.#known.set(record.name, record);
    }
  }

  all(): IterableIterator<NameRecord> {
    return this.#known.values();
  }

  get(name: string): NameRecord | undefined {
    return this.#known.get(name);
  }

  /** The record whose certificate serves a name: its own, or that of the wildcard over it. */
  serving(name: string): NameRecord | undefined {
    const own = this.#known.get(name);
    if (own?.certificate) return own;
    const wildcard = this.#known.get(wildcardOver(name) ?? "");
    return wildcard?.certificate && wildcard;
  }

  /** The pair of exactly this record. */
  async pair(name: string): Promise<Pair | undefined> {
    const text = await this.#store.get("certificate", name);
    return text === undefined ? undefined : (JSON.parse(text) as Pair);
  }

  /** The known record, or a fresh one that is known from now on. */
  make(name: string): NameRecord {
    const known = this.#known.get(name) ?? newRecord(name);
    this.#known.set(name, known);
    return known;
  }

  save(record: NameRecord): Promise<void> {
    return this.#store.put("name", record.name, recordText(record, this.#clock.now()));
  }

  /** Stored first, then served. */
  async keep(
    record: NameRecord,
    certificate: NonNullable<NameRecord["certificate"]>,
    pair: Pair,
  ): Promise<void> {
    await this.#store.put("certificate", record.name, JSON.stringify(pair));
    Object.assign(record, { certificate, failures: 0 });
    record.nextTryAt = undefined;
    record.heldUntil = undefined;
    record.lastFailure = undefined;
    await this.save(record);
    this.#onChange(record.name);
  }

  async forget(name: string): Promise<void> {
    this.#known.delete(name);
    for (const kind of ["certificate", "order", "name"] as const) await this.#store.delete(kind, name);
    this.#onChange(name);
  }

  /**
   * Runs `work` as the only one who changes the record, here and among those that share the store, with the record as it is
   * stored now. Undefined, without running it, while somebody else has that right; here one waits for it.
   */
  async alone<T>(
    name: string,
    work: (record: NameRecord) => Promise<T>,
  ): Promise<{ readonly value: T } | undefined> {
    return this.#lock.run(name, { name: `the certificate of ${name}`, waitMs: TURN_MS }, async () => {
      if (!(await this.#store.lease(name, LEASE_MS))) return undefined;
      const stop = this.#clock.every(
        LEASE_AGAIN_MS,
        () => void this.#store.lease(name, LEASE_MS).catch(() => {}),
      );
      try {
        await this.reread(name);
        return { value: await work(this.#known.get(name) ?? newRecord(name)) };
      } finally {
        stop();
        await this.#store.release(name).catch(() => {});
      }
    });
  }

  /** Whether the right to change it is to be had: who has had it has ended, or died. */
  async isFree(name: string): Promise<boolean> {
    const isFree = await this.#store.lease(name, LEASE_MS);
    if (isFree) await this.#store.release(name);
    return isFree;
  }

  isBusy(name: string): boolean {
    return this.#lock.holder(name) !== undefined;
  }

  /** Takes over what others that share the store have changed; whether there was something. */
  async hearOthers(): Promise<boolean> {
    const changes = (await this.#store.changes?.("name")) ?? new Map<string, string | undefined>();
    // What is changed here is read again by whoever does.
    for (const [name, text] of changes) if (!this.isBusy(name)) this.#hear(name, text);
    return changes.size > 0;
  }

  async reread(name: string): Promise<void> {
    if (this.#store.changes) this.#hear(name, await this.#store.get("name", name));
  }

  #hear(name: string, text: string | undefined): void {
    const before = this.#known.get(name);
    const heard = text === undefined ? undefined : parseRecord(text);
    if (heard === undefined) this.#known.delete(name);
    else this.#known.set(name, heard);
    if (before?.certificate?.serial !== heard?.certificate?.serial) this.#onChange(name);
  }
}
