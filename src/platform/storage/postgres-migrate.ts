// Brings the tables of a program in a PostgreSQL-compatible database to the newest version, also when several start at once.
import { Fault } from "../../core/fault.ts";
import { type Clock, sleep } from "../time/clock.ts";
import type { Migration } from "./database.ts";
import { isCollision, type Postgres, sqlState } from "./postgres.ts";

const LIMIT_MS = 10_000;
const TRIES = 10;
const RETRY_MS = 200;
/** What a database says to one of two that create the same thing at the same moment: unique, duplicate table or type, internal. */
const RACES = ["23505", "42P07", "42710", "XX000"];
const NO_SUCH_TABLE = "42P01";

/**
 * All steps that are missing, in one transaction, one program at a time; `table` keeps the version. Refuses a database that
 * is newer than these steps, and changes nothing then. A database that commits each change of a table by itself, as CockroachDB
 * may, can be left between two steps: each is written so that it may be run again.
 */
export async function migratePostgres(
  postgres: Postgres,
  table: string,
  migrations: readonly Migration[],
  clock: Clock,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      if ((await versionOf(postgres, table)) === migrations.length) return;
      return await migrateOnce(postgres, table, migrations);
    } catch (thrown) {
      const isRace = isCollision(thrown) || RACES.includes(sqlState(thrown));
      if (!isRace || tries === TRIES) throw thrown;
    }
    await sleep(clock, RETRY_MS);
  }
}

/** Made when it is missing: a user that may not make tables can still work with those that there are. */
async function versionOf(postgres: Postgres, table: string): Promise<number> {
  return postgres.use(LIMIT_MS, async (sql) => {
    const read = () => sql.unsafe(`SELECT version FROM ${table} WHERE id = 1`);
    const [known] = await read().catch((thrown) => {
      if (sqlState(thrown) === NO_SUCH_TABLE) return [];
      throw thrown;
    });
    if (known) return Number(known.version);
    await sql.unsafe(
      `CREATE TABLE IF NOT EXISTS ${table} (id integer PRIMARY KEY, version integer NOT NULL)`,
    );
    await sql.unsafe(`INSERT INTO ${table} (id, version) VALUES (1, 0) ON CONFLICT DO NOTHING`);
    return Number((await read())[0]?.version);
  });
}

function migrateOnce(postgres: Postgres, table: string, migrations: readonly Migration[]): Promise<void> {
  return postgres.transaction(LIMIT_MS, async (sql) => {
    // Held until the end: who comes second waits here, and finds nothing left to do.
    const [known] = await sql.unsafe(`SELECT version FROM ${table} WHERE id = 1 FOR UPDATE`);
    const version = Number(known?.version);
    if (version > migrations.length)
      throw new Fault(
        "internal",
        `the registry ${postgres.name} is of version ${version}, this program knows up to ${migrations.length}`,
        "install the newer program here too; nothing was changed",
      );
    for (const { sql: text } of migrations.slice(version)) await sql.unsafe(text).simple();
    if (version < migrations.length)
      await sql.unsafe(`UPDATE ${table} SET version = ${migrations.length} WHERE id = 1`);
  });
}
