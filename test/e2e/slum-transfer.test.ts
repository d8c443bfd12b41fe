// Moving a registry: export and import, straight from SQLite to PostgreSQL, and what a start on the wrong one of two says.
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { startOrigin } from "../support/origin.ts";
import { hasPostgres, NEEDS_POSTGRES, startPostgres } from "../support/postgres.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { type Slum, startSlum, startSlumWith } from "./slum.ts";

const HOST = "acme.example.com";

/** A registry with one of everything. */
async function fill(slum: Slum, server: string, receiver: string): Promise<void> {
  await slum.ok("server", "add", "iad", server, "--region", "us", "--host", "server");
  await slum.ok("server", "add", "fra", "http://127.0.0.1:1");
  await slum.ok("server", "drain", "fra");
  await slum.ok("tenant", "add", "acme", HOST, "iad", "api", "--failover", "fra", "--writes", "home");
  await slum.ok("tenant", "add", "beta", "*.beta.example.com", "fra", "api:prod", "--failover", "none");
  await slum.ok(
    "webhook",
    "add",
    "ops",
    receiver,
    "--allow-private",
    "--types",
    "server.offline,server.online",
  );
}

interface Told {
  readonly added: unknown;
  readonly replaced: unknown;
  readonly unchanged: boolean;
  readonly secrets: readonly { readonly id: string; readonly secret: string }[];
}

const NONE = { servers: 0, tenants: 0, webhooks: 0, tokens: 0 };

/** All that a registry is for people, without what the checks change. */
async function shown(slum: Slum) {
  const { servers } = await slum.json<{ servers: Record<string, unknown>[] }>("server", "list");
  const { tenants } = await slum.json<{ tenants: Record<string, unknown>[] }>("tenant", "list");
  const { webhooks } = await slum.json<{ webhooks: Record<string, unknown>[] }>("webhook", "list");
  const settled = servers.map(({ id, url, region, drained, addressing, host }) => ({
    ...{ id, url, region, drained, addressing, host },
  }));
  // What the checks have found by now is no part of the registry.
  const wanted = tenants.map(({ routable, served_by, ...tenant }) => tenant);
  return { servers: settled, tenants: wanted, webhooks };
}

