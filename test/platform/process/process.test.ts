// Processes are started apart, recognised again, and signalled only when they are surely ours.
import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { Fault } from "../../../src/core/fault.ts";
import { bootId, readProcess } from "../../../src/platform/process/proc.ts";
import {
  createProcesses,
  findByNonce,
  type ManagedProcess,
  NONCE_VARIABLE,
} from "../../../src/platform/process/process.ts";
import type { SpawnOptions } from "../../../src/platform/process/spawn.ts";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { lacks } from "../../support/installed.ts";
import { createTempDir } from "../../support/temp-dir.ts";
import { until } from "../../support/until.ts";

/** Linux tells everybody who holds a pidfd how a process ended since 6.15, and only its parent before. */
const [major = 0, minor = 0] = release().split(".").map(Number);
const tellsEverybody = process.platform === "linux" && (major > 6 || (major === 6 && minor >= 15));

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function setup() {
  const directory = createTempDir();
  const processes = createProcesses(systemClock);
  cleanups.push(() => directory[Symbol.dispose]());
  cleanups.push(() => processes[Symbol.dispose]());
  const nonce = `test-${crypto.randomUUID()}`;
  const options: Omit<SpawnOptions, "argv"> & { nonce: string } = {
    env: { PATH: process.env.PATH ?? "" },
    cwd: directory.path,
    stdoutPath: directory.file("out.log"),
    stderrPath: directory.file("err.log"),
    nonce,
  };
  function start(argv: readonly string[], more: Partial<typeof options> = {}): ManagedProcess {
    const started = processes.start({ ...options, argv, ...more });
    cleanups.push(() => started.stop(0));
    return started;
  }
  const sh = (script: string) => start(["sh", "-c", script]);
  const output = () => readFileSync(options.stdoutPath, "utf8");
  const failure = (argv: readonly string[], more: Partial<typeof options> = {}) => {
    try {
      start(argv, more);
    } catch (error) {
      if (error instanceof Fault) return error;
      throw error;
    }
    throw new Error("it started");
  };
  return { directory, processes, nonce, start, sh, output, failure };
}

const runs = (pid: number) => readProcess(pid)?.zombie === false;

