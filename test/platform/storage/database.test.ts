// A database opens whole and of the right version, or is refused in words; nothing that was written is lost.
import { Database } from "bun:sqlite";
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { Fault } from "../../../src/core/fault.ts";
import {
  databaseFault,
  goodCopyPath,
  keepGoodCopy,
  openDatabase,
  saveGoodCopy,
} from "../../../src/platform/storage/database.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const first = {
  name: "first",
  sql: "CREATE TABLE a (x TEXT);\n--> statement-breakpoint\nCREATE TABLE b (x TEXT);",
};
const second = { name: "second", sql: "ALTER TABLE a ADD COLUMN y TEXT;" };

const cleanups: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

function setup(name = "ten.db") {
  const directory = createTempDir();
  cleanups.push(() => directory[Symbol.dispose]());
  const path = directory.file(name);
  function open(migrations = [first], patienceMs?: number): Database {
    const database = openDatabase(path, migrations, patienceMs);
    cleanups.push(() => database.close());
    return database;
  }
  return {
    path,
    open,
    fault: (migrations = [first], patienceMs?: number) => faultOf(() => open(migrations, patienceMs)),
  };
}

function faultOf(act: () => unknown): Fault {
  try {
    act();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("no fault");
}

const rows = (database: Database) => database.query("SELECT x FROM a ORDER BY rowid").values().flat();
const setting = (database: Database, name: string) => database.query(`PRAGMA ${name}`).values()[0]?.[0];

describe("opening", () => {
  test("a new database is migrated, journalled and safe", () => {
    const database = setup().open([first, second]);
    database.run("INSERT INTO a VALUES ('1', '2')");
    expect(setting(database, "user_version")).toBe(2);
    expect(setting(database, "journal_mode")).toBe("wal");
    expect(setting(database, "synchronous")).toBe(2);
    expect(setting(database, "foreign_keys")).toBe(1);
  });

  test("only the steps that are missing run, and the database of before is kept", () => {
    const { open, path } = setup();
    const before = open();
    before.run("INSERT INTO a VALUES ('kept')");
    before.close();
    const after = open([first, second]);
    expect(after.query("SELECT x, y FROM a").all()).toEqual([{ x: "kept", y: null }]);
    using backup = new Database(`${path}.v1`, { readonly: true });
    expect(rows(backup)).toEqual(["kept"]);
    expect(setting(backup, "user_version")).toBe(1);
  });

  test("a step that fails changes nothing and is named", () => {
    const { open, fault } = setup();
    open().close();
    const broken = { name: "0002_broken", sql: "CREATE TABLE c (x); CREATE TABLE oops((" };
    expect(fault([first, broken]).message).toContain("migration 0002_broken of");
    const database = open();
    expect(setting(database, "user_version")).toBe(1);
    expect(database.query("SELECT name FROM sqlite_master WHERE name = 'c'").all()).toEqual([]);
  });

  test("six processes that open a new database at once all succeed, and it is migrated once", async () => {
    const { path } = setup();
    const many = Array.from({ length: 5 }, (_, index) => ({
      name: `${index}`,
      sql: `CREATE TABLE t${index} (x)`,
    }));
    const script = `
      import { openDatabase } from ${JSON.stringify(require.resolve("../../../src/platform/storage/database.ts"))};
      const database = openDatabase(${JSON.stringify(path)}, ${JSON.stringify([first, ...many])});
      database.run("INSERT INTO a VALUES ('x')");
      database.close();`;
    const starts = Array.from({ length: 6 }, () =>
      Bun.spawn([process.execPath, "-e", script], { stderr: "pipe" }),
    );
    const ends = await Promise.all(starts.map(async (one) => [await one.stderr.text(), await one.exited]));
    expect(ends).toEqual(Array(6).fill(["", 0]));
    using database = new Database(path);
    expect(rows(database).length).toBe(6);
    expect(existsSync(goodCopyPath(path))).toBe(true);
  });
});

describe("refusing", () => {
  test("a database newer than the program, with the copy of before the upgrade named", () => {
    const { open, fault } = setup();
    open().close();
    open([first, second]).close();
    const refused = fault([first]);
    expect(refused.message).toEndWith("is of version 2, this program knows up to 1");
    expect(refused.hint).toBe(
      "install the newer program again, or go back to ten.db.v1, saved before the upgrade",
    );
    expect(setting(open([first, second]), "user_version")).toBe(2);
  });

  test("damaged pages, with a line that restores the last good copy", () => {
    const { open, fault, path } = setup();
    const database = open();
    for (let index = 0; index < 500; index++) database.run("INSERT INTO a VALUES (?)", ["x".repeat(100)]);
    saveGoodCopy(database, path);
    database.close();
    const descriptor = openSync(path, "r+");
    writeSync(descriptor, Buffer.alloc(4096, 7), 0, 4096, 5 * 4096);
    closeSync(descriptor);
    const refused = fault();
    expect(refused.message).toStartWith(`the database ${JSON.stringify(path)} is damaged: `);
    const line = refused.hint?.replace(/^restore the last good copy of [^ ]+: /, "") ?? "";
    expect(Bun.spawnSync(["sh", "-c", line]).success).toBe(true);
    expect(rows(open()).length).toBe(500);
    expect(existsSync(`${path}.damaged`)).toBe(true);
  });

  test("a file that is no database", () => {
    const { fault, path } = setup();
    writeFileSync(path, "garbage".repeat(1000));
    expect(fault()).toMatchObject({
      code: "internal",
      message: expect.stringContaining("is damaged: file is not a database"),
    });
    expect(fault().hint).toContain("there is no good copy");
  });

  test.each(["gone", "empty"])(
    "a database that is %s while its copy is there: it never starts empty",
    (how) => {
      const { open, fault, path } = setup();
      open().run("INSERT INTO a VALUES ('kept')");
      for (const cleanup of cleanups.splice(1)) cleanup();
      openDatabase(path, [first]).close(); // saves the copy
      if (how === "gone") rmSync(path);
      else truncateSync(path);
      const refused = fault();
      expect(refused.message).toEndWith(`is ${how}, but its last good copy is there`);
      expect(existsSync(path)).toBe(how === "empty");
      copyFileSync(goodCopyPath(path), path);
      expect(rows(open())).toEqual(["kept"]);
    },
  );

  test("a missing directory, and a directory in its place", () => {
    const { fault } = setup("missing/ten.db");
    expect(fault()).toMatchObject({ message: expect.stringContaining("cannot be opened"), code: "internal" });
    const { path } = setup();
    expect(faultOf(() => openDatabase(`${path}/..`, [first])).message).toContain("cannot be opened");
  });

  test("a database that another process has locked, after waiting", () => {
    const { open, fault, path } = setup();
    open().close();
    using holder = new Database(path);
    holder.run("BEGIN IMMEDIATE");
    const before = performance.now();
    expect(fault([first, second], 200)).toMatchObject({
      code: "conflict",
      message: `the database ${JSON.stringify(path)} is locked by another process`,
    });
    expect(performance.now() - before).toBeGreaterThan(150);
    holder.run("ROLLBACK");
    expect(setting(open([first, second]), "user_version")).toBe(2);
  });

  test("a database of somebody else's", () => {
    const readonly = Object.assign(new Error("attempt to write"), { code: "SQLITE_READONLY_DIRECTORY" });
    expect(databaseFault(readonly, "/x").message).toBe('the database "/x" is not writable by this user');
    expect(databaseFault(new Error("drizzle", { cause: readonly }), "/x").message).toContain("not writable");
    expect(databaseFault(new Error("odd"), "/x")).toMatchObject({
      code: "internal",
      message: 'the database "/x" odd',
    });
  });
});

describe("the last good copy", () => {
  test("is replaced by a newer one, and never by a damaged one", () => {
    const { open, path } = setup();
    const database = open();
    database.run("INSERT INTO a VALUES ('1')");
    saveGoodCopy(database, path);
    using copy = new Database(goodCopyPath(path), { readonly: true });
    expect(rows(copy)).toEqual(["1"]);
    expect(existsSync(`${goodCopyPath(path)}.${process.pid}`)).toBe(false);
  });
});

const tmpfs = createTempDir();
const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", tmpfs.path]).success;
afterAll(() => {
  if (mounted) Bun.spawnSync(["umount", tmpfs.path]);
  tmpfs[Symbol.dispose]();
});

describe.skipIf(!mounted)("a full disk (a tmpfs: only root may mount it)", () => {
  test("fails the write in words, loses nothing, and the database opens again", () => {
    const path = tmpfs.file("ten.db");
    const database = openDatabase(path, [first]);
    database.run("INSERT INTO a VALUES ('kept')");
    const fill = openSync(tmpfs.file("fill"), "w");
    expect(() => {
      for (;;) writeSync(fill, Buffer.alloc(4096));
    }).toThrow("ENOSPC");
    closeSync(fill);
    const thrown = (act: () => unknown) => {
      try {
        act();
      } catch (error) {
        return databaseFault(error, path);
      }
      throw new Error("it was written");
    };
    const full = thrown(() => {
      for (let index = 0; index < 100; index++) database.run("INSERT INTO a VALUES (?)", ["x".repeat(4000)]);
    });
    expect(full).toMatchObject({ code: "internal", message: expect.stringContaining("the disk is full") });
    expect(faultOf(() => saveGoodCopy(database, path)).code).toBe("internal");
    expect(rows(database)[0]).toBe("kept");
    database.close();
    const again = openDatabase(path, [first]);
    expect(rows(again)[0]).toBe("kept");
    again.close();
    using copy = new Database(goodCopyPath(path), { readonly: true });
    expect(setting(copy, "user_version")).toBe(1);
    rmSync(tmpfs.file("fill"));
    const roomy = openDatabase(path, [first]);
    roomy.run("INSERT INTO a VALUES ('later')");
    expect(rows(roomy)).toContain("later");
    roomy.close();
  });

  test("is saved again every ten minutes in which something changed, and only then", async () => {
    const { open, path } = setup();
    const database = open();
    const clock = createManualClock();
    using _ = keepGoodCopy(database, clock, (text) => expect(text).toBe("no trouble"));
    const copied = () => {
      using copy = new Database(goodCopyPath(path), { readonly: true });
      return rows(copy);
    };
    const madeAt = () => statSync(goodCopyPath(path), { bigint: true }).mtimeNs;
    const first = madeAt();
    await clock.advance(3_600_000);
    expect(madeAt()).toBe(first);
    database.run("INSERT INTO a VALUES ('new')");
    await clock.advance(600_000);
    expect(copied()).toEqual(["new"]);
    const second = madeAt();
    await clock.advance(3_600_000);
    expect(madeAt()).toBe(second);
  });

  test("a copy that could not be saved is told and tried again", async () => {
    const { open, path } = setup();
    const database = open();
    const clock = createManualClock();
    const troubles: string[] = [];
    using _ = keepGoodCopy(database, clock, (text) => troubles.push(text));
    database.run("INSERT INTO a VALUES ('new')");
    // In the way of the draft.
    mkdirSync(`${goodCopyPath(path)}.${process.pid}/full`, { recursive: true });
    await clock.advance(600_000);
    expect(troubles).toEqual([expect.stringContaining("no good copy could be saved: ")]);
    rmSync(`${goodCopyPath(path)}.${process.pid}`, { recursive: true });
    await clock.advance(600_000);
    expect(troubles.length).toBe(1);
    using copy = new Database(goodCopyPath(path), { readonly: true });
    expect(rows(copy)).toEqual(["new"]);
  });

  test("the database and its copy are for nobody else to read", () => {
    const { open, path } = setup();
    open();
    expect([path, goodCopyPath(path)].map((file) => statSync(file).mode & 0o777)).toEqual([0o600, 0o600]);
  });
});
