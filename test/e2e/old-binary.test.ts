// The last version before releases, built from its commit: what it serves, and what it leaves, goes on with this one.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { startTen, type Ten, tomlFor } from "./ten.ts";

const ROOT = join(import.meta.dir, "../..");
/** Before releases carried their configuration, data directories moved, and fields were heeded from few. */
const COMMIT = "91b5ae0fff8af08d8760c8a6d58f1369dbe14cac";
const hasCommit = Bun.spawnSync(["git", "-C", ROOT, "cat-file", "-e", `${COMMIT}^{commit}`]).exitCode === 0;

/** As it was written then: nothing says who may route by a field, and the app's directory is that of the file. */
const TOML = `${tomlFor("bun").replace(/^selector_from.*$/m, "")}\n[service.api.env]\nGREETING = "old"\n`;

describe.skipIf(!hasCommit)("what an earlier version has left (needs its commit in the history)", () => {
  const temp = createTempDir();
  const OLD = temp.file("old/dist/ten");

  beforeAll(async () => {
    mkdirSync(temp.file("old"));
    await Bun.$`git -C ${ROOT} archive ${COMMIT} | tar x -C ${temp.file("old")}`.quiet();
    symlinkSync(join(ROOT, "node_modules"), temp.file("old/node_modules"));
    await Bun.$`${process.execPath} build.ts`.cwd(temp.file("old")).quiet();
  }, 240_000);
  afterAll(() => temp[Symbol.dispose]());

  /** A command of that version, which has to succeed. */
  function old(
    cwd: string,
    env: Record<string, string>,
    program: "ten" | "slum",
    ...words: string[]
  ): string {
    const command = program === "slum" ? [OLD, "slum", ...words] : [OLD, ...words];
    const { exitCode, stdout, stderr } = Bun.spawnSync(command, {
      cwd,
      env: { PATH: process.env.PATH ?? "", NO_COLOR: "1", ...env },
    });
    if (exitCode !== 0) throw new Error(`${command.slice(1).join(" ")}: ${stderr}`);
    return stdout.toString();
  }

  const edit = (ten: Ten, change: (toml: string) => string) => {
    const path = join(ten.dir, "tenement.toml");
    writeFileSync(path, change(readFileSync(path, "utf8")));
  };

  describe("running", () => {
    let ten: Ten;
    let token = "";
    let before: Awaited<ReturnType<Ten["ps"]>>;
    beforeAll(async () => {
      const env = { TENEMENT_DATA_DIR: "", XDG_STATE_HOME: temp.file("state") };
      ten = await startTen({ toml: TOML, env, binary: OLD });
      old(ten.dir, {}, "ten", "deploy", "api:v1");
      old(ten.dir, {}, "ten", "deploy", "api:v2", "--weight", "90");
      const { instances } = JSON.parse(old(ten.dir, {}, "ten", "ps", "--all", "--json"));
      before = Object.fromEntries(instances.map((one: { id: string }) => [one.id, one]));
      token = readFileSync(join(ten.dir, "tenement-data/api_token"), "utf8").trim();
      ten.kill("SIGQUIT");
      await ten.exited;
      await ten.start();
    }, 120_000);
    afterAll(() => ten[Symbol.asyncDispose]());

    test("its instances are adopted with their processes, ports, weights and users", async () => {
      const now = await ten.ps();
      for (const id of ["api:v1", "api:v2"]) {
        expect(now[id]).toMatchObject({
          pid: before[id]?.pid,
          port: before[id]?.port,
          weight: before[id]?.weight,
        });
        expect(statSync(`/proc/${now[id]?.pid}`).uid).toBe(process.getuid?.() ?? 0);
      }
      expect(await ten.split("api.localhost", 100)).toEqual({ "api:v1": 10, "api:v2": 90 });
    });

    test("its data directory stays, and it is said that the app may serve it", async () => {
      expect(await ten.log()).toContain("tenement-data");
      expect(await ten.log()).toContain("workdir");
      expect(statSync(join(ten.dir, "tenement-data/ten.db")).size).toBeGreaterThan(0);
    });

    test("its token counts no more, as the app may have given it to visitors, and that is said", async () => {
      // It was made unasked; now it lies nowhere.
      expect(token).toMatch(/^[\w-]{43}$/);
      expect(existsSync(join(ten.dir, "tenement-data/api_token"))).toBe(false);
      const { status } = await ten.get("localhost", "/api/instances", {
        headers: { Authorization: `Bearer ${token}` },
      });
      expect(status).toBe(401);
      expect(await ten.log()).toContain("ten token create admin --scope admin");
    });

    test("its admin side is reached by this machine, and no more through a proxy", async () => {
      const forwarded = { headers: { "X-Forwarded-For": "198.51.100.7" } };
      expect((await ten.get("localhost", "/api/instances")).status).toBe(401);
      expect((await ten.get("localhost", "/api/instances", forwarded)).status).toBe(403);
    });

    test("apps are told no Via any more", async () => {
      const { body } = await ten.get("api.localhost", "/echo");
      expect(Object.keys(JSON.parse(body).headers)).not.toContain("via");
    });

    test("who could route by a field still can, with a warning, until the file says who may", async () => {
      const named = { headers: { "X-Tenement-Instance": "api:v1" } };
      expect((await ten.get("unknown.test", "/", named)).instance).toBe("api:v1");
      expect(await ten.log()).toContain('Write who may: selector_from = ["192.0.2.7"]');
    });

    test("a stop and a rollback know which version was deployed last", async () => {
      const stop = await ten.run("stop", "api:v2");
      expect([stop.exit, stop.stderr]).toEqual([4, expect.stringContaining("from 10 to 100 %")]);
      await ten.ok("rollback", "api");
      expect(await ten.split("api.localhost", 10)).toEqual({ "api:v1": 10 });
    });

    test("what runs keeps what was configured then, and a deploy reads the file", async () => {
      edit(ten, (toml) => `${toml}FAIL_START = "1"\n`);
      await ten.ok("restart", "api:v1");
      expect((await ten.run("deploy", "api:v3")).exit).toBe(5);
      expect((await ten.ps())["api:v1"]).toMatchObject({ state: "healthy", differs: ["env.FAIL_START"] });
      edit(ten, (toml) =>
        toml.replace('FAIL_START = "1"\n', "").replace("[settings]", "[settings]\nselector_from = []"),
      );
      await ten.ok("deploy", "api:v3", "--promote");
      // The address of a start: the settings of listeners are of that.
      ten.kill("SIGQUIT");
      await ten.exited;
      await ten.start();
      const named = { headers: { "X-Tenement-Instance": "api:v1" } };
      // What held the socket in between may take a last connection, as it was told to before.
      await until("who is unknown is refused", async () => {
        const { status } = await ten.get("unknown.test", "/", named);
        return status === 404;
      });
      expect(await ten.split("api.localhost", 10)).toEqual({ "api:v3": 10 });
    });
  });

  test("a slum's servers and tenants go on, and visitors' hosts now reach the apps of a tenement that heeds it", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    const env = { SLUM_DATA_DIR: temp.file("slum") };
    async function serve(words: readonly string[]) {
      const child = Bun.spawn([...words, "serve", "--port", "0", "--interval", "0.5", "--json"], {
        cwd: temp.path,
        env: { PATH: process.env.PATH ?? "", NO_COLOR: "1", ...env },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "ignore",
      });
      const { value } = await child.stdout.getReader().read();
      const { url } = JSON.parse(new TextDecoder().decode(value)) as { url: string };
      return { child, url };
    }
    const host = async (url: string) => {
      const answer = await fetch(`${url}echo`, { headers: { Host: "acme.test" } });
      return ((await answer.json()) as { headers: Record<string, string> }).headers.host;
    };
    const before = await serve([OLD, "slum"]);
    old(temp.path, env, "slum", "server", "add", "iad", `http://127.0.0.1:${ten.port}`);
    old(temp.path, env, "slum", "tenant", "add", "acme", "acme.test", "iad", "api");
    expect(await host(before.url)).toBe(`127.0.0.1:${ten.port}`);
    before.child.kill("SIGTERM");
    await before.child.exited;
    const after = await serve([join(ROOT, "dist/slum")]);
    try {
      await until("it is found to heed", async () => (await host(after.url)) === "acme.test");
    } finally {
      after.child.kill("SIGTERM");
      await after.child.exited;
    }
  });
});