describe("a document of one slum", () => {
  test("makes another the same, once and for all, and its receivers' secrets go along when they are asked for", async () => {
    using temp = createTempDir();
    await using origin = startOrigin(() => new Response("hello"));
    await using receiver = startOrigin(() => new Response("thanks"));
    await using one = await startSlum();
    await fill(one, origin.url, receiver.url);
    const file = temp.file("registry.json");
    expect((await one.ok("export", file, "--with-secrets")).stdout).toBe(
      `${file}: 2 servers, 2 tenants, 1 webhooks\n`,
    );
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const document = JSON.parse(readFileSync(file, "utf8"));
    expect(document.servers[0]).toMatchObject({ id: "iad", status: "online", health_path: "/health" });

    await using two = await startSlum();
    const dry = await two.json<Told>("import", file, "--dry-run");
    expect([dry.added, (await shown(two)).servers]).toEqual([
      { ...NONE, servers: 2, tenants: 2, webhooks: 1 },
      [],
    ]);
    const taken = await two.json<Told>("import", file);
    expect(taken).toMatchObject({
      added: { servers: 2, tenants: 2, webhooks: 1 },
      replaced: NONE,
      secrets: [],
    });
    expect(await shown(two)).toEqual(await shown(one));
    expect(await two.get(HOST)).toMatchObject({ status: 200, body: "hello" });
    const events = async () =>
      (await two.json<{ events: unknown[] }>("events", "--kind", "registry.imported")).events.length;
    const before = await events();
    expect(await two.json<Told>("import", file)).toMatchObject({
      unchanged: true,
      added: NONE,
      replaced: NONE,
    });
    expect(await events()).toBe(before);
    const again = temp.file("again.json");
    await two.ok("export", again, "--with-secrets");
    const secretsIn = (path: string) => JSON.parse(readFileSync(path, "utf8")).webhooks[0].secret;
    expect(secretsIn(again)).toBe(secretsIn(file));
  }, 120_000);

  test("without secrets gives receivers new ones, which are told once", async () => {
    await using receiver = startOrigin(() => new Response("thanks"));
    await using one = await startSlum();
    await fill(one, "http://127.0.0.1:2", receiver.url);
    const { stdout: text } = await one.ok("export");
    expect(text).not.toContain("whsec_");
    await using two = await startSlum();
    await Bun.write(`${two.dataDir}/in.json`, text);
    const taken = await two.json<Told>("import", `${two.dataDir}/in.json`);
    expect(taken.secrets).toEqual([{ id: "ops", secret: expect.stringMatching(/^whsec_/) }]);
    expect((await two.ok("webhook", "test", "ops")).exit).toBe(0);
  }, 120_000);

  test("that is refused leaves nothing, and says what is in the way", async () => {
    using temp = createTempDir();
    await using one = await startSlum();
    await fill(one, "http://127.0.0.1:2", "http://127.0.0.1:9/");
    const document = JSON.parse((await one.ok("export")).stdout);
    const file = temp.file("registry.json");
    await using two = await startSlum();
    const refused = async (
      change: (document: Record<string, Record<string, unknown>[]>) => void,
      ...words: string[]
    ) => {
      const changed = structuredClone(document);
      change(changed);
      await Bun.write(file, JSON.stringify(changed));
      const { exit, stderr } = await two.run("import", file, ...words);
      return [exit, stderr] as const;
    };
    const set =
      (table: string, index: number, values: object) => (it: Record<string, Record<string, unknown>[]>) =>
        Object.assign(it[table]?.[index] ?? {}, values);
    const cases: readonly (readonly [
      (it: Record<string, Record<string, unknown>[]>) => void,
      number,
      string,
    ])[] = [
      [set("tenants", 1, { domain: "not a domain" }), 2, "tenants[1] (beta).domain"],
      [set("tenants", 1, { server: "syd" }), 4, "tenant beta needs server syd"],
      [set("tenants", 1, { failover: ["syd"] }), 4, "tenant beta needs server syd"],
      [set("tenants", 1, { domain: "localhost" }), 4, "localhost is slum's own host"],
      [set("tenants", 1, { domain: HOST }), 2, `two tenants with the domain ${HOST}`],
      [set("servers", 1, { url: "ftp://x" }), 2, "servers[1] (fra).url"],
      [set("webhooks", 0, { secret: "enc1:0:0" }), 2, "webhooks[0] (ops).secret"],
      [set("servers", 1, { colour: "red" }), 2, "servers[1] (fra)"],
      [(it) => Object.assign(it, { slum_registry: 2 }), 2, "format 2"],
      [(it) => Object.assign(it, { slum_registry: undefined }), 2, "no file of slum export"],
      [(it) => Object.assign(it, { planets: [] }), 2, "planets"],
      [(it) => Object.assign(it, { tokens: [{ hash: "x", name: "ci" }] }), 2, "tokens[0].hash"],
    ];
    for (const [change, exit, message] of cases)
      expect(await refused(change)).toEqual([exit, expect.stringContaining(message)]);
    await Bun.write(file, '{"slum_registry": 1, "serv');
    expect((await two.run("import", file)).exit).toBe(2);
    expect((await two.run("import")).exit).toBe(2);
    expect(await shown(two)).toEqual({ servers: [], tenants: [], webhooks: [] });
  }, 120_000);

  test("that says otherwise than the registry is refused with what differs, and taken with --replace", async () => {
    using temp = createTempDir();
    await using one = await startSlum();
    await fill(one, "http://127.0.0.1:2", "http://127.0.0.1:9/");
    const file = temp.file("registry.json");
    await one.ok("export", file);
    await one.ok("tenant", "move", "acme", "fra");
    const refused = await one.run("import", file);
    expect(refused.exit).toBe(4);
    expect(refused.stderr).toContain("tenant acme: server fra here and iad there");
    expect(refused.stderr).toContain("--replace");
    expect(await one.json<Told>("import", file, "--replace")).toMatchObject({
      added: NONE,
      replaced: { ...NONE, tenants: 1 },
    });
    const { tenants } = await shown(one);
    expect(tenants[0]).toMatchObject({ id: "acme", server: "iad", failover: ["fra"] });
    // A domain or URL of another one is nobody's to take.
    await one.ok("tenant", "delete", "acme");
    await one.ok("tenant", "add", "other", HOST, "iad", "api");
    const taken = await one.run("import", file, "--replace");
    expect([taken.exit, taken.stderr]).toEqual([
      4,
      expect.stringContaining(`${HOST} of acme belongs to other here`),
    ]);
  }, 120_000);

  test("is read and taken in without a running slum too", async () => {
    using temp = createTempDir();
    await using one = await startSlum();
    await fill(one, "http://127.0.0.1:2", "http://127.0.0.1:9/");
    const before = await shown(one);
    one.kill("SIGTERM");
    await one.exited;
    const file = temp.file("registry.json");
    await one.ok("export", file, "--with-secrets");
    await using two = await startSlum();
    two.kill("SIGTERM");
    await two.exited;
    expect((await two.ok("import", file)).stdout).toBe("added 2 servers, 2 tenants, 1 webhooks\n");
    await two.start();
    expect(await shown(two)).toEqual(before);
  }, 120_000);
});

