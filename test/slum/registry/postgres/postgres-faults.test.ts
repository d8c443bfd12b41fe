// What a slum makes of a shared registry that is not as it should be: newer than the program, cut off in the middle of a write.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { SQL } from "bun";
import { systemClock } from "../../../../src/platform/time/clock.ts";
import { createServerControl, type ServerControlParts } from "../../../../src/slum/operations/servers.ts";
import { openRegistryAt } from "../../../../src/slum/registry/open-registry.ts";
import type { Registry, RoutingRows } from "../../../../src/slum/registry/registry.ts";
import type { ServerRow } from "../../../../src/slum/registry/schema.ts";
import { tokenRow } from "../../../api/token-table.ts";
import { hasPostgres, NEEDS_POSTGRES, startPostgres, type TestPostgres } from "../../../support/postgres.ts";
import { createTempDir } from "../../../support/temp-dir.ts";

const fresh: Omit<ServerRow, "seq"> = {
  ...{ id: "iad", url: "http://h:1", region: null, healthPath: "/health", addressing: "header" },
  ...{
    drained: false,
    createdAt: 1,
    status: "unknown",
    statusAt: 1,
    latencyMs: null,
    lastError: null,
    lastErrorAt: null,
    host: "auto",
    keepsHost: null,
  },
};
const iad: ServerRow = { seq: 1, ...fresh };

function open(database: string, fallback?: RoutingRows): Promise<Registry> {
  return openRegistryAt({ database, slumId: "one", clock: systemClock, fallback });
}

describe.skipIf(!hasPostgres)(`a shared registry ${NEEDS_POSTGRES}`, () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres[Symbol.asyncDispose]());

  test("that is newer than the program is not used, and what is known goes on to serve", async () => {
    const database = await postgres.createDatabase();
    await (await open(database))[Symbol.asyncDispose]();
    await using sql = new SQL({ url: database, max: 1, prepare: false });
    await sql`UPDATE slum_schema SET version = 99`;
    await using registry = await open(database, { servers: [iad], tenants: [] });
    expect([registry.trouble, [...registry.servers.keys()]]).toEqual([
      expect.stringContaining("is of version 99, this program knows up to"),
      ["iad"],
    ]);
    expect(await registry.tryWrite((writer) => writer.accessTokens.add(tokenRow("x")))).toBeUndefined();
    await registry.poll(new Map());
    expect(registry.servers.size).toBe(1);
  });

  test("takes the beginning and the end of trouble for as many tenants as one server may have", async () => {
    const database = await postgres.createDatabase();
    await using registry = await open(database);
    await using other = await open(database);
    const things = Array.from({ length: 40_000 }, (_, index) => `tenant t${index}`);
    await registry.write((writer) => {
      for (const thing of things) writer.alerts.add({ thing, begunAt: 1, open: true });
    }, "many");
    await other.write((writer) => {
      for (const row of other.alerts.values()) writer.alerts.change(row, { open: false });
    }, "many");
    await registry.poll(new Map());
    const shown = [...registry.alerts.values()];
    expect([shown.length, shown.filter(({ open }) => open).length]).toEqual([things.length, 0]);
  }, 120_000);

  test("is not read anew again and again while it takes no word of who lives", async () => {
    const database = await postgres.createDatabase();
    await using registry = await open(database);
    await using sql = new SQL({ url: database, max: 1, prepare: false });
    const name = new URL(database).pathname.slice(1);
    await sql.unsafe(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ${name} AND pid <> pg_backend_pid()`;
    let loads = 0;
    registry.onChange(({ tenants }) => {
      if (tenants === undefined) loads += 1;
    });
    for (let turn = 0; turn < 4; turn += 1) await registry.poll(new Map());
    expect([registry.trouble, loads]).toEqual([expect.stringContaining("only reads at the moment"), 0]);
  });

  test("is followed when it has lost the last writes, and others have come in their place unseen", async () => {
    const database = await postgres.createDatabase();
    await using registry = await open(database);
    await using sql = new SQL({ url: database, max: 1, prepare: false });
    const add = (to: Registry, id: string) =>
      to.write((writer) => writer.servers.add({ ...fresh, id, url: `http://${id}:1` }));
    await add(registry, "iad");
    await add(registry, "lost");
    await sql`DELETE FROM slum_servers WHERE id = 'lost'`;
    await sql`DELETE FROM slum_changes WHERE revision = 2`;
    await sql`UPDATE slum_revision SET number = 1`;
    await using other = await open(database);
    await add(other, "fra");
    await add(other, "syd");
    await registry.poll(new Map());
    expect([...registry.servers.keys()]).toEqual(["iad", "fra", "syd"]);
  });

  test("keeps a server that a tenant uses whom another slum has added a moment ago", async () => {
    const database = await postgres.createDatabase();
    await using here = await open(database);
    await using there = await open(database);
    await here.write((writer) => writer.servers.add(fresh));
    await there.poll(new Map());
    const tenant = { id: "acme", domain: "acme.example.com", server: "iad", service: "api" };
    await here.write((writer) => writer.tenants.add({ ...tenant, writes: "any", createdAt: 1 }));
    const control = createServerControl({ registry: there } as ServerControlParts);
    const failed = await control.remove("iad").catch((thrown) => thrown);
    expect([failed.message, there.servers.size]).toEqual(["server iad is used by tenant acme", 1]);
  });
});

test("the end of trouble of forty thousand tenants holds up a slum with a file no longer than a moment", async () => {
  using temp = createTempDir();
  await using registry = await open(temp.file("slum.db"));
  const before = process.cpuUsage();
  await registry.write((writer) => {
    for (let index = 0; index < 40_000; index += 1)
      writer.alerts.add({ thing: `tenant t${index}`, begunAt: 1, open: true });
  });
  await registry.write((writer) => {
    for (const row of registry.alerts.values()) writer.alerts.change(row, { open: false });
  });
  const { user, system } = process.cpuUsage(before);
  expect([...registry.alerts.values()].filter(({ open, begunAt }) => !open && begunAt === 1).length).toBe(
    40_000,
  );
  expect((user + system) / 1000).toBeLessThan(700);
});
