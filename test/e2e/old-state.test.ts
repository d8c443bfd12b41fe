// What an earlier version left goes on working: its registry, data directory, token file and unit, and a slum's registry.
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir } from "../support/temp-dir.ts";
import { beginTen, isAlive, runTen, startTen, tomlFor } from "./ten.ts";

const LEFT = join(import.meta.dir, "../support/old-state");
const left = (name: string) => readFileSync(join(LEFT, name), "utf8");
/** As it printed them. */
const TOKENS = {
  file: "jWI9Qtu9AmYb9Wz6-iFysLr9-LRvLjjKhh_vDC2_Kfk",
  admin: "qe6k8__XoOeqPU8Vr_FnGibHrFYri1JU5ni8bIiYsu0",
  acme: "eozjDPPPBUN1NCJeq-u6IWjLDq7oBlqnXAUm4W_v7E0",
};

function restoreDump(path: string, sql: string): void {
  using database = new Database(path, { create: true });
  database.run(sql);
}

/** As it lay: open to its owner alone, with the token that a start made unasked. */
function leaveDataDir(dataDir: string): void {
  mkdirSync(join(dataDir, "api", "_shared"), { recursive: true, mode: 0o700 });
  chmodSync(dataDir, 0o700);
  restoreDump(join(dataDir, "ten.db"), left("ten.sql"));
  writeFileSync(join(dataDir, "api_token"), `${TOKENS.file}\n`, { mode: 0o600 });
  writeFileSync(join(dataDir, "ten.lock"), "");
  writeFileSync(join(dataDir, "ten.pid"), "999999\n");
}

describe("a data directory of an earlier version", () => {
  test("starts with its instances and weights, takes its tokens, and goes on with all that is new", async () => {
    await using ten = await startTen({
      // Where no app serves it.
      service: 'workdir = "work"',
      prepare(dir) {
        mkdirSync(join(dir, "work"));
        leaveDataDir(join(dir, "tenement-data"));
      },
    });
    const states = async () =>
      Object.fromEntries(Object.values(await ten.ps()).map(({ id, state, weight }) => [id, [state, weight]]));
    await ten.ok("health", "api:v1").catch(() => {});
    expect(await ten.split("api.localhost", 10)).toEqual({ "api:v1": 8, "api:v2": 2 });
    expect(await states()).toEqual({
      "api:v0": ["stopped", 0],
      "api:v1": ["healthy", 80],
      "api:v2": ["healthy", 20],
    });
    const asked = async (token: string) => {
      const response = await fetch(`http://127.0.0.1:${ten.port}/api/instances`, {
        headers: { Host: "localhost", Authorization: `Bearer ${token}` },
      });
      return response.status;
    };
    expect([await asked(TOKENS.file), await asked(TOKENS.admin), await asked(TOKENS.acme)]).toEqual([
      200, 200, 200,
    ]);
    // What it says of the past is kept, what deploys of then have left is nobody's to remove, and the rest is as for anything new.
    expect((await ten.ok("history", "api")).stdout).toContain("deploy api:v2");
    await ten.ok("deploy", "api:v3", "--promote", "--stop-old");
    expect(Object.keys(await ten.ps())).toContain("api:v0");
    await ten.ok("rollback", "api");
    expect(await ten.split("api.localhost", 10)).toEqual({ "api:v1": 8, "api:v2": 2 });
    await ten.ok("rm", "api:v0");
  });

  test("beside tenement.toml is found without a word of where it is, by serve and by commands", async () => {
    using temp = createTempDir();
    mkdirSync(temp.file("work"));
    writeFileSync(temp.file("tenement.toml"), tomlFor("bun", 'workdir = "work"'));
    leaveDataDir(temp.file("tenement-data"));
    // Not as the helpers run it, who say where it is.
    const env = { TENEMENT_DATA_DIR: "", XDG_STATE_HOME: temp.file("state") };
    const serving = beginTen(temp.path, ["serve", "--port", "0"], env);
    try {
      await serving.said(`data in    ${temp.file("tenement-data")}`);
      const { stdout } = await runTen(temp.path, ["ps", "--all", "--json"], env);
      const { instances } = JSON.parse(stdout) as { instances: { id: string; pid: number | null }[] };
      expect(instances.map(({ id }) => id).sort()).toEqual(["api:v0", "api:v1", "api:v2"]);
    } finally {
      serving.kill("SIGTERM");
      await serving.done;
    }
    expect(isAlive(serving.pid)).toBe(false);
  });
});

test("a unit of an earlier version is taken over by install, which shows what changes", async () => {
  using temp = createTempDir();
  const state = temp.file("bin");
  mkdirSync(state);
  mkdirSync(temp.file("config/systemd/user"), { recursive: true });
  writeFileSync(temp.file("tenement.toml"), tomlFor("bun"));
  writeFileSync(join(state, "systemctl"), "#!/bin/sh\necho running\n", { mode: 0o755 });
  const unit = temp.file("config/systemd/user/ten.service");
  const BINARY = join(import.meta.dir, "../../dist/ten");
  const text = left("ten.service")
    .replaceAll("APP", temp.path)
    .replaceAll("BINARY", BINARY)
    .replaceAll("CONFIG", temp.file("config"));
  writeFileSync(unit, text);
  leaveDataDir(temp.file("tenement-data"));
  const env = {
    PATH: `${state}:${process.env.PATH}`,
    XDG_CONFIG_HOME: temp.file("config"),
    XDG_STATE_HOME: temp.file("state"),
    TENEMENT_DATA_DIR: "",
  };
  const words = ["install", "--user-unit", "--port", "0", "--write-only"];
  const { exit, stderr } = await runTen(temp.path, words, env);
  expect([exit, stderr]).toEqual([0, expect.not.stringContaining("was not written by")]);
  // Its data stays where it was.
  expect(readFileSync(unit, "utf8")).toContain(temp.file("tenement-data"));
});

test("a slum's registry of an earlier version goes on with its servers and tenants", async () => {
  using temp = createTempDir();
  mkdirSync(temp.file("data"), { mode: 0o700 });
  restoreDump(temp.file("data/slum.db"), left("slum.sql"));
  const env = { PATH: process.env.PATH ?? "", NO_COLOR: "1", SLUM_DATA_DIR: temp.file("data") };
  const slum = join(import.meta.dir, "../../dist/slum");
  await using serving = Bun.spawn([slum, "serve", "--port", "0", "--json"], {
    env,
    cwd: temp.path,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  await serving.stdout.getReader().read();
  const run = (...words: string[]) =>
    JSON.parse(Bun.spawnSync([slum, ...words, "--json"], { env, cwd: temp.path }).stdout.toString());
  expect(run("tenant", "list").tenants).toMatchObject([{ id: "acme", domain: "acme.test", server: "iad" }]);
  expect(run("server", "list").servers).toMatchObject([{ id: "iad", tenants: 1 }]);
  expect(run("server", "add", "fra", "http://127.0.0.1:9").server).toMatchObject({ id: "fra" });
  serving.kill("SIGTERM");
  expect(await serving.exited).toBe(0);
});
