// The server among the processes of a machine: what it inherits, whose parent it is, and what a service manager hears.

import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { receiveDatagrams } from "../support/datagrams.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { NO_PROCESS } from "../support/workers.ts";
import { startFleet } from "./fleet.ts";
import { isAlive, startTen, untilState } from "./ten.ts";

const LINUX = process.platform === "linux";
const HOST = "api.localhost";

function canRun(...words: string[]): boolean {
  try {
    return Bun.spawnSync([...words, "true"], { stdout: "ignore", stderr: "ignore" }).success;
  } catch {
    return false;
  }
}

const statusOf = (pid: number, name: string) =>
  new RegExp(`^${name}:\\s*(\\S+)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];

describe.skipIf(!LINUX)("signals", () => {
  const inherits = ["env", "--ignore-signal=CHLD", "--block-signal=TERM"];
  test.skipIf(!canRun(...inherits))("that whoever started it ignores or blocks reach no app", async () => {
    await using ten = await startTen({ within: inherits });
    await ten.ok("deploy", "api:v1");
    const { pid } = (await ten.ps())["api:v1"] ?? {};
    expect(statusOf(pid ?? 0, "SigBlk")).toBe("0000000000000000");
    process.kill(pid ?? NO_PROCESS, "SIGKILL");
    await until("its end is known and it is started again", async () => {
      const { "api:v1": now } = await ten.ps();
      return now?.last_exit === "was killed by SIGKILL" && now.state === "healthy";
    });
    // A blocked SIGTERM would take stop_grace_period_secs, and end by SIGKILL.
    await ten.ok("deploy", "api:v2", "--promote");
    await ten.ok("stop", "api:v1");
    expect((await ten.get(HOST)).instance).toBe("api:v2");
  });

  test("SIGUSR2 changes nothing, and after SIGUSR1 the log is a new file of the old name", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    const log = join(ten.dir, "serve.log");
    renameSync(log, `${log}.1`);
    ten.kill("SIGUSR2");
    ten.kill("SIGUSR1");
    await until("the log is there again", () => existsSync(log));
    ten.kill("SIGHUP");
    await until("it is written to", async () => (await ten.log()).includes("reload: nothing changed"));
    expect(await Bun.file(`${log}.1`).text()).not.toContain("reload: nothing changed");
    expect((await ten.get(HOST)).status).toBe(200);
  });
});

const ALONE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
test.skipIf(!LINUX || !canRun(...ALONE))(
  "the first process of a container takes the status of orphans",
  async () => {
    await using ten = await startTen({ within: ALONE });
    await ten.ok("deploy", "api:v1");
    // A daemon of the app's: its parent ends, and then it does.
    const inside = (words: string[]) => {
      const child = Number(
        readFileSync(`/proc/${ten.pid}/task/${ten.pid}/children`, "utf8").trim().split(" ")[0],
      );
      return Bun.spawnSync([
        "nsenter",
        "--pid",
        "--mount",
        "--target",
        String(child),
        ...words,
      ]).stdout.toString();
    };
    const zombies = () =>
      inside(["ps", "-A", "-o", "stat=,ppid="])
        .split("\n")
        .filter((line) => /^Z.* 1$/.test(line));
    inside(["sh", "-c", "(sleep 0.2 >/dev/null 2>&1 &)"]);
    await until("the orphan has ended and is no zombie", () => {
      return !inside(["ps", "-A", "-o", "args="]).includes("sleep 0.2") && zombies().length === 0;
    });
    expect((await ten.get(HOST)).status).toBe(200);
  },
);

test.skipIf(!LINUX)("a service manager hears that the event loop turns", async () => {
  using dir = createTempDir();
  using manager = receiveDatagrams(dir.file("notify"));
  await using ten = await startTen({ env: { NOTIFY_SOCKET: dir.file("notify"), WATCHDOG_USEC: "200000" } });
  const told: string[] = [];
  // The listening socket goes into its store besides.
  while (told.length < 3) {
    const message = await manager.next();
    if (!message.startsWith("FDSTORE=1")) told.push(message);
  }
  expect(told).toEqual(["READY=1\n", "WATCHDOG=1\n", "WATCHDOG=1\n"]);
  expect((await ten.get("localhost", "/health")).status).toBe(200);
});

test.skipIf(!LINUX).each([1, 2])(
  "whoever takes the port of an adopted instance that has died gets none of its visitors, with %i workers",
  async (workers) => {
    await using ten = await startFleet({ settings: `workers = ${workers}` });
    for (const id of ["v1", "v2"]) await ten.ok("deploy", `api:${id}`);
    await ten.ok("weight", "api:v1=50", "api:v2=50");
    const { pid, port } = (await ten.ps())["api:v1"] ?? {};
    ten.kill("SIGQUIT");
    await ten.exited;
    await ten.start();
    await untilState(ten, "api:v1", "healthy");
    let stolen = 0;
    process.kill(pid ?? NO_PROCESS, "SIGSTOP");
    process.kill(pid ?? NO_PROCESS, "SIGKILL");
    await until("it is dead", () => !isAlive(pid));
    const steal = () => {
      try {
        return Bun.serve({
          hostname: "127.0.0.1",
          port: port ?? 0,
          reusePort: false,
          fetch(request) {
            // A check carries nothing of anybody's, and tells that it is answered by a stranger.
            if (request.headers.get("user-agent") !== "ten-health") stolen++;
            return new Response("stolen");
          },
        });
      } catch {
        // Threads of the dead still hold it.
        return undefined;
      }
    };
    using thief = await until("the port is free", steal);
    const answers = await Promise.all(Array.from({ length: 40 }, () => ten.get(HOST)));
    expect(stolen).toBe(0);
    expect(answers.map(({ body }) => body)).not.toContain("stolen");
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(thief.port).toBe(port ?? 0);
  },
);
