// The data directory where nobody says where: outside of what an app serves, found by commands of every user.
import { expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { APPS } from "../support/apps.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { runTen, startTen, type Ten, tomlFor, untilState } from "./ten.ts";

const isRoot = process.getuid?.() === 0;
const SITE = `
[service.site]
command = "python3 -m http.server --bind 127.0.0.1 {port}"
[instances]
site = ["v1"]
`;

/** Started without a word about the data directory, which is removed with the test. */
async function start(toml: string, prepare?: (dir: string) => void) {
  const state = createTempDir();
  const env = {
    TENEMENT_DATA_DIR: "",
    XDG_STATE_HOME: state.path,
    XDG_RUNTIME_DIR: state.path,
    // What other users reach.
    PATH: isRoot ? "/usr/bin:/bin" : (process.env.PATH ?? ""),
  };
  const ten = await startTen({ toml, env, ...(prepare && { prepare }) });
  const { settings } = await ten.json<{ settings: { data_dir: string } }>("config");
  return {
    ten,
    env,
    dataDir: settings.data_dir,
    async [Symbol.asyncDispose]() {
      await ten[Symbol.asyncDispose]();
      if (isRoot) rmSync(settings.data_dir, { recursive: true, force: true });
      state[Symbol.dispose]();
    },
  };
}

test.skipIf(!Bun.which("python3"))(
  "a site that serves its own directory serves nothing of ours",
  async () => {
    await using at = await start(SITE);
    await untilState(at.ten, "site:v1", "healthy");
    expect(readdirSync(at.ten.dir).sort()).toEqual(["serve.log", "tenement.toml"]);
    expect((await at.ten.get("site.localhost")).body).toContain("tenement.toml");
    expect((await at.ten.get("site.localhost", "/tenement-data/")).status).toBe(404);
    expect(readdirSync(at.dataDir)).toContain("ten.db");
    expect(readdirSync(at.dataDir)).not.toContain("api_token");
    expect(statSync(at.dataDir).mode & 0o777).toBe(0o700);
  },
);

test("commands find the server by its file, whatever directory it was given and whatever the file says now", async () => {
  await using at = await start(tomlFor("bun"));
  using other = createTempDir();
  await at.ten.ok("deploy", "api:v1");
  at.ten.kill("SIGTERM");
  await at.ten.exited;
  const { exit, stderr } = await at.ten.run("ps");
  expect([exit, stderr]).toEqual([6, expect.stringContaining(`no server at ${at.dataDir}/ten.sock`)]);
  const moved = { ...at.env, TENEMENT_DATA_DIR: other.file("data") };
  await using elsewhere = await startTen({ toml: tomlFor("bun"), env: moved });
  writeFileSync(`${elsewhere.dir}/tenement.toml`, "[service.api\n");
  expect((await runTen(elsewhere.dir, ["ps"], at.env)).stdout).toContain("nothing runs");
});

/** A copy of the executable that other users may run. */
function openBinary(dir: string): string {
  const path = join(dir, "ten");
  cpSync(join(import.meta.dir, "../../dist/ten"), path);
  chmodSync(path, 0o755);
  chmodSync(dir, 0o755);
  return path;
}

test.skipIf(!isRoot)(
  "another user's command says whose server it is; instances of another user run",
  async () => {
    const toml = tomlFor("python", 'user = "nobody"').replace(APPS.python[1], "app.py");
    await using at = await start(toml, (dir) => {
      cpSync(APPS.python[1], join(dir, "app.py"));
      chmodSync(dir, 0o755);
    });
    await at.ten.ok("deploy", "api:v1");
    expect((await at.ten.get("api.localhost")).status).toBe(200);
    const child = Bun.spawn([openBinary(at.ten.dir), "ps"], {
      cwd: at.ten.dir,
      uid: 65534,
      env: { PATH: "/usr/bin:/bin", HOME: "/nonexistent" },
      stderr: "pipe",
    });
    const stderr = await new Response(child.stderr).text();
    expect([await child.exited, stderr]).toEqual([
      8,
      expect.stringContaining(`the server at ${at.dataDir}/ten.sock is root's`),
    ]);
    expect(stderr).toContain("sudo");
  },
);

test("a registry of an earlier version goes on where it is, with a word", async () => {
  await using first: Ten = await startTen();
  await first.ok("deploy", "api:v1");
  first.kill("SIGTERM");
  await first.exited;
  expect(existsSync(`${first.dir}/tenement-data/ten.db`)).toBe(true);
  const { stdout, stderr } = await runTen(first.dir, ["config"], { TENEMENT_DATA_DIR: "" });
  expect(stdout).toContain(`data_dir = "${first.dir}/tenement-data"`);
  expect(stderr).toContain("may serve it to visitors");
});

test.each(["ten", "slum"])(
  "a start of %s that comes to nothing, on a port that is taken, leaves no directory behind",
  async (program) => {
    using temp = createTempDir();
    using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    writeFileSync(temp.file("tenement.toml"), tomlFor("bun"));
    const data = temp.file("state/of/it");
    const child = Bun.spawn(
      [join(import.meta.dir, "../../dist", program), "serve", "--port", `${taken.port}`, "--data-dir", data],
      { cwd: temp.path, env: { PATH: process.env.PATH }, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    );
    const [stderr, exit] = await Promise.all([child.stderr.text(), child.exited]);
    expect({ stderr, exit }).toEqual({
      stderr: expect.stringContaining(`port ${taken.port} is taken`),
      exit: 4,
    });
    expect(readdirSync(temp.path)).toEqual(["tenement.toml"]);
  },
);

test.skipIf(!isRoot)("root is told that its data directory is somebody else's (needs root)", async () => {
  const NOBODY = 65_534;
  await using ten = await startTen({
    toml: "",
    prepare(dir) {
      mkdirSync(join(dir, "tenement-data"), { mode: 0o700 });
      chownSync(join(dir, "tenement-data"), NOBODY, NOBODY);
    },
  });
  expect(await ten.log()).toMatch(
    /the data directory \S+ is (nobody|uid 65534)'s, who can change what this server runs/,
  );
});
