// A registry of the version before goes on with this one, and the version before goes on beside it for as long as both run.
import { describe, expect, test } from "bun:test";
import { SQL } from "bun";
import { openDatabase } from "../../../src/platform/storage/database.ts";
import { createPostgres } from "../../../src/platform/storage/postgres.ts";
import { migratePostgres } from "../../../src/platform/storage/postgres-migrate.ts";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { openRegistryAt } from "../../../src/slum/registry/open-registry.ts";
import { postgresMigrations } from "../../../src/slum/registry/postgres/postgres-migrations.ts";
import { migrations } from "../../../src/slum/registry/sqlite/migrations.ts";
import { hasPostgres, NEEDS_POSTGRES, startPostgres } from "../../support/postgres.ts";
import { createTempDir } from "../../support/temp-dir.ts";

/** The columns that the version before had. */
const COLUMNS = "seq, id, url, health_path, addressing, drained, created_at, status, status_at, last_error";
const iad = {
  ...{ id: "iad", url: "http://h:1", addressing: "header", drained: false, status: "offline" },
  ...{ lastError: "connection refused", host: "auto", keepsHost: null, lastErrorAt: null },
};

const open = (database: string) =>
  openRegistryAt({ database, slumId: "one", clock: systemClock, fallback: undefined });

test("a registry in SQLite keeps its servers, with what is new as it is for those that are added now", async () => {
  using temp = createTempDir();
  const path = temp.file("slum.db");
  {
    using before = openDatabase(path, migrations.slice(0, 2));
    before.run(
      `INSERT INTO servers (${COLUMNS}) VALUES (1, 'iad', 'http://h:1', '/health', 'header', 0, 1, 'offline', 1, 'connection refused')`,
    );
  }
  await using registry = await open(path);
  expect(registry.servers.get("iad")).toMatchObject(iad);
});

describe.skipIf(!hasPostgres)(`a registry in PostgreSQL ${NEEDS_POSTGRES}`, () => {
  test("does too, and takes the statements of a slum of the version before meanwhile", async () => {
    await using postgres = await startPostgres();
    const database = await postgres.createDatabase();
    {
      await using before = createPostgres(database, systemClock);
      await migratePostgres(before, "slum_schema", postgresMigrations.slice(0, 1), systemClock);
    }
    await using sql = new SQL({ url: database, max: 1, prepare: false });
    const insert = (seq: number, id: string) =>
      sql.unsafe(
        `INSERT INTO slum_servers (${COLUMNS}) VALUES (${seq}, '${id}', 'http://h:${seq}', '/health', 'header', false, 1, 'offline', 1, 'connection refused')`,
      );
    await insert(1, "iad");
    {
      await using registry = await open(database);
      expect(registry.servers.get("iad")).toMatchObject(iad);
    }
    await insert(2, "fra");
    await using registry = await open(database);
    expect(registry.servers.get("fra")).toMatchObject({ ...iad, id: "fra", url: "http://h:2" });
  });
});
