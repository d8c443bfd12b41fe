// Limits of instances seen from outside: memory that runs out, users, open files, and what cannot be applied.
import { describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCgroups } from "../../src/platform/process/cgroup.ts";
import { systemClock } from "../../src/platform/time/clock.ts";
import { APPS } from "../support/apps.ts";
import { until } from "../support/until.ts";
import { startTen, type Ten, tomlFor, untilState } from "./ten.ts";

const root = process.platform === "linux" && process.getuid?.() === 0;

async function canLimit(): Promise<boolean> {
  const probe = createCgroups({ parent: `ten-probe-${process.pid}`, clock: systemClock });
  try {
    await probe.make("probe", { memoryBytes: 64 << 20, cpuShares: 512 });
    await probe.remove("probe");
    return root;
  } catch {
    return false;
  }
}

/** The groups that an instance's process is in, as paths below the root of their hierarchy. */
function groupsOf(pid: number): string[] {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
  return lines.flatMap((line) => /:(?:memory|cpu):(.*\/ten-.*)$/.exec(line)?.[1] ?? []).sort();
}

const pidOf = async (ten: Ten, id: string) => (await ten.ps())[id]?.pid ?? 0;
const greedy = "x=$(head -c 300m /dev/zero | tr '\\0' x)";

describe.skipIf(!(await canLimit()))("an instance with memory_limit_mb", () => {
  test("is killed alone when it takes more, and that is what its last exit says", async () => {
    const extra = `
[service.greedy]
command = "sh"
args = ["-c", ${JSON.stringify(`sleep 0.5; ${greedy}; exec sleep 600`)}]
memory_limit_mb = 32
restart = "never"
startup_timeout = 600
`;
    await using ten = await startTen({ toml: tomlFor("bun", extra) });
    await ten.ok("deploy", "api:v1");
    const before = await pidOf(ten, "api:v1");
    await ten.ok("spawn", "greedy:a");
    const groups = groupsOf(await pidOf(ten, "greedy:a"));
    expect(groups.length).toBe(1);
    await untilState(ten, "greedy:a", "stopped");
    const { last_exit, reason } = (await ten.ps())["greedy:a"] ?? {};
    expect(last_exit).toBe("was killed: out of memory (limit 32 MB)");
    expect(reason).toStartWith("was killed: out of memory (limit 32 MB)");
    expect(await pidOf(ten, "api:v1")).toBe(before);
    expect(existsSync(`/sys/fs/cgroup/memory${groups[0]}`)).toBe(false);
  });

  test("keeps its groups over a kill -9 of the server, and leaves none behind when it is stopped", async () => {
    await using ten = await startTen({ service: "memory_limit_mb = 256\ncpu_shares = 512" });
    await ten.ok("deploy", "api:v1");
    const groups = groupsOf(await pidOf(ten, "api:v1"));
    expect(groups.length).toBe(2);
    const path = (controller: string) =>
      groups.map((group) => `/sys/fs/cgroup/${controller}${group}`).find((group) => existsSync(group)) ?? "";
    expect(readFileSync(join(path("cpu"), "cpu.shares"), "utf8").trim()).toBe("512");
    ten.kill("SIGKILL");
    await ten.exited;
    await ten.start();
    expect(groupsOf(await pidOf(ten, "api:v1"))).toEqual(groups);
    const memory = path("memory");
    await ten.ok("stop", "api:v1");
    expect([existsSync(memory), path("cpu")]).toEqual([false, ""]);
  });
});