describe("start", () => {
  test("a child leads its own session and group and appends to its files", async () => {
    const { sh, output, directory } = setup();
    writeFileSync(directory.file("out.log"), "before\n");
    const child = sh("echo out; echo err >&2; echo $TEN_NONCE; exec sleep 100");
    expect(readProcess(child.pid)).toMatchObject({
      group: child.pid,
      session: child.pid,
      startTime: child.startTime,
    });
    await until("all is written", () => output().includes(child.nonce));
    expect(output()).toBe(`before\nout\n${child.nonce}\n`);
    expect(readFileSync(directory.file("err.log"), "utf8")).toBe("err\n");
  });

  test("the child's environment is exactly the one given, and the nonce", async () => {
    const { start, output, nonce } = setup();
    await start(["/usr/bin/env"], { env: { A: "1" } }).exited;
    expect(output().trim().split("\n").sort()).toEqual(["A=1", `${NONCE_VARIABLE}=${nonce}`]);
  });

  test("the exit code or the signal is told", async () => {
    const { sh } = setup();
    expect(await sh("exit 0").exited).toEqual({ code: 0 });
    expect(await sh("exit 7").exited).toEqual({ code: 7 });
    expect(await sh("kill -9 $$").exited).toEqual({ signal: "SIGKILL" });
  });

  test("descriptors of the supervisor do not leak into the child", async () => {
    const { sh, output } = setup();
    await sh("ls /proc/self/fd").exited;
    expect(output().trim().split("\n")).toEqual(["0", "1", "2", "3"]); // 3 is ls reading the directory
  });

  test("a start that fails says what was wrong", () => {
    const { failure, directory } = setup();
    const file = (name: string, text: string, mode: number) => {
      writeFileSync(directory.file(name), text);
      chmodSync(directory.file(name), mode);
    };
    file("plain", "echo", 0o644);
    file("script", "echo hi\n", 0o755);
    file("lost", "#!/no/such/shell\n", 0o755);
    const message = (argv: readonly string[], more = {}) => failure(argv, more).message;
    expect(message(["no-such-command"])).toBe('cannot start "no-such-command": command not found');
    expect(message(["./absent"])).toStartWith('cannot start "./absent": command not found: no file "/');
    expect(message(["./plain"])).toBe('cannot start "./plain": not executable');
    expect(message(["./script"])).toStartWith('cannot start "./script": a script without #!');
    expect(message(["./lost"])).toContain("the interpreter in its first line (#!) is missing");
    expect(message([directory.path])).toContain("it is a directory");
    expect(message([""])).toContain("the command is empty");
    expect(message(["sh"], { cwd: "/no/such" })).toBe(
      'cannot start "sh": its directory "/no/such" does not exist',
    );
    expect(message(["sh"], { stdoutPath: "/no/such/log" })).toStartWith('cannot open the log "/no/such/log"');
    expect(failure(["./plain"]).hint).toBe(`chmod +x ${directory.file("plain")}`);
    expect(failure(["no-such-command"]).code).toBe("unhealthy");
  });

  test("the child outlives a supervisor that is killed, and goes on writing", async () => {
    const { directory, processes, nonce, output } = setup();
    const supervisor = directory.file("supervisor.ts");
    const source = (name: string) => JSON.stringify(join(import.meta.dir, "../../../src/platform", name));
    writeFileSync(
      supervisor,
      `import { systemClock } from ${source("time/clock.ts")};
       import { createProcesses } from ${source("process/process.ts")};
       const child = createProcesses(systemClock).start({
         argv: ["sh", "-c", "while :; do echo tick; sleep 0.01; done"], env: process.env, cwd: ".",
         stdoutPath: "out.log", stderrPath: "err.log", nonce: ${JSON.stringify(nonce)} });
       console.log(JSON.stringify({ pid: child.pid, startTime: child.startTime }));
       setInterval(() => {}, 1000);`,
    );
    const parent = Bun.spawn([process.execPath, supervisor], { cwd: directory.path, stdout: "pipe" });
    const reader = parent.stdout.getReader();
    const identity = JSON.parse(new TextDecoder().decode((await reader.read()).value));
    parent.kill("SIGKILL");
    await parent.exited;
    const adopted = processes.adopt({ ...identity, bootId: bootId(), nonce });
    cleanups.push(() => adopted?.stop(0));
    const written = output().length;
    await until("the orphan writes on", () => output().length > written);
    expect(adopted?.alive()).toBe(true);
    if (tellsEverybody) expect(await adopted?.stop(5000)).toEqual({ signal: "SIGTERM" });
    else await adopted?.stop(5000);
    expect(runs(identity.pid)).toBe(false);
  });
});

