// The proxy in worker processes, on the compiled binary: what no death of the server or of a worker may cost.

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readDescriptors } from "../../src/platform/process/proc.ts";
import { startLoad } from "../support/constant-load.ts";
import { until } from "../support/until.ts";
import { NO_PROCESS } from "../support/workers.ts";
import { startFleet } from "./fleet.ts";
import { counted, workersOf } from "./hand-over.ts";
import { runTen, type Ten, untilState } from "./ten.ts";

const HOST = "api.localhost";
const TWO = { settings: "workers = 2" };

function loadOn(ten: Ten, method: "GET" | "POST") {
  return startLoad(ten.port, { host: HOST, connections: 20, method }, () => counted(ten));
}

async function kill(ten: Ten, signal: NodeJS.Signals): Promise<void> {
  ten.kill(signal);
  await ten.exited;
}

test("SIGTERM while ten serve starts leaves no worker behind", async () => {
  await using ten = await startFleet(TWO);
  await kill(ten, "SIGTERM");
  const starting = ten.begin("serve", "--port", "0");
  await until("a worker starts", () => readdirSync(ten.dataDir).some((name) => name.startsWith("w_")));
  starting.kill("SIGTERM");
  const { exit, stderr } = await starting.done;
  expect({ exit, workers: workersOf(ten) }).toEqual({ exit: 0, workers: [] });
  expect(stderr).toContain("SIGTERM: finishing requests, ending the instances");
});

describe("kill -9 of ten serve with two workers", () => {
  test.each(["GET", "POST"] as const)(
    "fails no %s, and the next start takes over all of it",
    async (method) => {
      await using ten = await startFleet(TWO);
      await ten.ok("deploy", "api:v1");
      await ten.ok("deploy", "api:v2", "--weight", "10");
      const { port } = ten;
      const [before, workers] = [await ten.ps(), workersOf(ten)];
      expect(workers).toHaveLength(2);
      await using load = await loadOn(ten, method);
      await load.more(500);
      await kill(ten, "SIGKILL");
      await ten.start();
      expect(ten.port).toBe(port);
      await load.more(500);
      expect(workersOf(ten)).toEqual(workers);
      const after = await ten.ps();
      const kept = ({ pid, weight }: { pid: number | null; weight: number }) => ({ pid, weight });
      expect(Object.values(after).map(kept)).toEqual(Object.values(before).map(kept));
      await ten.ok("weight", "api:v2", "100");
      await load.more(500);
      const { failed, ok } = await load.end();
      expect(failed).toEqual({});
      expect(ok).toBeGreaterThan(1_500);
      expect(await ten.split(HOST, 100, 10)).toEqual({ "api:v2": 100 });
    },
    180_000,
  );

  test("and of one of them makes no visitor of the other think that what it waits for does not exist", async () => {
    await using ten = await startFleet({ ...TWO, service: "on_demand = true\nmax_instances = 5" });
    await kill(ten, "SIGKILL");
    const open = () => workersOf(ten).reduce((sum, pid) => sum + (readDescriptors(pid)?.size ?? 0), 0);
    const before = open();
    const asked = Array.from({ length: 10 }, () =>
      ten.get("v1.api.localhost").then(
        ({ status }) => status,
        () => "cut" as const,
      ),
    );
    // They wait 10 s for who comes next, which a start takes a tenth of.
    // Of what was open before, what led to the server that was killed may have been closed since.
    await until("most are in", () => open() >= before + asked.length / 2);
    process.kill(workersOf(ten)[0] ?? NO_PROCESS, "SIGKILL");
    await ten.start();
    const answers = await Promise.all(asked);
    expect(answers.filter((one) => one !== "cut" && one !== 200)).toEqual([]);
  });

  test("leaves a server that answers for itself, and takes no command", async () => {
    await using ten = await startFleet(TWO);
    await ten.ok("deploy", "api:v1");
    await kill(ten, "SIGKILL");
    expect(await ten.split(HOST, 50, 10)).toEqual({ "api:v1": 50 });
    const health = await ten.get("localhost", "/health");
    expect(JSON.parse(health.body)).toMatchObject({ status: "ok", supervisor: "away" });
    expect((await ten.get("localhost", "/api/instances")).status).toBe(503);
    expect((await ten.run("ps")).exit).toBe(6);
    await ten.start();
    expect(JSON.parse((await ten.get("localhost", "/health")).body)).not.toHaveProperty("supervisor");
  });
});

