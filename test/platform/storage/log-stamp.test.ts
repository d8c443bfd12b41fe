// A write-ahead log of another database than the one beside it is never played in.
import { expect, test } from "bun:test";
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Fault } from "../../../src/core/fault.ts";
import { backUp, openDatabase, restore } from "../../../src/platform/storage/database.ts";
import { stampLog } from "../../../src/platform/storage/log-stamp.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const migrations = [{ name: "one", sql: "CREATE TABLE t (n INTEGER)" }];

/** What a server leaves that is killed: the database and its log, as files. */
function leave(path: string, rows: readonly number[]): void {
  const live = `${path}.live`;
  const database = openDatabase(live, migrations);
  stampLog(database);
  for (const n of rows) database.run("INSERT INTO t VALUES (?)", [n]);
  for (const more of ["", "-wal", "-shm", ".stamp"]) copyFileSync(`${live}${more}`, `${path}${more}`);
  database.close();
}

function rowsOf(path: string): number[] {
  using database = openDatabase(path, migrations);
  return (database.query("SELECT n FROM t ORDER BY n").all() as { n: number }[]).map(({ n }) => n);
}

function refusal(run: () => unknown): Fault {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown;
  }
  throw new Error("was not refused");
}

test("the log of a server that was killed is played in", () => {
  using temp = createTempDir();
  leave(temp.file("a.db"), [1, 2, 3]);
  expect(rowsOf(temp.file("a.db"))).toEqual([1, 2, 3]);
});

test("a backup copied over a database is not undone by the log beside it: it is refused, and the hint leads out", () => {
  using temp = createTempDir();
  const path = temp.file("a.db");
  leave(path, [1]);
  backUp(path, temp.file("backup.db"));
  leave(path, [1, 2, 3]);
  copyFileSync(temp.file("backup.db"), path);
  for (const run of [() => openDatabase(path, migrations), () => backUp(path, temp.file("other.db"))]) {
    const { code, message, hint } = refusal(run);
    expect(code).toBe("conflict");
    expect(message).toContain("is the log of another database");
    expect(hint).toContain(`rm ${path}-wal ${path}-shm`);
  }
  expect(existsSync(temp.file("other.db"))).toBe(false);
  for (const more of ["-wal", "-shm", ".stamp"]) rmSync(`${path}${more}`);
  expect(rowsOf(path)).toEqual([1]);
});

test("also an older last good copy, and restore does it right", () => {
  using temp = createTempDir();
  const path = temp.file("a.db");
  leave(path, [1, 2, 3]);
  copyFileSync(`${path}.live.last-good`, path);
  expect(refusal(() => openDatabase(path, migrations)).message).toContain("is the log of another database");
  leave(temp.file("b.db"), [7]);
  backUp(temp.file("b.db"), temp.file("backup.db"));
  restore(temp.file("backup.db"), path, migrations);
  expect(rowsOf(path)).toEqual([7]);
});

test("a whole directory that was copied, and a database of an older version without a stamp, are as they were", () => {
  using temp = createTempDir();
  leave(temp.file("a.db"), [1, 2]);
  for (const more of ["", "-wal", ".stamp"]) copyFileSync(temp.file(`a.db${more}`), temp.file(`b.db${more}`));
  expect(rowsOf(temp.file("b.db"))).toEqual([1, 2]);
  leave(temp.file("c.db"), [1, 2]);
  rmSync(temp.file("c.db.stamp"));
  expect(rowsOf(temp.file("c.db"))).toEqual([1, 2]);
});

test("what is no stamp is replaced by one", () => {
  using temp = createTempDir();
  const path = temp.file("a.db");
  const database = openDatabase(path, migrations);
  writeFileSync(`${path}.stamp`, "garbage");
  stampLog(database);
  database.run("INSERT INTO t VALUES (1)");
  database.close();
  expect(readFileSync(`${path}.stamp`, "utf8")).toMatch(/^\d+\n$/);
  expect(rowsOf(path)).toEqual([1]);
});
