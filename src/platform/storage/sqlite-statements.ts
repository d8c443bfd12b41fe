// The statements that a copy of a SQLite table needs.
import { eq } from "drizzle-orm";
import type { BunSQLiteDatabase } from "drizzle-orm/bun-sqlite";
import type { SQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Statements } from "./table-copy.ts";

export function statementsOf<Row, New, Key>(
  db: BunSQLiteDatabase,
  table: SQLiteTable,
  key: SQLiteColumn,
): Statements<Row, New, Key> {
  return {
    insert: (values) =>
      db
        .insert(table)
        .values(values as never)
        .returning()
        .get() as Row,
    update: (at, change) =>
      void db
        .update(table)
        .set(change as never)
        .where(eq(key, at))
        .run(),
    remove: (at) => void db.delete(table).where(eq(key, at)).run(),
  };
}