describe("a worker", () => {
  test("that is killed cuts only its own requests, and is replaced", async () => {
    await using ten = await startFleet(TWO);
    await ten.ok("deploy", "api:v1");
    await using load = await loadOn(ten, "GET");
    await load.more(500);
    const [victim = NO_PROCESS, other = 0] = workersOf(ten);
    process.kill(victim, "SIGKILL");
    await until("there are two again", () => workersOf(ten).length === 2 && !workersOf(ten).includes(victim));
    await load.more(1_000);
    const { failed } = await load.end();
    const cut = Object.values(failed).reduce((sum, count) => sum + count, 0);
    // One open request a connection, and those that its last moments accepted: not half of the second that the rest took.
    expect(cut).toBeLessThan(3 * 20);
    expect(workersOf(ten)).toContain(other);
    await until("it is logged", async () =>
      (await ten.log()).includes(`worker ${victim} has ended and is replaced`),
    );
  });

  test("knows nothing but its mark, and instances nothing of workers", async () => {
    await using ten = await startFleet({ ...TWO, env: { SECRET: "x" } });
    await ten.ok("deploy", "api:v1");
    const environmentOf = (pid: number) => readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
    for (const pid of workersOf(ten)) {
      expect(environmentOf(pid).filter((one) => one !== "")).toEqual([
        expect.stringMatching(/^TEN_NONCE=worker\./),
      ]);
    }
    const { "api:v1": instance } = await ten.ps();
    expect(environmentOf(instance?.pid ?? 0)).toContain("SECRET=x");
    // No listener, no socket of the server's.
    const open = [...(readDescriptors(instance?.pid ?? 0)?.values() ?? [])];
    expect(open.filter((link) => link.includes("w_") || link.includes("own.sock"))).toEqual([]);
  });
});

describe("workers", () => {
  test("divide traffic within one request each, wake a sleeper once, and count what they do", async () => {
    await using ten = await startFleet({ ...TWO, service: "idle_timeout = 1" });
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2");
    await ten.ok("weight", "api:v2", "10");
    const { "api:v2": canary = 0, ...rest } = await ten.split(HOST, 1_000, 10);
    expect(Object.keys(rest)).toEqual(["api:v1"]);
    expect(canary).toBeWithin(98, 103);
    await until("all are counted", async () => (await counted(ten)) === 1_000);
    await untilState(ten, "api:v1", "sleeping");
    expect(await ten.split("v1.api.localhost", 20, 20)).toEqual({ "api:v1": 20 });
    expect((await ten.ps())["api:v1"]?.restarts).toBe(0);
  });

  test("end with an orderly end of the server, and stay when it only leaves", async () => {
    await using ten = await startFleet(TWO);
    await ten.ok("deploy", "api:v1");
    const workers = workersOf(ten);
    await kill(ten, "SIGQUIT");
    expect(workersOf(ten)).toEqual(workers);
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 10 });
    await ten.start();
    expect(workersOf(ten)).toEqual(workers);
    await kill(ten, "SIGTERM");
    expect(workersOf(ten)).toEqual([]);
    expect(readdirSync(ten.dataDir).filter((name) => /^w_|^own/.test(name))).toEqual([]);
  });

  test("make room when there are to be none, and come again; SIGHUP says that it takes a start", async () => {
    await using ten = await startFleet(TWO);
    await ten.ok("deploy", "api:v1");
    const toml = readFileSync(join(ten.dir, "tenement.toml"), "utf8");
    writeFileSync(join(ten.dir, "tenement.toml"), toml.replace("workers = 2", "workers = 1"));
    ten.kill("SIGHUP");
    await until("it says so", async () =>
      (await ten.log()).includes("settings.workers is taken at the next start"),
    );
    const port = String(ten.port);
    await kill(ten, "SIGKILL");
    await using one = await restarted(ten, port);
    await until("they have ended", () => workersOf(ten).length === 0);
    expect((await fetch(`http://127.0.0.1:${port}/`, { headers: { Host: HOST } })).status).toBe(200);
    one.kill("SIGTERM");
  });

  test("do not let a second server share their port or their directory", async () => {
    await using ten = await startFleet(TWO);
    await using other = await startFleet();
    const taken = await runTen(other.dir, [
      "serve",
      "--port",
      String(ten.port),
      "--data-dir",
      join(other.dir, "new"),
    ]);
    expect(taken.exit).toBe(4);
    expect(taken.stderr).toContain(`port ${ten.port} is taken by ten`);
    const held = await runTen(ten.dir, ["serve", "--port", "0"]);
    expect(held.exit).toBe(4);
    expect(held.stderr).toContain("another ten serve");
  });
});

/** The same directory served again, on a port of one's choice. */
async function restarted(ten: Ten, port: string) {
  const running = ten.begin("serve", "--port", port);
  await running.said("serving");
  return {
    kill: running.kill,
    async [Symbol.asyncDispose]() {
      running.kill("SIGTERM");
      await running.done;
    },
  };
}
