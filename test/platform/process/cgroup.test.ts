// Groups are made with their limits, say when memory ran out, and are removed with all that is in them; where there are none, the reason is told.
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../../src/core/fault.ts";
import { type Cgroups, createCgroups, weightOf } from "../../../src/platform/process/cgroup.ts";
import { readProcess } from "../../../src/platform/process/proc.ts";
import { createProcesses } from "../../../src/platform/process/process.ts";
import type { SpawnOptions } from "../../../src/platform/process/spawn.ts";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { createTempDir } from "../../support/temp-dir.ts";
import { until } from "../../support/until.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function tempDir() {
  const directory = createTempDir();
  cleanups.push(() => directory[Symbol.dispose]());
  return directory;
}

async function refusal(work: Promise<unknown>): Promise<Fault> {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof Fault) return thrown;
  throw new Error(`no fault: ${thrown}`);
}

/** Version 2 as a tree of plain files: which files are written where, not what a kernel makes of them. */
describe("version 2", () => {
  function tree(own: string, controllers = "cpuset cpu io memory pids") {
    const { path } = tempDir();
    const group = join(path, own);
    mkdirSync(group, { recursive: true });
    // Nothing above the root.
    for (const directory of own === "/" ? [group] : [group, join(group, "..")]) {
      writeFileSync(join(directory, "cgroup.controllers"), `${controllers}\n`);
      writeFileSync(join(directory, "cgroup.subtree_control"), "");
    }
    const mounts = `proc /proc proc rw 0 0\ncgroup2 ${path} cgroup2 rw,nosuid 0 0\n`;
    const cgroups = createCgroups({ parent: "ten-x", clock: systemClock, mounts, own: `0::${own}\n` });
    const read = (...names: string[]) => readFileSync(join(path, ...names), "utf8");
    return { path, cgroups, read };
  }

  test("a group is made below ours, with the controllers handed down to it", async () => {
    const { path, cgroups, read } = tree("/system.slice/ten.service");
    const group = "/system.slice/ten.service/ten-x/api:v1";
    expect(await cgroups.make("api:v1", { memoryBytes: 64 << 20, cpuShares: 1024 })).toEqual([
      join(path, group),
    ]);
    expect([read(group, "memory.max"), read(group, "cpu.weight")]).toEqual([String(64 << 20), "39"]);
    expect(read("/system.slice/ten.service/ten-x/cgroup.subtree_control")).toBe("+cpu");
    expect(cgroups.names()).toEqual(["api:v1"]);
  });

  test("beside ours when ours is the server's own leaf", async () => {
    const { path, cgroups } = tree("/system.slice/ten.service/ten-serve");
    expect(await cgroups.make("api:v1", { cpuShares: 2 })).toEqual([
      join(path, "/system.slice/ten.service/ten-x/api:v1"),
    ]);
  });

  test("kills for want of memory are read from its events", async () => {
    const { cgroups, path } = tree("/");
    await cgroups.make("api:v1", { memoryBytes: 1 << 20 });
    expect(cgroups.outOfMemory("api:v1")).toEqual({ kills: 0, limitBytes: 1 << 20 });
    writeFileSync(join(path, "ten-x/api:v1/memory.events"), "low 0\noom 3\noom_kill 2\noom_group_kill 0\n");
    expect(cgroups.outOfMemory("api:v1")?.kills).toBe(2);
    expect(cgroups.outOfMemory("api:v2")).toBeUndefined();
  });

  test("a controller that is not there is refused by the key's name", async () => {
    const { cgroups } = tree("/", "hugetlb");
    expect(await refusal(cgroups.make("api:v1", { memoryBytes: 1 }))).toMatchObject({
      code: "unhealthy",
      message: "memory_limit_mb cannot be applied: there is no memory cgroup here",
    });
  });

  test.each([
    [2, 1],
    [1024, 39],
    [262_144, 10_000],
  ])("%d shares are a weight of %d", (shares, weight) => expect(weightOf(shares)).toBe(weight));
});

test("where no cgroups are mounted a limit is refused, and none is no trouble", async () => {
  const cgroups = createCgroups({ parent: "ten-x", clock: systemClock, mounts: "", own: "" });
  expect((await refusal(cgroups.make("a:b", { cpuShares: 2 }))).message).toStartWith(
    "cpu_shares cannot be applied",
  );
  expect(await cgroups.make("a:b", {})).toEqual([]);
  expect(cgroups.outOfMemory("a:b")).toBeUndefined();
  await cgroups.remove("a:b");
});