test("a large import that is killed half-way has taken in nothing or all", async () => {
  using temp = createTempDir();
  await using slum = await startSlum();
  await slum.ok("server", "add", "iad", "http://127.0.0.1:2");
  const document = JSON.parse((await slum.ok("export")).stdout);
  const tenant = {
    server: "iad",
    service: "api",
    instance: null,
    failover: null,
    writes: "any",
    created_at: 1,
  };
  document.tenants = Array.from({ length: 20_000 }, (_, index) => ({
    id: `t${index}`,
    domain: `t${index}.example.com`,
    ...tenant,
  }));
  const file = temp.file("registry.json");
  await Bun.write(file, JSON.stringify(document));
  const importing = slum.run("import", file);
  await until(
    "it is under way",
    () => (statSync(`${slum.dataDir}/slum.db-wal`, { throwIfNoEntry: false })?.size ?? 0) > 400_000,
    30_000,
  ).catch(() => {});
  slum.kill("SIGKILL");
  await importing;
  await slum.exited;
  await slum.start();
  const { tenants } = await slum.json<{ tenants: number }>("ps");
  expect([0, 20_000]).toContain(tenants);
  await slum.ok("import", file);
  expect((await slum.json<{ tenants: number }>("ps")).tenants).toBe(20_000);
}, 120_000);

describe("an empty registry beside a filled one", () => {
  test("is told at the start: the file in the data directory, with the line that moves it", async () => {
    using temp = createTempDir();
    await using slum = await startSlum();
    await fill(slum, "http://127.0.0.1:2", "http://127.0.0.1:9/");
    await until("the snapshot is written", () => existsSync(`${slum.dataDir}/snapshot.json`));
    slum.kill("SIGTERM");
    await slum.exited;
    const env = { SLUM_DATA_DIR: slum.dataDir };
    await using other = await startSlumWith({ env, words: ["--db", temp.file("other.db")] });
    const own = `${slum.dataDir}/slum.db`;
    expect(await other.log()).toContain(
      `the registry ${temp.file("other.db")} is empty, and no domain is served; ${own} has 2 servers and 2 tenants. To move them here: slum import --from ${own}`,
    );
    expect((await other.ok("import", "--from", own)).stdout).toContain(
      "added 2 servers, 2 tenants, 1 webhooks",
    );
  }, 120_000);

  test("is told at the start: the one that the last run had, when --db is missing", async () => {
    using temp = createTempDir();
    await using slum = await startSlum("--db", temp.file("other.db"));
    await fill(slum, "http://127.0.0.1:2", "http://127.0.0.1:9/");
    await until("the snapshot is written", async () =>
      (
        await Bun.file(`${slum.dataDir}/snapshot.json`)
          .text()
          .catch(() => "")
      ).includes("beta"),
    );
    slum.kill("SIGTERM");
    await slum.exited;
    await using bare = await startSlumWith({ env: { SLUM_DATA_DIR: slum.dataDir } });
    expect(await bare.log()).toContain(
      `${temp.file("other.db")} had 2 servers and 2 tenants. Is --db or SLUM_DB missing`,
    );
  }, 120_000);
});