describe.skipIf(!root)("an instance with a user", () => {
  test("that is another one than before is refused while it would be locked out, until the files are given to it", async () => {
    const toml = (user: string) =>
      `${tomlFor("python", user).replace(APPS.python[1], "app.py")}\n[service.api.env]\nFILE = "{shared_dir}/data"\n`;
    await using ten = await startTen({
      toml: toml(""),
      env: { PATH: "/usr/bin:/bin" },
      prepare: (dir) => {
        copyFileSync(APPS.python[1], join(dir, "app.py"));
        chmodSync(dir, 0o755);
      },
    });
    await ten.ok("deploy", "api:v1");
    const data = `${ten.dataDir}/api/_shared/data`;
    writeFileSync(data, "a customer's");
    writeFileSync(join(ten.dir, "tenement.toml"), toml('user = "nobody"'));
    const refused = await ten.run("deploy", "api", "--version", "v2");
    expect([refused.exit, refused.stderr]).toEqual([
      4,
      expect.stringContaining(`api would run as nobody from now on, and "${data}" belongs to root`),
    ]);
    expect(refused.stderr).toContain('user = "root" for api; or give it the files: ten chown api');
    expect((await ten.get("api.localhost")).instance).toBe("api:v1");
    const given = await ten.ok("chown", "api");
    expect(given.stderr).toContain("belong to nobody");
    expect(statSync(data).uid).toBe(65_534);
    await ten.ok("deploy", "api", "--version", "v2", "--promote");
    // What runs keeps its user.
    const { "api:v1": v1, "api:v2": v2 } = await ten.ps();
    expect([v1, v2].map((one) => statSync(`/proc/${one?.pid}`).uid)).toEqual([0, 65_534]);
  });

  test("writes to a log that stays ours, so that no lease of its own can hold us up", async () => {
    const toml = tomlFor("python", 'user = "nobody"').replace(APPS.python[1], "app.py");
    await using ten = await startTen({
      toml,
      env: { PATH: "/usr/bin:/bin" },
      prepare: (dir) => {
        copyFileSync(APPS.python[1], join(dir, "app.py"));
        chmodSync(dir, 0o755);
      },
    });
    await ten.ok("deploy", "api:v1");
    const { uid, gid, mode } = statSync(`${ten.dataDir}/api/_logs/v1/stdout.log`);
    expect([uid, gid, mode & 0o777]).toEqual([0, 65_534, 0o660]);
  });

  test("runs as that user, owns its directory, and can read nothing of ours", async () => {
    // What the user can reach: a copy of the app, and the system's own Python.
    const toml = tomlFor("python", 'user = "nobody"\nopen_files = 512').replace(APPS.python[1], "app.py");
    const prepare = (dir: string) => {
      copyFileSync(APPS.python[1], join(dir, "app.py"));
      chmodSync(dir, 0o755);
    };
    await using ten = await startTen({ toml, prepare, env: { PATH: "/usr/bin:/bin" } });
    await ten.ok("deploy", "api:v1");
    const pid = await pidOf(ten, "api:v1");
    const { uid } = statSync(`/proc/${pid}`);
    expect(uid).toBe(statSync(join(ten.dataDir, "api", "v1")).uid);
    expect(uid).not.toBe(0);
    expect(readFileSync(`/proc/${pid}/limits`, "utf8")).toMatch(/^Max open files\s+512\s/m);
    expect(readFileSync(`/proc/${pid}/environ`, "utf8").split("\0")).toContain("USER=nobody");
    const as = (command: string) =>
      Bun.spawnSync(["sh", "-c", command], {
        cwd: ten.dataDir,
        uid,
        gid: uid,
        env: { PATH: "/usr/bin:/bin" },
      }).exitCode;
    expect(as("touch api/v1/mine api/_shared/ours && echo >> api/_logs/v1/stdout.log")).toBe(0);
    for (const secret of [
      "ten.db",
      "ten.db-wal",
      "ten.db.last-good",
      "api_token",
      "ten.lock",
      "api/_logs/v1/stdout.log.index",
    ]) {
      if (existsSync(join(ten.dataDir, secret))) expect([secret, as(`cat ${secret}`)]).toEqual([secret, 1]);
    }
    expect(as("ls . || ls api")).not.toBe(0);
    // It stays so for the instances that live on over a restart of the server.
    ten.kill("SIGKILL");
    await ten.exited;
    await ten.start();
    expect(as("touch api/v1/mine")).toBe(0);
  });

  test("and what cannot be applied fails the start with the reason", async () => {
    const extra =
      '\n[service.odd]\ncommand = "sleep 600"\nuser = "no-such-user"\n[service.many]\ncommand = "sleep 600"\nopen_files = 1048576\n';
    await using ten = await startTen({ toml: tomlFor("bun", extra) });
    const odd = await ten.run("spawn", "odd:a");
    expect([odd.exit, odd.stderr]).toEqual([5, expect.stringContaining('there is no user "no-such-user"')]);
    const many = await ten.run("spawn", "many:a");
    expect([many.exit, many.stderr]).toEqual([
      5,
      expect.stringContaining("open_files = 1048576 is above the hard limit"),
    ]);
    await until("no row is left", async () => Object.keys(await ten.ps()).length === 0);
  });
});

test("an app may open as many files as shells allow, not as many as the server", async () => {
  // Bun raises its own limit again, Python does not.
  await using ten = await startTen({ runtime: "python" });
  await ten.ok("deploy", "api:v1");
  if (process.platform === "linux")
    expect(readFileSync(`/proc/${await pidOf(ten, "api:v1")}/limits`, "utf8")).toMatch(
      /^Max open files\s+1024\s/m,
    );
});
