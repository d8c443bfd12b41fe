// The table of tokens: read again only when another process has written, as each request asks for one.
import type { Database } from "bun:sqlite";
import { eq } from "drizzle-orm";
import type { BunSQLiteDatabase } from "drizzle-orm/bun-sqlite";
import type { TokenRow } from "../../api/tokens.ts";
import { tokens } from "./schema.ts";

export class TokenCopy {
  readonly #db: BunSQLiteDatabase;
  readonly #version: () => unknown;
  #rows: ReadonlyMap<string, TokenRow> = new Map();
  #seen: unknown;

  constructor(database: Database, db: BunSQLiteDatabase) {
    this.#db = db;
    const version = database.query("PRAGMA data_version");
    this.#version = () => (version.get() as { data_version: number }).data_version;
  }

  /** By hash. */
  get rows(): ReadonlyMap<string, TokenRow> {
    const version = this.#version();
    if (version !== this.#seen) this.forget();
    if (this.#seen === undefined) {
      const found = this.#db.select().from(tokens).all();
      this.#rows = new Map(found.map((row) => [row.hash, { ...row, name: row.name || oldName(row.hash) }]));
      this.#seen = version;
    }
    return this.#rows;
  }

  /** This process has written, which its own version does not tell. */
  forget(): void {
    this.#seen = undefined;
  }

  add(row: TokenRow): void {
    this.#db.insert(tokens).values(row).run();
    this.forget();
  }

  change(hash: string, change: Partial<TokenRow>): void {
    this.#db.update(tokens).set(change).where(eq(tokens.hash, hash)).run();
    this.forget();
  }

  remove(hash: string): void {
    this.#db.delete(tokens).where(eq(tokens.hash, hash)).run();
    this.forget();
  }
}

/** Of one that is older than names. */
function oldName(hash: string): string {
  return `old-${hash.slice(0, 6)}`;
}