describe.skipIf(!hasPostgres)(`from SQLite to PostgreSQL ${NEEDS_POSTGRES}`, () => {
  test("while visitors come: none is left without an answer, and the secrets go along", async () => {
    await using postgres = await startPostgres();
    await using origin = startOrigin(() => new Response("hello"));
    await using receiver = startOrigin(() => new Response("thanks"));
    await using old = await startSlum();
    await fill(old, origin.url, receiver.url);
    await using fresh = await startSlumWith({ env: { SLUM_DB: await postgres.createDatabase() } });
    let isOver = false;
    const failures: number[] = [];
    let count = 0;
    const visiting = (async () => {
      for (let turn = 0; !isOver; turn += 1) {
        const slum = turn % 2 === 0 || (await fresh.get(HOST)).status === 404 ? old : fresh;
        const { status } = await slum.get(HOST);
        count += 1;
        if (status !== 200) failures.push(status);
      }
    })();
    const token = (await old.ok("token", "create", "ci", "--scope", "read")).stdout.match(
      /slum_[0-9A-Za-z]+/,
    )?.[0];
    await old.ok("token", "create", "gone", "--scope", "admin");
    await old.ok("token", "revoke", "gone");
    const moved = await fresh.ok("import", "--from", `${old.dataDir}/slum.db`);
    expect(moved.stdout).toBe("added 2 servers, 2 tenants, 1 webhooks, 2 tokens\n");
    const by = ["--server", `http://127.0.0.1:${fresh.port}`, "--token", token ?? ""];
    expect((await fresh.ok("ps", ...by)).stdout).toContain("iad");
    const refused = await fresh.run("tenant", "delete", "acme", ...by);
    expect([refused.exit, refused.stderr]).toEqual([
      8,
      expect.stringContaining("needs a token of the scope admin"),
    ]);
    await until("visitors have come by both", () => count > 50);
    isOver = true;
    await visiting;
    expect(failures).toEqual([]);
    expect(await shown(fresh)).toEqual(await shown(old));
    expect((await fresh.ok("webhook", "test", "ops")).exit).toBe(0);
    const secret = async (slum: Slum) =>
      JSON.parse((await slum.ok("export", "--with-secrets")).stdout).webhooks[0].secret;
    expect(await secret(fresh)).toBe(await secret(old));
  }, 120_000);

  test("on one machine: the import goes into the registry that is named, not into the slum that runs on the old one", async () => {
    await using postgres = await startPostgres();
    await using slum = await startSlum();
    await fill(slum, "http://127.0.0.1:2", "http://127.0.0.1:9/");
    const before = await shown(slum);
    const database = await postgres.createDatabase();
    const own = `${slum.dataDir}/slum.db`;
    const first = await slum.ok("import", "--from", own, "--db", database);
    expect(first.stdout).toBe("added 2 servers, 2 tenants, 1 webhooks\n");
    await slum.ok("tenant", "add", "late", "late.example.com", "iad", "api");
    const second = await slum.ok("import", "--from", own, "--db", database);
    expect(second.stdout).toBe("added 0 servers, 1 tenants, 0 webhooks\n");
    slum.kill("SIGTERM");
    await slum.exited;
    await using moved = await startSlumWith({ env: { SLUM_DATA_DIR: slum.dataDir, SLUM_DB: database } });
    const after = await shown(moved);
    expect(after.servers).toEqual(before.servers);
    expect(after.tenants.map(({ id }) => id)).toEqual(["acme", "beta", "late"]);
    expect((await moved.json<{ registry: { name: string } }>("ps")).registry.name).toMatch(
      /^postgres:\/\/slum@/,
    );
  }, 120_000);

  test("a hundred thousand tenants, in one step", async () => {
    await using postgres = await startPostgres();
    using temp = createTempDir();
    await using slum = await startSlumWith({ env: { SLUM_DB: await postgres.createDatabase() } });
    const tenant = {
      server: "iad",
      service: "api",
      instance: null,
      failover: ["iad2"],
      writes: "any",
      created_at: 1,
    };
    const server = {
      region: null,
      health_path: "/health",
      addressing: "header",
      drained: false,
      created_at: 1,
      status: "unknown",
      status_at: 1,
      latency_ms: null,
      last_error: null,
    };
    const document = {
      slum_registry: 1,
      servers: ["iad", "iad2"].map((id) => ({ id, url: `http://127.0.0.1:${id.length}`, ...server })),
      tenants: Array.from({ length: 100_000 }, (_, index) => ({
        id: `t${index}`,
        domain: `t${index}.example.com`,
        ...tenant,
      })),
    };
    const file = temp.file("registry.json");
    await Bun.write(file, JSON.stringify(document));
    expect((await slum.ok("import", file)).stdout).toBe("added 2 servers, 100000 tenants, 0 webhooks\n");
    expect((await slum.json<{ tenants: number }>("ps")).tenants).toBe(100_000);
  }, 180_000);
});