test("a hierarchy that may not be written is refused with the reason", async () => {
  const mounts = "cgroup /proc/sys cgroup rw,memory 0 0\n";
  const cgroups = createCgroups({ parent: "ten-x", clock: systemClock, mounts, own: "1:memory:/\n" });
  const fault = await refusal(cgroups.make("a:b", { memoryBytes: 1 }));
  expect([fault.code, fault.message]).toEqual([
    "unhealthy",
    expect.stringContaining("the limits cannot be applied"),
  ]);
});

/** A real one can be made where this runs as root with version 1. */
async function version1(): Promise<boolean> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const probe = createCgroups({ parent: `ten-test-${process.pid}`, clock: systemClock });
  try {
    const made = await probe.make("probe", { memoryBytes: 64 << 20, cpuShares: 512 });
    await probe.remove("probe");
    return made.length === 2;
  } catch {
    return false;
  }
}

describe.skipIf(!(await version1()))("version 1, for real", () => {
  function setup() {
    const directory = tempDir();
    const parent = `ten-test-${process.pid}-${crypto.randomUUID()}`;
    const cgroups = createCgroups({ parent, clock: systemClock });
    const processes = createProcesses(systemClock);
    cleanups.push(() => processes[Symbol.dispose]());
    cleanups.push(() => removeAll(cgroups));
    const start = (script: string, more: Partial<SpawnOptions>) =>
      processes.start({
        argv: ["sh", "-c", script],
        env: { PATH: process.env.PATH ?? "" },
        cwd: "/",
        stdoutPath: directory.file("out.log"),
        stderrPath: directory.file("err.log"),
        nonce: `test-${crypto.randomUUID()}`,
        ...more,
      });
    return { cgroups, start, output: () => readFileSync(directory.file("out.log"), "utf8") };
  }

  async function removeAll(cgroups: Cgroups): Promise<void> {
    for (const name of cgroups.names()) await cgroups.remove(name);
  }

  test("a process is in the groups of both controllers from its beginning, and its children too", async () => {
    const { cgroups, start, output } = setup();
    const made = await cgroups.make("api:v1", { memoryBytes: 64 << 20, cpuShares: 512 });
    expect(made.length).toBe(2);
    expect(readFileSync(join(made[0] ?? "", "memory.limit_in_bytes"), "utf8").trim()).toBe(String(64 << 20));
    expect(readFileSync(join(made[1] ?? "", "cpu.shares"), "utf8").trim()).toBe("512");
    const child = start("cat /proc/self/cgroup", { cgroups: made });
    expect(await child.exited).toEqual({ code: 0 });
    expect(output()).toMatch(/:memory:.*\/api:v1\n/);
    await cgroups.remove("api:v1");
    expect(made.map((path) => existsSync(path))).toEqual([false, false]);
  });

  test("who takes more memory than allowed is killed, nobody else, and the kernel has counted it", async () => {
    const { cgroups, start } = setup();
    const bystander = start("exec sleep 600", {
      cgroups: await cgroups.make("other", { memoryBytes: 64 << 20 }),
    });
    const greedy = await cgroups.make("greedy", { memoryBytes: 16 << 20 });
    const child = start("x=$(head -c 100m /dev/zero | tr '\\0' x); echo $x", { cgroups: greedy });
    expect(await child.exited).toEqual({ signal: "SIGKILL" });
    expect(cgroups.outOfMemory("greedy")).toEqual({ kills: 1, limitBytes: 16 << 20 });
    expect(cgroups.outOfMemory("other")?.kills).toBe(0);
    expect(bystander.alive()).toBe(true);
    await bystander.stop(0);
  });

  test("what has left its session and has no mark goes with its group", async () => {
    const { cgroups, start, output } = setup();
    const made = await cgroups.make("api:v1", { memoryBytes: 64 << 20 });
    const child = start("env -i setsid sh -c 'echo $$; exec sleep 600' & wait", { cgroups: made });
    const escaped = await until("it has started", () => Number(output().trim()));
    await child.stop(0);
    expect(readProcess(escaped)?.zombie).toBe(false);
    await cgroups.remove("api:v1");
    expect(readProcess(escaped)?.zombie ?? true).toBe(true);
    expect([cgroups.names(), existsSync(join(made[0] ?? "", ".."))]).toEqual([[], false]);
  });
});
