// The statements of one transaction, buffered: the work of a transaction is synchronous, the connection to the database is not.

import { getTableColumns, inArray } from "drizzle-orm";
import type { BunSQLDatabase } from "drizzle-orm/bun-sql";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import type { Statements } from "../../../platform/storage/table-copy.ts";
import type { EventRow, NewEventRow } from "../schema.ts";
import type { Tables } from "../store.ts";
import * as tables from "./postgres-schema.ts";

export type Drizzle = Pick<BunSQLDatabase, "select" | "insert" | "update" | "delete">;

/** The tables that have a copy in memory, with what their rows are known by. */
export const COPIED = {
  servers: { table: tables.servers, key: tables.servers.id, property: "id" },
  tenants: { table: tables.tenants, key: tables.tenants.id, property: "id" },
  webhooks: { table: tables.webhooks, key: tables.webhooks.id, property: "id" },
  deliveries: { table: tables.deliveries, key: tables.deliveries.seq, property: "seq" },
  alerts: { table: tables.alerts, key: tables.alerts.thing, property: "thing" },
  accessTokens: { table: tables.accessTokens, key: tables.accessTokens.hash, property: "hash" },
} as const;

/** Rows in one statement. */
const PIECE = 500;
/** So many changed rows of a table are not named: others read everything anew. */
const NAMED_MAX = 2_000;
/** The key of a change that does not say which rows. */
export const ALL = "*";
/** In place of a table: its key is unique to the revision, so that two revisions of the same number can be distinguished. */
export const MARK = "mark";
/** Rows of one transaction, at most: a seq is the revision times this, plus the row's place. */
const PLACES = 2 ** 20;

/** The seq of the first row that a revision may have written. */
export function firstSeq(revision: number): number {
  return revision * PLACES;
}

export interface WriteSet {
  readonly tables: Tables;
  readonly isEmpty: boolean;
  readonly mark: string;
  /** Sends everything, in the transaction of `db`. */
  send(db: Drizzle): Promise<void>;
}

interface Part {
  readonly table: PgTable;
  readonly key: PgColumn;
  readonly removed: unknown[];
  readonly updated: { readonly key: unknown; readonly change: object }[];
  readonly inserted: object[];
}

export function createWriteSet(revision: number): WriteSet {
  const parts = new Map<string, Part>();
  const changed = new Map<string, Set<string>>();
  const mark = crypto.randomUUID();
  touched(MARK, mark);
  let place = 0;

  function partOf(name: string, table: PgTable, key: PgColumn): Part {
    const part = { table, key, removed: [], updated: [], inserted: [] };
    parts.set(name, part);
    return part;
  }

  function touched(table: string, key: string): void {
    changed.set(table, (changed.get(table) ?? new Set()).add(key));
  }

  function statementsOf<Row, New extends object, Key>(name: keyof typeof COPIED): Statements<Row, New, Key> {
    const { table, key: column, property } = COPIED[name];
    const part = partOf(name, table, column);
    const columns = Object.entries(getTableColumns(table as PgTable)).map(
      ([name, column]) => [name, column.default ?? null] as const,
    );
    const touch = (key: unknown) => touched(name, String(key));
    return {
      insert(values) {
        const row = wholeRow(columns, { seq: firstSeq(revision) + place++, ...values });
        part.inserted.push(row);
        touch(row[property]);
        return row as Row;
      },
      update(key, change) {
        part.updated.push({ key, change });
        touch(key);
      },
      remove(key) {
        part.removed.push(key);
        touch(key);
      },
    };
  }

  const events = partOf("events", tables.events, tables.events.seq);
  return {
    tables: {
      servers: statementsOf("servers"),
      tenants: statementsOf("tenants"),
      webhooks: statementsOf("webhooks"),
      deliveries: statementsOf("deliveries"),
      alerts: statementsOf("alerts"),
      insertEvent(values: NewEventRow) {
        const { server = null, tenant = null, actor = null, origin = null, operation = null } = values;
        const row: EventRow = {
          ...values,
          server,
          tenant,
          actor,
          origin,
          operation,
          seq: firstSeq(revision) + place++,
        };
        events.inserted.push(row);
        return row;
      },
      accessTokens: statementsOf("accessTokens"),
    },
    mark,
    get isEmpty() {
      return [...parts.values()].every(
        ({ removed, updated, inserted }) => removed.length + updated.length + inserted.length === 0,
      );
    },
    async send(db) {
      // Removals make room for rows of the same name.
      for (const { table, key, removed } of parts.values())
        for (const piece of pieces(removed, PIECE)) await db.delete(table).where(inArray(key, piece));
      for (const { table, inserted } of parts.values())
        for (const piece of pieces(inserted, PIECE)) await db.insert(table).values(piece as never);
      // A row may be changed by the transaction that makes it.
      for (const { table, key, updated } of parts.values())
        for (const { change, keys } of alike(updated))
          await db
            .update(table)
            .set(change as never)
            .where(inArray(key, keys));
      for (const piece of pieces(changesOf(revision, changed), PIECE))
        await db.insert(tables.changes).values(piece);
    },
  };
}

/** Columns without a value have their default, or null, as they will in the database. */
function wholeRow(
  columns: readonly (readonly [name: string, fallback: unknown])[],
  values: object,
): { [column: string]: unknown } {
  const given = values as { readonly [column: string]: unknown };
  return Object.fromEntries(columns.map(([name, fallback]) => [name, given[name] ?? fallback]));
}

/** The change log that other slums follow: which rows, or that they are too many to list. */
function changesOf(revision: number, changed: ReadonlyMap<string, ReadonlySet<string>>) {
  return [...changed].flatMap(([table, keys]) =>
    (keys.size > NAMED_MAX ? [ALL] : [...keys]).map((key) => ({ revision, table, key })),
  );
}

/** Updates that follow each other with the same change, each piece of them together. */
function alike(updated: Part["updated"]): { readonly change: object; readonly keys: unknown[] }[] {
  const found: { readonly change: object; readonly keys: unknown[] }[] = [];
  for (const { key, change } of updated) {
    const last = found.at(-1);
    const isAlike = last && (last.change === change || Bun.deepEquals(last.change, change));
    if (isAlike && last.keys.length < PIECE) last.keys.push(key);
    else found.push({ change, keys: [key] });
  }
  return found;
}

export function* pieces<T>(rows: readonly T[], size: number): Generator<T[]> {
  for (let at = 0; at < rows.length; at += size) yield rows.slice(at, at + size);
}