describe("adopt", () => {
  test.skipIf(!tellsEverybody).each([
    ["exec sleep 100", { signal: "SIGKILL" }],
    ["read line; exit 7", { code: 7 }],
    ["read line; exit 0", { code: 0 }],
  ] as const)("the same process is taken back, and how it ends is known: %s", async (script, exit) => {
    const { directory, processes, nonce } = setup();
    // Its parent ends at once, as a server does before its instances are adopted.
    const gate = directory.file("gate");
    Bun.spawnSync(["mkfifo", gate]);
    const env = { ...process.env, [NONCE_VARIABLE]: nonce };
    const { stdout } = Bun.spawnSync(
      ["sh", "-c", `setsid sh -c '${script}' <>${gate} >/dev/null 2>&1 & echo $!`],
      { env },
    );
    const pid = Number(stdout.toString());
    const info = await until("it leads its session", () => {
      const seen = readProcess(pid);
      return seen?.session === pid && seen;
    });
    const adopted = processes.adopt({ pid, startTime: info.startTime, bootId: bootId(), nonce });
    expect(adopted?.alive()).toBe(true);
    if (script.startsWith("exec")) process.kill(pid, "SIGKILL");
    else writeFileSync(gate, "go\n");
    expect(await adopted?.exited).toEqual(exit);
    expect(adopted?.alive()).toBe(false);
  });

  test("another boot, start time or nonce, or a process that leads no session, is not ours", async () => {
    const { sh, processes, output } = setup();
    const child = sh("sleep 100 & echo $!; wait");
    const member = Number(await until("the grandchild is named", () => output().trim()));
    const grandchild = readProcess(member);
    expect(processes.adopt({ ...child, startTime: "1" })).toBeUndefined();
    expect(processes.adopt({ ...child, bootId: "another" })).toBeUndefined();
    expect(processes.adopt({ ...child, nonce: "another" })).toBeUndefined();
    expect(processes.adopt({ ...child, pid: 2 ** 22 + 1 })).toBeUndefined();
    expect(
      processes.adopt({ ...child, pid: member, startTime: grandchild?.startTime ?? "none" }),
    ).toBeUndefined();
    expect(processes.adopt(child)).toBeDefined();
  });

  test("a process that has lost its environment is still known by boot, pid, start time and session", () => {
    const { start, processes } = setup();
    const child = start(["env", "-i", "sleep", "100"]);
    return until(
      "env has become sleep",
      () => readFileSync(`/proc/${child.pid}/environ`, "utf8") === "",
    ).then(() => {
      expect(processes.adopt(child)?.alive()).toBe(true);
    });
  });

  test("a zombie is dead", async () => {
    const { sh, processes, output } = setup();
    // sh becomes sleep, which never reaps the child that it inherits.
    sh("setsid sh -c 'echo $$; exit 0' & exec sleep 100");
    const pid = Number(await until("the zombie is named", () => output().trim()));
    const zombie = await until("it is a zombie", () => {
      const info = readProcess(pid);
      return info?.zombie && info;
    });
    expect(zombie.session).toBe(pid);
    expect(
      processes.adopt({ pid, startTime: zombie.startTime, bootId: bootId(), nonce: "any" }),
    ).toBeUndefined();
  });
});

describe("signals", () => {
  test("a pid that now belongs to somebody else is never signalled", async () => {
    const { start, processes, nonce } = setup();
    const stranger = start(["env", "-i", "sleep", "100"]);
    const adopted = processes.adopt(stranger);
    await until("it has no nonce", () => readFileSync(`/proc/${stranger.pid}/environ`, "utf8") === "");
    const stale = processes.remains(stranger.pid, nonce);
    expect(stale.alive()).toBe(false);
    expect(stale.signalGroup("SIGKILL")).toBe(false);
    expect(await stale.stop(0)).toEqual({ unknown: true });
    expect(runs(stranger.pid)).toBe(true);
    expect(adopted?.signalGroup("SIGKILL")).toBe(true);
    expect(await stranger.exited).toEqual({ signal: "SIGKILL" });
  });

  test("nothing is signalled once the process has ended", async () => {
    const { sh } = setup();
    const child = sh("exit 0");
    await child.exited;
    expect(child.signalGroup("SIGTERM")).toBe(false);
    expect(await child.stop(1000)).toEqual({ code: 0 });
  });
});

