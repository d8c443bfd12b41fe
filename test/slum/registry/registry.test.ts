// The registry: whole transactions, a copy that follows, and what happens when the database cannot be used; on both databases.

import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { SQL } from "bun";
import { hashToken } from "../../../src/api/token.ts";
import { Fault } from "../../../src/core/fault.ts";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { openRegistryAt } from "../../../src/slum/registry/open-registry.ts";
import type { Registry } from "../../../src/slum/registry/registry.ts";
import { tokenRow } from "../../api/token-table.ts";
import { hasPgBouncer, NEEDS_PGBOUNCER, startPgBouncer, type TestPooler } from "../../support/pgbouncer.ts";
import { hasPostgres, NEEDS_POSTGRES, startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { privateRoot } from "../../support/private-ca.ts";
import { createTempDir } from "../../support/temp-dir.ts";
import { until } from "../../support/until.ts";

const fresh = {
  id: "iad",
  url: "http://h:1",
  region: null,
  healthPath: "/health",
  addressing: "header",
  drained: false,
  createdAt: 1,
  status: "unknown",
  statusAt: 1,
} as const;
const acme = {
  id: "acme",
  domain: "acme.example.com",
  server: "iad",
  service: "api",
  failover: ["fra"],
  writes: "any",
  createdAt: 1,
} as const;

function open(database: string, slumId = "one"): Promise<Registry> {
  return openRegistryAt({ database, slumId, clock: systemClock, fallback: undefined });
}

let postgres: TestPostgres;
let pooler: TestPooler;
if (hasPostgres) {
  beforeAll(async () => {
    postgres = await startPostgres();
    if (hasPgBouncer) pooler = await startPgBouncer(postgres.port);
  });
  if (hasPgBouncer) afterAll(() => pooler[Symbol.asyncDispose]());
  afterAll(() => postgres[Symbol.asyncDispose]());
}
const temp = createTempDir();
afterAll(() => temp[Symbol.dispose]());
let files = 0;
const createFile = async () => {
  files += 1;
  return temp.file(`${files}.db`);
};

const databases = [
  { name: "SQLite", isThere: true, create: createFile },
  { name: `PostgreSQL ${NEEDS_POSTGRES}`, isThere: hasPostgres, create: () => postgres.createDatabase() },
  {
    name: `PostgreSQL behind a pooler ${NEEDS_PGBOUNCER}`,
    isThere: hasPostgres && hasPgBouncer,
    create: async () => pooler.through(await postgres.createDatabase()),
  },
];

for (const { name, isThere, create } of databases)
  describe.skipIf(!isThere)(`the registry in ${name}`, () => {
    test("keeps rows and events over a restart", async () => {
      const database = await create();
      const rows = {
        server: { ...fresh, region: null, latencyMs: null, lastError: null, drained: true },
        tenant: { ...acme, instance: null },
        webhook: { id: "ops", url: "http://r", secret: "s", types: null, allowPrivate: true },
      };
      {
        await using registry = await open(database);
        await registry.write((writer) => {
          const row = writer.servers.add(fresh);
          writer.servers.change(row, { drained: true });
          writer.tenants.add(acme);
          writer.webhooks.add({ id: "ops", url: "http://r", secret: "s", allowPrivate: true, createdAt: 1 });
          writer.alerts.add({ thing: "server iad", begunAt: 5, open: true });
          writer.accessTokens.add(tokenRow("hash"));
          writer.event("server.added", { server: "iad" }, "");
        });
        expect(registry.servers.get("iad")).toMatchObject(rows.server);
      }
      await using again = await open(database);
      expect(again.servers.get("iad")).toMatchObject(rows.server);
      expect(again.tenants.get("acme")).toMatchObject(rows.tenant);
      expect(again.webhooks.get("ops")).toMatchObject(rows.webhook);
      expect([...again.alerts.values()]).toEqual([{ thing: "server iad", begunAt: 5, open: true }]);
      expect([...again.accessTokens.values()]).toEqual([tokenRow("hash")]);
      expect(await again.events({ limit: 9 })).toMatchObject([{ kind: "server.added", server: "iad" }]);
    });

    test("changes nothing, in the database or in memory, when the work of a transaction fails", async () => {
      await using registry = await open(await create());
      const failing = registry.write((writer) => {
        writer.servers.add(fresh);
        throw new Fault("conflict", "as the test wants it");
      });
      expect(await failing.catch((thrown) => thrown.message)).toBe("as the test wants it");
      expect([registry.servers.size, registry.trouble]).toEqual([0, undefined]);
      await registry.write((writer) => writer.servers.add(fresh));
      expect(registry.servers.size).toBe(1);
    });

    test("has one row of a name, whatever the work says, and says which registry refused", async () => {
      await using registry = await open(await create());
      await registry.write((writer) => writer.servers.add(fresh));
      const again = registry.write((writer) => writer.servers.add({ ...fresh, url: "http://h:2" }));
      expect(await again.catch((thrown) => thrown instanceof Fault)).toBe(true);
      expect([...registry.servers.values()].map(({ url }) => url)).toEqual(["http://h:1"]);
    });

    test("replaces a row by another of the same name in one transaction, and lets go of what is removed", async () => {
      await using registry = await open(await create());
      const first = await registry.write((writer) => writer.servers.add(fresh));
      await registry.write((writer) => {
        writer.servers.remove(first);
        writer.servers.add({ ...fresh, region: "x" });
      });
      expect(registry.servers.get("iad")?.region).toBe("x");
      await registry.write((writer) => [...registry.servers.values()].forEach(writer.servers.remove));
      expect(registry.servers.size).toBe(0);
    });

    test("tells routing of each change before the write has returned", async () => {
      await using registry = await open(await create());
      const heard: unknown[] = [];
      registry.onChange(({ tenants, servers, drained }) =>
        heard.push([tenants?.map(({ before, after }) => [before?.server, after?.server]), servers, drained]),
      );
      const server = await registry.write((writer) => writer.servers.add(fresh));
      const tenant = await registry.write((writer) => writer.tenants.add(acme));
      await registry.write((writer) => writer.tenants.change(tenant, { server: "fra" }));
      await registry.write((writer) => writer.servers.change(server, { drained: true }));
      await registry.write((writer) => writer.servers.change(server, { status: "online", latencyMs: 5 }));
      await registry.write((writer) => writer.event("nothing", {}, "that routing needs"));
      expect(heard).toEqual([
        [[], "changed", []],
        [[[undefined, "iad"]], "unchanged", []],
        [[["iad", "fra"]], "unchanged", []],
        [[], "changed", ["iad"]],
        [[], "checked", []],
      ]);
    });

    test("gives the events after one, oldest first, and tells of new ones", async () => {
      await using registry = await open(await create());
      const heard: string[] = [];
      registry.onEvent(({ kind }) => heard.push(kind));
      for (const kind of ["a", "b", "c"]) await registry.write((writer) => writer.event(kind, {}, ""));
      expect(heard).toEqual(["a", "b", "c"]);
      const [, second] = await registry.events({ limit: 9 });
      expect(second?.kind).toBe("b");
      const after = await registry.events({ after: second?.seq, limit: 9 });
      expect(after.map(({ kind }) => kind)).toEqual(["c"]);
      expect((await registry.events({ limit: 2 })).map(({ kind }) => kind)).toEqual(["b", "c"]);
    });
  });

describe.skipIf(!hasPostgres)(`a registry that slums share ${NEEDS_POSTGRES}`, () => {
  const nobodySeen = new Map();

  test("is made once when three slums start at the same time", async () => {
    const database = await postgres.createDatabase();
    const three = await Promise.all(["a", "b", "c"].map((id) => open(database, id)));
    await Promise.all(
      three.map((registry, index) =>
        registry.write((writer) => writer.accessTokens.add(tokenRow(`${index}`))),
      ),
    );
    await using again = await open(database);
    expect([...again.accessTokens.keys()].sort()).toEqual(["0", "1", "2"].map(hashToken).sort());
    for (const registry of three) await registry[Symbol.asyncDispose]();
  });

  test("shows a slum what others have added, changed and removed, events and tokens too", async () => {
    const database = await postgres.createDatabase();
    await using here = await open(database, "here");
    await using there = await open(database, "there");
    const heard: string[] = [];
    there.onEvent(({ kind }) => heard.push(kind));
    const drains: string[] = [];
    there.onChange(({ drained }) => drains.push(...drained));
    const server = await here.write((writer) => {
      writer.event("server.added", {}, "");
      writer.accessTokens.add(tokenRow("hash"));
      return writer.servers.add(fresh);
    });
    await there.poll(nobodySeen);
    const tenant = await here.write((writer) => writer.tenants.add(acme));
    await here.write((writer) => writer.servers.change(server, { drained: true }));
    await there.poll(nobodySeen);
    expect([...there.servers.keys(), ...there.tenants.keys()]).toEqual(["iad", "acme"]);
    expect([drains, heard]).toEqual([["iad"], ["server.added"]]);
    expect([...there.accessTokens.values()]).toEqual([tokenRow("hash")]);
    await here.write((writer) => writer.tenants.remove(tenant));
    await there.poll(nobodySeen);
    expect(there.tenants.size).toBe(0);
  });

  test("lets the work of a write see what another slum has written a moment before", async () => {
    const database = await postgres.createDatabase();
    const two = await Promise.all(["a", "b"].map((id) => open(database, id)));
    const add = (registry: Registry, url: string) =>
      registry.write((writer) => {
        if (registry.servers.has("iad")) throw new Fault("conflict", "there is a server iad already");
        writer.servers.add({ ...fresh, url });
      });
    const outcomes = await Promise.all(
      two.map((registry, index) =>
        add(registry, `http://h:${index}`).then(
          () => "added",
          (thrown) => thrown.message,
        ),
      ),
    );
    expect(outcomes.sort()).toEqual(["added", "there is a server iad already"]);
    for (const registry of two) await registry[Symbol.asyncDispose]();
  });

  test("takes writes of several slums at once, each once", async () => {
    const database = await postgres.createDatabase();
    const three = await Promise.all(["a", "b", "c"].map((id) => open(database, id)));
    const writes = three.flatMap((registry, slum) =>
      Array.from({ length: 20 }, (_, index) =>
        registry.write((writer) => writer.event(`${slum}.${index}`, {}, "")),
      ),
    );
    await Promise.all(writes);
    const events = (await three[0]?.events({ limit: 100 })) ?? [];
    expect(new Set(events.map(({ kind }) => kind)).size).toBe(60);
    expect(events.length).toBe(60);
    for (const registry of three) await registry[Symbol.asyncDispose]();
  });

  test("is refused with what to do when it is newer than the program", async () => {
    const database = await postgres.createDatabase();
    await (await open(database))[Symbol.asyncDispose]();
    await using sql = new SQL({ url: database, max: 1, prepare: false });
    await sql`UPDATE slum_schema SET version = 99`;
    const fault = await open(database).catch((thrown) => thrown);
    expect(fault.message).toContain("is of version 99, this program knows up to");
    expect(fault.hint).toContain("install the newer program");
  });

  test("is followed when it has lost the last writes, as after the failover of a cluster", async () => {
    const database = await postgres.createDatabase();
    await using registry = await open(database);
    await registry.write((writer) => writer.servers.add(fresh));
    await registry.write((writer) => writer.servers.add({ ...fresh, id: "fra", url: "http://h:2" }));
    await using sql = new SQL({ url: database, max: 1, prepare: false });
    await sql.unsafe(
      "DELETE FROM slum_servers WHERE id = 'fra'; DELETE FROM slum_changes WHERE revision = 2; UPDATE slum_revision SET number = 1",
    );
    await registry.poll(nobodySeen);
    expect([...registry.servers.keys()]).toEqual(["iad"]);
    await registry.write((writer) => writer.servers.add({ ...fresh, id: "syd", url: "http://h:3" }));
    expect([...registry.servers.keys()]).toEqual(["iad", "syd"]);
  });

  test("says that it only reads, and takes writes again when it does", async () => {
    const database = await postgres.createDatabase();
    await using registry = await open(database);
    await using sql = new SQL({ url: database, max: 1, prepare: false });
    const name = new URL(database).pathname.slice(1);
    const others = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}' AND pid <> pg_backend_pid()`;
    await sql.unsafe(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    await sql.unsafe(others);
    const failed = await registry
      .write((writer) => writer.accessTokens.add(tokenRow("x")))
      .catch((thrown) => thrown);
    expect(failed.message).toContain("only reads at the moment");
    await sql.unsafe(`SET default_transaction_read_only = off; ALTER DATABASE ${name} RESET ALL`).simple();
    await sql.unsafe(others);
    await until("it is taken again", async () => {
      await registry.poll(nobodySeen);
      return registry.trouble === undefined;
    });
    await registry.write((writer) => writer.accessTokens.add(tokenRow("y")));
    expect([...registry.accessTokens.keys()]).toEqual([hashToken("y")]);
  });

  test("never shows its password, whatever is in the way", async () => {
    const refused = await open("postgres://slum:geheim@127.0.0.1:1/slum").catch((thrown) => thrown);
    const missing = (await postgres.createDatabase())
      .replace("not-asked-for", "geheim")
      .replace(/_\d+$/, "_0");
    const absent = await open(missing).catch((thrown) => thrown);
    expect(refused.message).toBe(
      "the registry postgres://slum@127.0.0.1:1/slum cannot be reached: failed to connect",
    );
    expect(absent.message).toContain("/slum_0 does not exist");
    expect(Bun.inspect([refused, absent])).not.toContain("geheim");
  });
});

describe.skipIf(!hasPostgres)(`a database with TLS ${NEEDS_POSTGRES}`, () => {
  test("is one whose certificate fits, by a root that is trusted", async () => {
    const database = (await postgres.createDatabase()).replace("127.0.0.1", "localhost");
    const root = temp.file("root.pem");
    await Bun.write(root, privateRoot);
    const unknown = await open(`${database}?sslmode=verify-full`).catch((thrown) => thrown);
    expect([unknown.message, unknown.hint]).toEqual([
      expect.stringContaining("cannot be reached: TLS: unable to verify"),
      expect.stringContaining("sslrootcert="),
    ]);
    await using registry = await open(`${database}?sslmode=verify-full&sslrootcert=${root}`);
    await registry.write((writer) => writer.accessTokens.add(tokenRow("hash")));
    const address = `${database.replace("localhost", "127.0.0.1")}?sslmode=verify-full&sslrootcert=${root}`;
    expect((await open(address).catch((thrown) => thrown)).message).toContain("does not match certificate");
  });
});

describe("a SQLite registry", () => {
  test("says that it is locked and recovers by itself", async () => {
    const path = temp.file("locked.db");
    await using registry = await open(path);
    using holder = new Database(path);
    holder.run("BEGIN IMMEDIATE");
    expect(await registry.tryWrite((writer) => writer.servers.add(fresh))).toBeUndefined();
    expect(registry.trouble).toContain("locked");
    holder.run("ROLLBACK");
    await registry.poll(new Map());
    expect(registry.trouble).toBeUndefined();
  });

  test("refuses to write into a file that was removed", async () => {
    const path = temp.file("removed.db");
    await using registry = await open(path);
    rmSync(path);
    expect(registry.write((writer) => writer.servers.add(fresh))).rejects.toThrow("gone from its place");
  });
});