describe("a backup", () => {
  test("of a registry in use is whole, for its owner only, and comes back in its place", async () => {
    using temp = createTempDir();
    await using slum = await startSlum();
    await fill(slum, "http://127.0.0.1:2", "http://127.0.0.1:9/");
    const before = await shown(slum);
    const file = temp.file("slum.db");
    const made = await slum.ok("backup", file);
    expect([made.stdout, statSync(file).mode & 0o777]).toEqual([expect.stringContaining(file), 0o600]);
    expect(made.stderr).toContain("registry_key");
    await slum.ok("tenant", "delete", "acme");
    const running = await slum.run("restore", file);
    expect([running.exit, running.stderr]).toEqual([4, expect.stringContaining("another slum serve")]);
    // What lies in the log of a slum that was killed is not played into the restored one.
    slum.kill("SIGKILL");
    await slum.exited;
    const restored = await slum.json<{ before: string }>("restore", file);
    await slum.start();
    expect(await shown(slum)).toEqual(before);
    using aside = new Database(restored.before, { readonly: true });
    expect(aside.query("SELECT id FROM tenants").all()).toEqual([{ id: "beta" }]);
  }, 120_000);

  test("that is none, or of a newer slum, is refused and changes nothing", async () => {
    using temp = createTempDir();
    await using slum = await startSlum();
    await slum.ok("server", "add", "iad", "http://127.0.0.1:2");
    slum.kill("SIGTERM");
    await slum.exited;
    await Bun.write(temp.file("text"), "no database\n".repeat(1_000));
    expect((await slum.run("restore", temp.file("text"))).exit).not.toBe(0);
    expect((await slum.run("restore", temp.file("missing"))).exit).toBe(3);
    {
      using other = new Database(temp.file("other.db"), { create: true });
      other.run("CREATE TABLE shop (id)");
    }
    expect((await slum.run("restore", temp.file("other.db"))).exit).toBe(2);
    await slum.ok("backup", temp.file("newer.db"));
    {
      using newer = new Database(temp.file("newer.db"));
      newer.run("PRAGMA user_version = 99");
    }
    const refused = await slum.run("restore", temp.file("newer.db"));
    expect([refused.exit, refused.stderr]).toEqual([1, expect.stringContaining("of version 99")]);
    await slum.start();
    expect((await shown(slum)).servers).toHaveLength(1);
  }, 120_000);

  test("of a registry in a database of its own is that one's business", async () => {
    using temp = createTempDir();
    await using slum = await startSlum();
    const { exit, stderr } = await slum.run("backup", temp.file("x"), "--data-dir", slum.dataDir);
    expect([exit, stderr.includes("registry_key") || stderr === ""]).toEqual([0, true]);
    const other = Bun.spawnSync([`${import.meta.dir}/../../dist/slum`, "backup", temp.file("y")], {
      env: {
        PATH: process.env.PATH ?? "",
        SLUM_DATA_DIR: slum.dataDir,
        SLUM_DB: "postgres://slum:geheim@h/db",
      },
    });
    expect([other.exitCode, other.stderr.toString()]).toEqual([2, expect.stringContaining("pg_dump")]);
    expect(other.stderr.toString()).not.toContain("geheim");
  }, 120_000);
});