describe("stop", () => {
  test("a process that obeys SIGTERM ends by it, well before the grace period", async () => {
    const { start } = setup();
    expect(await start(["sleep", "100"]).stop(3_600_000)).toEqual({ signal: "SIGTERM" });
  });

  test("a process that ignores SIGTERM is killed after the grace period", async () => {
    const { sh, output } = setup();
    const child = sh("trap '' TERM; echo ready; while :; do sleep 1; done");
    await until("the trap is set", () => output().includes("ready"));
    const before = performance.now();
    expect(await child.stop(200)).toEqual({ signal: "SIGKILL" });
    expect(performance.now() - before).toBeWithin(200, 60_000);
  });

  test("less grace given later wins", async () => {
    const { sh, output } = setup();
    const child = sh("trap '' TERM; echo ready; while :; do sleep 1; done");
    await until("the trap is set", () => output().includes("ready"));
    const patient = child.stop(60_000);
    expect(await child.stop(0)).toEqual({ signal: "SIGKILL" });
    expect(await patient).toEqual({ signal: "SIGKILL" });
  });

  test("a stopped process (SIGSTOP) ends by SIGTERM", async () => {
    const { start } = setup();
    const child = start(["sleep", "100"]);
    child.signalGroup("SIGSTOP");
    expect(await child.stop(10_000)).toEqual({ signal: "SIGTERM" });
  });

  test("grandchildren that ignore SIGTERM are gone when it resolves", async () => {
    const { sh, output } = setup();
    const child = sh("sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & wait");
    const grandchild = Number(await until("the grandchild is named", () => output().trim()));
    await child.stop(200);
    expect(runs(grandchild)).toBe(false);
  });

  test("grandchildren whose leader has ended by itself go too, even without the nonce", async () => {
    const { sh, output } = setup();
    const child = sh("env -i sleep 100 & echo $!; exit 3");
    expect(await child.exited).toEqual({ code: 3 });
    const grandchild = Number(output().trim());
    expect(runs(grandchild)).toBe(true);
    expect(await child.stop(5000)).toEqual({ code: 3 });
    expect(runs(grandchild)).toBe(false);
  });

  test.skipIf(lacks("python3"))("a grandchild in a group of its own is killed with the session", async () => {
    const { start, output } = setup();
    const script =
      "import os,time\nif os.fork()==0:\n os.setpgid(0,0)\n print(os.getpid(),flush=True)\n time.sleep(100)\ntime.sleep(100)";
    const child = start(["python3", "-c", script]);
    const grandchild = Number(await until("the grandchild is named", () => output().trim()));
    await child.stop(200);
    expect(runs(grandchild)).toBe(false);
  });

  test.skipIf(!Bun.which("setsid"))(
    "a daemon that has left the session ends by SIGTERM, or is killed",
    async () => {
      for (const [trap, atLeastMs] of [
        ["trap 'echo ended; exit' TERM", 0],
        ["trap '' TERM", 300],
      ] as const) {
        const { sh, output } = setup();
        const child = sh(
          `setsid sh -c '${trap.replaceAll("'", `'"'"'`)}; echo $$; while :; do sleep 0.05; done' & sleep 100`,
        );
        const daemon = Number(await until("the daemon is named", () => output().trim()));
        const begun = performance.now();
        await child.stop(300);
        expect(runs(daemon)).toBe(false);
        expect(performance.now() - begun).toBeGreaterThanOrEqual(atLeastMs);
        expect(output().includes("ended")).toBe(atLeastMs === 0);
      }
    },
  );

  test("fifty processes stop side by side", async () => {
    const { start } = setup();
    const children = Array.from({ length: 50 }, () => start(["sleep", "100"]));
    await Promise.all(children.map((child) => child.stop(5000)));
    expect(children.filter((child) => runs(child.pid))).toEqual([]);
  });
});

describe("findByNonce", () => {
  test("a child whose pid nobody wrote down is found, its grandchildren too, and what is left is stopped", async () => {
    const { sh, nonce, processes, output, directory } = setup();
    const child = sh("sleep 100 & echo $!; wait");
    const grandchild = Number(await until("the grandchild is named", () => output().trim()));
    const found = findByNonce(nonce).map(({ pid, session }) => ({ pid, session }));
    expect(found).toContainEqual({ pid: child.pid, session: child.pid });
    expect(found).toContainEqual({ pid: grandchild, session: child.pid });
    expect(findByNonce(`${nonce}-other`)).toEqual([]);
    process.kill(child.pid, "SIGKILL");
    await child.exited;
    expect(findByNonce(nonce).map(({ pid }) => pid)).toEqual([grandchild]);
    await processes.remains(child.pid, nonce).stop(5000);
    expect(findByNonce(nonce)).toEqual([]);
    expect(existsSync(directory.path)).toBe(true);
  });
});
