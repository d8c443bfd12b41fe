// Certificates in the registry that several slums share, with a copy in the data directory for when that cannot be reached.
import type { CertificateStore, StoredKind } from "../../../certificates/store/store.ts";
import { Fault } from "../../../core/fault.ts";
import type { Postgres } from "../../../platform/storage/postgres.ts";
import type { SecretBox } from "../../../platform/storage/secret-box.ts";

export interface SharedStoreOptions {
  readonly postgres: Postgres;
  /** Seals what is secret: the same key for all slums. */
  readonly box: SecretBox;
  readonly slumId: string;
  /** Of this slum alone. */
  readonly copy: CertificateStore;
}

const LIMIT_MS = 10_000;
/** A change may be committed so much later than its time says. */
const LATE_MS = 10_000;
const GONE_KEPT_MS = 24 * 3_600_000;

interface Row {
  readonly key: string;
  readonly text: string | null;
  readonly changed_at: number | string;
}

/** Reads answer from the copy while the registry cannot be reached; writes and leases reject then. */
export function createSharedStore(options: SharedStoreOptions): CertificateStore {
  return new SharedStore(options);
}

class SharedStore implements CertificateStore {
  readonly #options: SharedStoreOptions;
  /** Up to when changes of a kind have been read, by the database's clock, and which of the last ones. */
  readonly #read = new Map<StoredKind, { upTo: number; readonly seen: Map<string, number> }>();

  constructor(options: SharedStoreOptions) {
    this.#options = options;
  }

  async get(kind: StoredKind, key: string): Promise<string | undefined> {
    const { copy } = this.#options;
    const rows = await this.#ask(
      (sql) => sql`SELECT key, text, changed_at FROM slum_certificates WHERE kind = ${kind} AND key = ${key}`,
    );
    if (rows === undefined) return copy.get(kind, key);
    const [row] = rows;
    return row?.text == null ? undefined : this.#opened(kind, key, row.text);
  }

  async list(kind: StoredKind): Promise<ReadonlyMap<string, string>> {
    const { copy } = this.#options;
    const rows = await this.#ask(
      (sql) =>
        sql`SELECT key, text, changed_at FROM slum_certificates WHERE kind = ${kind} AND text IS NOT NULL`,
    );
    if (rows === undefined) return copy.list(kind);
    const found = new Map(rows.map(({ key, text }) => [key, this.#opened(kind, key, text ?? "")]));
    const kept = await copy.list(kind);
    for (const [key, text] of found) if (kept.get(key) !== text) await copy.put(kind, key, text);
    for (const key of kept.keys()) if (!found.has(key)) await copy.delete(kind, key);
    return found;
  }

  async put(kind: StoredKind, key: string, text: string): Promise<void> {
    await this.#write(kind, key, isSecret(kind) ? this.#options.box.seal(text, `${kind} ${key}`) : text);
    await this.#options.copy.put(kind, key, text);
  }

  async delete(kind: StoredKind, key: string): Promise<void> {
    await this.#write(kind, key, null);
    await this.#options.copy.delete(kind, key);
  }

  async changes(kind: StoredKind): Promise<ReadonlyMap<string, string | undefined>> {
    const { postgres, copy } = this.#options;
    const known = this.#read.get(kind);
    const seen = known?.seen ?? new Map<string, number>();
    let upTo = 0;
    const rows = await this.#ask(async (sql) => {
      const [clock] = await sql`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now`;
      upTo = Number(clock.now);
      if (known === undefined) return [];
      return sql`SELECT key, text, changed_at FROM slum_certificates WHERE kind = ${kind} AND changed_at > ${known.upTo - LATE_MS}`;
    });
    const found = new Map<string, string | undefined>();
    for (const { key, text, changed_at: at } of rows ?? []) {
      if (seen.get(key) === Number(at)) continue;
      const opened = text === null ? undefined : this.#opened(kind, key, text);
      found.set(key, opened);
      await (opened === undefined ? copy.delete(kind, key) : copy.put(kind, key, opened));
      // Its certificate is another one: the copy has it before it is asked for.
      if (kind === "name" && opened !== undefined) await this.#copyCertificate(key);
    }
    // Only now: after a failure all of them are read again.
    for (const { key, changed_at: at } of rows ?? []) seen.set(key, Number(at));
    if (rows !== undefined) this.#read.set(kind, { upTo, seen });
    this.#forgetSeen(kind);
    if (found.size > 0) void postgres.use(LIMIT_MS, (sql) => this.#removeGone(sql)).catch(() => {});
    return found;
  }

  async lease(key: string, ms: number): Promise<boolean> {
    const { postgres, slumId } = this.#options;
    const rows = await postgres.use(
      LIMIT_MS,
      (sql) => sql`INSERT INTO slum_certificate_leases AS held (key, holder, until)
        VALUES (${key}, ${slumId}, (extract(epoch FROM clock_timestamp()) * 1000)::bigint + ${ms})
        ON CONFLICT (key) DO UPDATE SET holder = excluded.holder, until = excluded.until
        WHERE held.holder = excluded.holder OR held.until < (extract(epoch FROM clock_timestamp()) * 1000)::bigint
        RETURNING key`,
    );
    return rows.length > 0;
  }

  async release(key: string): Promise<void> {
    const { postgres, slumId } = this.#options;
    await postgres.use(
      LIMIT_MS,
      (sql) => sql`DELETE FROM slum_certificate_leases WHERE key = ${key} AND holder = ${slumId}`,
    );
  }

  /** Undefined when the registry cannot be reached. */
  async #ask(question: (sql: Bun.SQL) => PromiseLike<Row[]>): Promise<Row[] | undefined> {
    const { postgres } = this.#options;
    try {
      return await postgres.use(LIMIT_MS, async (sql) => question(sql));
    } catch (thrown) {
      if (postgres.faultOf(thrown) === undefined) throw thrown;
      return undefined;
    }
  }

  async #write(kind: StoredKind, key: string, text: string | null): Promise<void> {
    await this.#options.postgres.use(
      LIMIT_MS,
      (sql) => sql`INSERT INTO slum_certificates (kind, key, text, changed_at)
        VALUES (${kind}, ${key}, ${text}, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
        ON CONFLICT (kind, key) DO UPDATE SET text = excluded.text, changed_at = excluded.changed_at`,
    );
  }

  async #copyCertificate(key: string): Promise<void> {
    const text = await this.get("certificate", key);
    if (text !== undefined) await this.#options.copy.put("certificate", key, text);
  }

  async #removeGone(sql: Bun.SQL): Promise<void> {
    await sql`DELETE FROM slum_certificates WHERE text IS NULL
      AND changed_at < (extract(epoch FROM clock_timestamp()) * 1000)::bigint - ${GONE_KEPT_MS}`;
  }

  #forgetSeen(kind: StoredKind): void {
    const known = this.#read.get(kind);
    for (const [key, at] of known?.seen ?? [])
      if (at < (known?.upTo ?? 0) - 2 * LATE_MS) known?.seen.delete(key);
  }

  #opened(kind: StoredKind, key: string, text: string): string {
    if (!isSecret(kind)) return text;
    const opened = this.#options.box.open(text, `${kind} ${key}`);
    if (opened !== undefined) return opened;
    throw new Fault(
      "conflict",
      `the ${kind} ${key} in the registry is sealed with another key`,
      "give --key-file the file that the other slums have",
    );
  }
}

function isSecret(kind: StoredKind): boolean {
  return kind !== "name";
}
