// The database of several slums as it is in earnest: behind a pooler, over TLS, and failing over to a replica under load.
import { describe, expect, test } from "bun:test";
import { SQL } from "bun";
import { startOrigin } from "../support/origin.ts";
import { hasPgBouncer, NEEDS_PGBOUNCER, startPgBouncer } from "../support/pgbouncer.ts";
import { hasPostgres, NEEDS_POSTGRES, startPostgres } from "../support/postgres.ts";
import { privateRoot } from "../support/private-ca.ts";
import { startTcpSwitch } from "../support/tcp-switch.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { type Slum, startSlumWith } from "./slum.ts";

const HOST = "acme.example.com";

async function tenantsOf(slum: Slum): Promise<string[]> {
  const { tenants } = await slum.json<{ tenants: { id: string }[] }>("tenant", "list");
  return tenants.map(({ id }) => id).sort();
}

describe.skipIf(!hasPostgres)(`a primary that dies ${NEEDS_POSTGRES}`, () => {
  test("is followed by its replica: no visitor notices, no acknowledged change is lost, each slum goes on by itself", async () => {
    await using postgres = await startPostgres();
    const direct = await postgres.createDatabase();
    await using replica = await postgres.startReplica();
    await using address = await startTcpSwitch(postgres.port);
    const env = { SLUM_DB: direct.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${address.port}`) };
    await using origin = startOrigin(() => new Response("hello"));
    await using one = await startSlumWith({ env });
    await using two = await startSlumWith({ env });
    await one.ok("server", "add", "iad", origin.url);
    await one.ok("tenant", "add", "acme", HOST, "iad", "api");
    await until("the other routes it", async () => (await two.get(HOST)).status === 200);

    let isOver = false;
    const failed: number[] = [];
    let visits = 0;
    const visit = async (slum: Slum) => {
      while (!isOver) {
        const { status } = await slum.get(HOST).catch(() => ({ status: 0 }));
        visits += 1;
        if (status !== 200) failed.push(status);
      }
    };
    const acknowledged: string[] = ["acme"];
    let refusals = 0;
    const write = async (slum: Slum, name: string) => {
      for (let turn = 0; !isOver; turn += 1) {
        const id = `${name}${turn}`;
        const { exit } = await slum.run("tenant", "add", id, `${id}.example.com`, "iad", "api");
        if (exit === 0) acknowledged.push(id);
        else refusals += 1;
      }
    };
    const load = Promise.all([visit(one), visit(two), write(one, "a"), write(two, "b")]);
    await until("changes are made", () => acknowledged.length > 6);
    address.to(undefined);
    await postgres.stop();
    await until("it is noticed", () => refusals > 0);
    await replica.promote();
    address.to(replica.port);
    const before = acknowledged.length;
    await until("changes are made again", () => acknowledged.length > before + 6, 60_000);
    isOver = true;
    await load;
    expect(failed).toEqual([]);
    expect(visits).toBeGreaterThan(50);
    // A change whose connection was lost may have been made though nobody was told: never one less.
    await using sql = new SQL({ url: env.SLUM_DB, max: 1, prepare: false });
    const kept = (await sql`SELECT id FROM slum_tenants ORDER BY id`).map(({ id }: { id: string }) => id);
    expect(acknowledged.filter((id) => !kept.includes(id))).toEqual([]);
    for (const slum of [one, two])
      await until("it has them all", async () => Bun.deepEquals(await tenantsOf(slum), kept.toSorted()));
  }, 180_000);
});

describe.skipIf(!hasPostgres || !hasPgBouncer)(
  `slums behind a pooler ${NEEDS_POSTGRES} ${NEEDS_PGBOUNCER}`,
  () => {
    test("write at once over three connections, each change once, and follow each other", async () => {
      await using postgres = await startPostgres();
      await using pooler = await startPgBouncer(postgres.port);
      const env = { SLUM_DB: pooler.through(await postgres.createDatabase()) };
      await using stack = new AsyncDisposableStack();
      const slums: Slum[] = [];
      for (const slum of await Promise.all([1, 2, 3, 4].map(() => startSlumWith({ env }))))
        slums.push(stack.use(slum));
      await slums[0]?.ok("server", "add", "iad", "http://127.0.0.1:1");
      for (const slum of slums)
        await until("it knows the server", async () => (await slum.status("iad")) !== undefined);
      const names = slums.flatMap((_, at) => Array.from({ length: 5 }, (_, turn) => `t${at}-${turn}`));
      const adding = slums.map(async (slum, at) => {
        for (const id of names.filter((one) => one.startsWith(`t${at}-`)))
          await slum.ok("tenant", "add", id, `${id}.example.com`, "iad", "api");
      });
      await Promise.all(adding);
      for (const slum of slums)
        await until("it has all", async () => Bun.deepEquals(await tenantsOf(slum), names.sort()));
    }, 120_000);
  },
);

describe.skipIf(!hasPostgres)(`a database over TLS ${NEEDS_POSTGRES}`, () => {
  test("is what every connection of a slum uses, verified by a root of one's own", async () => {
    await using postgres = await startPostgres();
    using temp = createTempDir();
    await Bun.write(temp.file("root.pem"), privateRoot);
    const database = (await postgres.createDatabase()).replace("127.0.0.1", "localhost");
    const env = { SLUM_DB: `${database}?sslmode=verify-full&sslrootcert=${temp.file("root.pem")}` };
    await using slum = await startSlumWith({ env });
    await slum.ok("server", "add", "iad", "http://127.0.0.1:1");
    await using sql = new SQL({ url: database, max: 1, prepare: false });
    const name = database.slice(database.lastIndexOf("/") + 1);
    const rows = await sql`
      SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
      WHERE datname = ${name} AND pid <> pg_backend_pid()`;
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.filter((row: { ssl: boolean }) => !row.ssl)).toEqual([]);
  }, 120_000);
});
