// The signing secrets of receivers: sealed in the registry with a key file, and of no use to who has the database alone.
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { copyFileSync, readFileSync, rmSync, statSync } from "node:fs";
import { SQL } from "bun";
import { startOrigin } from "../support/origin.ts";
import { hasPostgres, NEEDS_POSTGRES, startPostgres } from "../support/postgres.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { failToServe, type Slum, startSlum, startSlumWith } from "./slum.ts";

interface Stored {
  readonly secret: string;
  readonly old_secret: string | null;
}

function stored(slum: Slum): Stored {
  using database = new Database(`${slum.dataDir}/slum.db`);
  return database.query("SELECT secret, old_secret FROM webhooks").get() as Stored;
}

async function restart(slum: Slum): Promise<void> {
  slum.kill("SIGTERM");
  await slum.exited;
  await slum.start();
}

test("lie sealed in a registry of one's own, over rotation and restart, with a key that only its owner reads", async () => {
  await using receiver = startOrigin(() => new Response("thanks"));
  await using slum = await startSlum();
  const made = await slum.json<{ secret: string }>("webhook", "add", "ops", receiver.url, "--allow-private");
  expect(made.secret).toStartWith("whsec_");
  expect(stored(slum)).toEqual({ secret: expect.stringMatching(/^enc1:/), old_secret: null });
  expect(statSync(`${slum.dataDir}/registry_key`).mode & 0o777).toBe(0o600);
  await slum.ok("webhook", "rotate", "ops");
  expect(stored(slum).old_secret).toMatch(/^enc1:/);
  await restart(slum);
  expect((await slum.ok("webhook", "test", "ops")).stdout).toContain("took it");
}, 120_000);

test("that an older version has written in clear are sealed at the next start, and go on to sign", async () => {
  await using receiver = startOrigin(() => new Response("thanks"));
  await using slum = await startSlum();
  await slum.ok("webhook", "add", "ops", receiver.url, "--allow-private");
  slum.kill("SIGTERM");
  await slum.exited;
  {
    using database = new Database(`${slum.dataDir}/slum.db`);
    database.run("UPDATE webhooks SET secret = 'whsec_b2xk'");
  }
  await slum.start();
  expect(stored(slum).secret).toMatch(/^enc1:/);
  expect((await slum.ok("webhook", "test", "ops")).exit).toBe(0);
}, 120_000);

test("whose key is lost are told, block nobody, and are made anew by a rotation", async () => {
  await using receiver = startOrigin(() => new Response("thanks"));
  await using slum = await startSlum();
  await slum.ok("webhook", "add", "ops", receiver.url, "--allow-private");
  slum.kill("SIGTERM");
  await slum.exited;
  const key = `${slum.dataDir}/registry_key`;
  copyFileSync(key, `${key}.kept`);
  rmSync(key);
  await slum.start();
  expect(await slum.log()).toContain("ops: the signing secret is sealed with a key that is not here");
  expect((await slum.ok("webhook", "list")).stdout).toContain("sealed with a key that is not here");
  expect((await slum.run("webhook", "test", "ops")).exit).toBe(6);
  await slum.ok("webhook", "rotate", "ops");
  expect((await slum.ok("webhook", "test", "ops")).exit).toBe(0);
}, 120_000);

test("a receiver's URL and a registry's password are in no process's words, log or event", async () => {
  await using slum = await startSlum("--webhook", "http://127.0.0.1:1/T0/geheim");
  const words = readFileSync(`/proc/${slum.pid}/cmdline`, "utf8").split("\0");
  expect(words).not.toContain("--webhook");
  const { webhooks } = await slum.json<{ webhooks: { url: string }[] }>("webhook", "list");
  expect(webhooks.map(({ url }) => url)).toEqual(["http://127.0.0.1:1/..."]);
  await slum.ok("webhook", "add", "ops", "http://127.0.0.1:1/T1/geheim", "--allow-private");
  const said = [words.join(" "), await slum.log(), (await slum.ok("events")).stdout];
  expect(said.filter((text) => text.includes("geheim"))).toEqual([]);
  expect((await slum.ok("events")).stdout).toContain("ops http://127.0.0.1:1/...");
}, 120_000);

describe.skipIf(!hasPostgres)(`of a shared registry ${NEEDS_POSTGRES}`, () => {
  test("are sealed with the key file that its slums share, and only told by a slum that has another", async () => {
    await using postgres = await startPostgres();
    using temp = createTempDir();
    await using receiver = startOrigin(() => new Response("thanks"));
    const key = temp.file("key");
    const env = { SLUM_DB: await postgres.createDatabase(), SLUM_KEY_FILE: key };
    const missing = await failToServe(env);
    expect([missing.exit, missing.stderr]).toEqual([
      2,
      expect.stringContaining(`there is no key in "${key}"`),
    ]);
    await Bun.write(key, `${Buffer.alloc(32, 1).toString("base64")}\n`);
    await Bun.write(temp.file("other"), `${Buffer.alloc(32, 2).toString("base64")}\n`);
    await using one = await startSlumWith({ env });
    await using two = await startSlumWith({ env });
    await using three = await startSlumWith({ env: { ...env, SLUM_KEY_FILE: temp.file("other") } });
    await one.ok("webhook", "add", "ops", receiver.url, "--allow-private");
    await using sql = new SQL({ url: env.SLUM_DB, max: 1, prepare: false });
    const [row] = await sql`SELECT secret FROM slum_webhooks`;
    expect(row.secret).toMatch(/^enc1:/);
    const knows = async (slum: Slum) => (await slum.ok("webhook", "list")).stdout.includes("ops");
    await until("the others have followed", async () => (await knows(two)) && (await knows(three)));
    expect((await two.ok("webhook", "test", "ops")).exit).toBe(0);
    expect((await three.run("webhook", "test", "ops")).exit).toBe(6);
  }, 120_000);
});
