// Lives and deaths: of ten serve, of its instances, and of what they started.

import { describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { until } from "../support/until.ts";
import { wireClient } from "../support/wire.ts";
import { NO_PROCESS } from "../support/workers.ts";
import { openGate, startFleet } from "./fleet.ts";
import { isAlive, startTen, type Ten, tomlFor, untilState } from "./ten.ts";

const HOST = "api.localhost";

/** What of an instance outlives its server. */
async function lasting(ten: Ten) {
  return Object.values(await ten.ps()).map(({ id, pid, port, weight, version, state }) => {
    return { id, pid, port, weight, version, state };
  });
}

async function startTwo(settings?: string): Promise<Ten> {
  const ten = await startFleet(settings === undefined ? {} : { settings });
  await ten.ok("deploy", "api:v1");
  await ten.ok("deploy", "api:v2", "--weight", "20");
  return ten;
}

describe("ten serve", () => {
  test("killed and started again has the same instances, processes, ports and weights, and serves at once", async () => {
    await using ten = await startTwo();
    const before = await lasting(ten);
    const uptimes = async () => Object.values(await ten.ps()).map(({ uptime_secs }) => uptime_secs ?? 0);
    await until("both have run for a second", async () => (await uptimes()).every((secs) => secs >= 1));
    ten.kill("SIGKILL");
    await ten.exited;
    await ten.start();
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 8, "api:v2": 2 });
    expect(await lasting(ten)).toEqual(before);
    for (const secs of await uptimes()) expect(secs).toBeGreaterThanOrEqual(1);
  });

  test("killed sees at its next start which instances died meanwhile, and starts them", async () => {
    await using ten = await startTwo();
    const { "api:v2": before } = await ten.ps();
    ten.kill("SIGKILL");
    await ten.exited;
    process.kill(before?.pid ?? NO_PROCESS, "SIGKILL");
    await until("it is gone", () => !isAlive(before?.pid));
    await ten.start();
    await untilState(ten, "api:v2", "healthy");
    const { "api:v2": after } = await ten.ps();
    expect(after?.pid).not.toBe(before?.pid as number);
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 8, "api:v2": 2 });
  });

  test("told to end by SIGTERM finishes what is in flight, ends the instances, exits 0, and brings them back", async () => {
    await using ten = await startTwo();
    const before = await ten.ps();
    const slow = ten.get(HOST, "/slow?ms=5000");
    await until("it is in flight", async () => Object.values(await inFlight(ten)).includes(1));
    ten.kill("SIGTERM");
    expect((await slow).status).toBe(200);
    expect(await ten.exited).toBe(0);
    for (const { pid } of Object.values(before)) expect(isAlive(pid)).toBe(false);
    await ten.start();
    await untilState(ten, "api:v1", "healthy");
    await untilState(ten, "api:v2", "healthy");
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 8, "api:v2": 2 });
  });

  test("told twice kills the groups at once and exits 1", async () => {
    await using ten = await startFleet({ service: "" });
    await ten.ok("deploy", "api:stubborn");
    const { stdout } = await ten.ok("logs", "api:stubborn");
    const pids = [...stdout.matchAll(/(?:grand)?child (\d+)/g)].map(([, pid]) => Number(pid));
    const slow = ten.get(HOST, "/slow?ms=20000").catch(() => undefined);
    await until("it is in flight", async () => (await inFlight(ten))["api:stubborn"] === 1);
    ten.kill("SIGTERM");
    await until("it says so", async () => (await ten.log()).includes("finishing requests"));
    ten.kill("SIGTERM");
    // As one that waits ends with 0.
    expect(await ten.exited).toBe(1);
    await slow;
    expect(pids.map(isAlive)).toEqual([false, false]);
  });

  test("told twice does not wait for a stop that is under way", async () => {
    await using ten = await startFleet({ graceSecs: 60 });
    await ten.ok("deploy", "api:stubborn");
    const { "api:stubborn": row } = await ten.ps();
    ten.kill("SIGTERM");
    const log = Bun.file(`${ten.dataDir}/api/_logs/stubborn/stdout.log`);
    await until("the app was told to end", async () => (await log.text()).includes("SIGTERM"));
    const begun = performance.now();
    ten.kill("SIGTERM");
    expect(await ten.exited).toBe(1);
    // Its grace period alone is 60 s.
    expect(performance.now() - begun).toBeLessThan(40_000);
    expect(isAlive(row?.pid)).toBe(false);
  });

  test("told to leave by SIGQUIT leaves the instances to the next start, which adopts them", async () => {
    await using ten = await startTwo();
    const before = await lasting(ten);
    ten.kill("SIGQUIT");
    expect(await ten.exited).toBe(0);
    for (const { pid } of before) expect(isAlive(pid)).toBe(true);
    await ten.start();
    expect(await lasting(ten)).toEqual(before);
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 8, "api:v2": 2 });
  });

  test("spawns [instances] once, and never again what was removed", async () => {
    await using ten = await startFleet({ settings: "" });
    await Bun.write(
      `${ten.dir}/tenement.toml`,
      `${await Bun.file(`${ten.dir}/tenement.toml`).text()}\n[instances]\napi = ["v1", "v2"]\n`,
    );
    ten.kill("SIGTERM");
    await ten.exited;
    await ten.start();
    await untilState(ten, "api:v1", "healthy");
    await untilState(ten, "api:v2", "healthy");
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 5, "api:v2": 5 });
    await ten.ok("stop", "api:v1", "api:v2");
    await ten.ok("rm", "api:v1", "api:v2");
    ten.kill("SIGTERM");
    await ten.exited;
    await ten.start();
    expect(await ten.ps()).toEqual({});
  });
});

describe("an instance", () => {
  test("that is killed is restarted at once, with its weight and a count of it", async () => {
    await using ten = await startTwo();
    const { "api:v2": before } = await ten.ps();
    process.kill(before?.pid ?? NO_PROCESS, "SIGKILL");
    await until("it is another process", async () => {
      const { "api:v2": now } = await ten.ps();
      return now?.state === "healthy" && now.pid !== before?.pid;
    });
    expect((await ten.ps())["api:v2"]).toMatchObject({
      weight: 20,
      restarts: 1,
      last_exit: "was killed by SIGKILL",
    });
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 8, "api:v2": 2 });
  });

  test("that is the only one and killed keeps who comes waiting until it is back", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api:v1");
    const { "api:v1": before } = await ten.ps();
    process.kill(before?.pid ?? NO_PROCESS, "SIGKILL");
    await until("it is gone", () => !isAlive(before?.pid));
    expect(await ten.split(HOST, 8, 8)).toEqual({ "api:v1": 8 });
  });

  test("that crashes again and again is failed: out of rotation, with its exit and its output, and still shown", async () => {
    await using ten = await startFleet({ settings: "max_restarts = 2" });
    await ten.ok("deploy", "api:v1");
    await ten.ok("spawn", "api:crash");
    await untilState(ten, "api:crash", "failed");
    const { "api:crash": row } = await ten.ps();
    expect(row).toMatchObject({ last_exit: "exited with code 7", pid: null, share: 0 });
    expect(row?.reason).toStartWith("exited with code 7, next try in ");
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 10 });
    const { stdout: running } = await ten.ok("ps");
    expect(running).not.toMatch(/^api:crash/m);
    expect(running).toContain("1 failed (ten ps --all)\n");
    const { stdout } = await ten.ok("ps", "--all");
    expect(stdout).toMatch(
      /^api:crash +failed [\s\S]*\napi:crash: exited with code 7, .*\napi:crash wrote last:\n[\s\S]* no database\n/m,
    );
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(120);
    expect((await ten.ok("logs", "api:crash", "--limit", "2")).stdout).toContain("no database");
    await ten.ok("stop", "api:crash");
    await ten.ok("rm", "api:crash");
  });

  test("that is unhealthy for too long is restarted, and its sick sibling only when it is healthy again", async () => {
    await using ten = await startFleet({
      service: "unhealthy_restart_secs = 1\nhealth_check_interval = 0.1",
    });
    await openGate(ten);
    for (const id of ["a", "b"]) await ten.ok("spawn", `api:${id}`, "--version", "fickle");
    for (const id of ["a", "b"]) await untilState(ten, `api:${id}`, "healthy");
    const starts = async () => {
      const logs = ["a", "b"].map((id) => Bun.file(`${ten.dataDir}/api/_logs/${id}/stdout.log`).text());
      return (await Promise.all(logs)).join("").split("started").length - 1;
    };
    for (const id of ["a", "b"]) await ten.get(`${id}.${HOST}`, "/fall");
    await rm(`${ten.dataDir}/_gate`);
    await until("one is restarted", async () => (await starts()) > 2);
    // Longer than the other waits to be looked at again.
    await Bun.sleep(1_500);
    expect(await starts()).toBe(3);
    await openGate(ten);
    for (const id of ["a", "b"]) await untilState(ten, `api:${id}`, "healthy");
    expect(await starts()).toBe(4);
  });

  test("whose release has gone goes on when it is restarted, says so, and is tried again when it has died", async () => {
    await using ten = await startTwo();
    const { "api:v2": before } = await ten.ps();
    await rm(`${ten.dir}/releases/v2`, { recursive: true });
    const { exit, stderr } = await ten.run("restart", "api:v2");
    expect(exit).toBe(5);
    expect(stderr).toContain('releases/v2" does not exist');
    expect((await ten.ps())["api:v2"]).toMatchObject({ weight: 20, state: "healthy", pid: before?.pid });
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 8, "api:v2": 2 });
    process.kill(before?.pid ?? NO_PROCESS, "SIGKILL");
    await untilState(ten, "api:v2", "failed");
    const { "api:v2": row } = await ten.ps();
    expect(row).toMatchObject({ weight: 20, share: 0, pid: null });
    expect(row?.reason).toContain("could not be started");
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 10 });
  });

  test("is restarted on demand in another process with the same weight", async () => {
    await using ten = await startTwo();
    const { "api:v2": before } = await ten.ps();
    await ten.ok("restart", "api:v2");
    const { "api:v2": after } = await ten.ps();
    expect(after).toMatchObject({ state: "healthy", weight: 20 });
    expect(after?.pid).not.toBe(before?.pid as number);
    expect(isAlive(before?.pid)).toBe(false);
  });

  test("that ends well is left so, and comes back when it is spawned", async () => {
    await using ten = await startFleet({ service: 'restart = "never"' });
    await ten.ok("deploy", "api:v1");
    await ten.get(HOST, "/exit");
    await untilState(ten, "api:v1", "stopped");
    expect((await ten.ps())["api:v1"]?.reason).toContain('restart = "never"');
    await ten.ok("spawn", "api:v1");
    await untilState(ten, "api:v1", "healthy");
    expect(await ten.split(HOST, 5)).toEqual({ "api:v1": 5 });
  });

  test("is checked by health, which exits 5 when it is not healthy", async () => {
    await using ten = await startTwo();
    expect((await ten.ok("health", "api:v1")).stdout).toMatch(
      /^api:v1 is healthy; check passed: .*200.* ms\)\n$/,
    );
    await ten.ok("spawn", "api:sick", "--weight", "0");
    const { exit, stdout } = await ten.run("health", "api:sick");
    expect([exit, stdout]).toEqual([
      5,
      expect.stringMatching(/^api:sick is \w+, unhealthy: |^api:sick is unhealthy: /),
    ]);
    await ten.ok("stop", "api:v2");
    expect((await ten.run("health", "api:v2")).exit).toBe(5);
  });
});

test("a stranger on every port but one leaves that one to the app, and is never taken for it", async () => {
  const { first, last, strangers } = await takeRow();
  try {
    await using ten = await startFleet({ settings: `ports = "${first}-${last}"` });
    await ten.ok("deploy", "api:v1");
    expect((await ten.ps())["api:v1"]?.port).toBe(last);
    const { exit, stderr } = await ten.run("deploy", "api:v2", "--timeout", "2");
    expect(exit).not.toBe(0);
    expect(stderr).toContain("port");
    expect((await ten.ps())["api:v2"]).toMatchObject({ state: "stopped", weight: 0 });
  } finally {
    for (const server of strangers) server.close();
  }
});

test("stopped instances are pruned but for the newest, and running ones never", async () => {
  await using ten = await startFleet();
  await ten.ok("deploy", "api:v1");
  for (const id of ["a", "b", "c"]) {
    await ten.ok("spawn", `api:${id}`, "--version", "v2", "--weight", "0");
    await ten.ok("stop", `api:${id}`);
  }
  const { removed } = await ten.json<{ removed: string[] }>("prune", "api", "--keep", "1");
  expect(removed.sort()).toEqual(["a", "b"]);
  expect(Object.keys(await ten.ps())).toEqual(["api:v1", "api:c"]);
  expect((await ten.ok("prune", "api")).stdout).toBe("nothing to remove\n");
});

async function inFlight(ten: Ten): Promise<Record<string, number>> {
  const { instances } = await ten.json<{ instances: { id: string; in_flight: number }[] }>("ps");
  return Object.fromEntries(instances.map(({ id, in_flight }) => [id, in_flight]));
}

/**
 * Six ports in a row, all but the last with a stranger on it. Not of the usual range, from which the instances of tests
 * that run beside this one have theirs.
 */
async function takeRow() {
  for (let tries = 0; tries < 100; tries++) {
    const first = 10_000 + Math.floor(Math.random() * 9_000);
    const opened = await Promise.allSettled(Array.from({ length: 6 }, (_, index) => listenOn(first + index)));
    const servers = opened.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const kept = servers.length === 6 ? 5 : 0;
    await Promise.all(servers.slice(kept).map((server) => new Promise((closed) => server.close(closed))));
    if (kept > 0) return { first, last: first + 5, strangers: servers.slice(0, kept) };
  }
  throw new Error("no six free ports in a row");
}

function listenOn(port: number): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  const server = createServer((socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  server.once("error", reject);
  server.listen(port, "127.0.0.1", () => resolve(server));
  return promise;
}

test("several services are stopped side by side, each with what it has open", async () => {
  const api = tomlFor("bun", "drain_timeout = 60").replace(/^drain_timeout = 10$/m, "");
  const web = api.slice(api.indexOf("[service.api]")).replace("[service.api]", "[service.web]");
  await using ten = await startTen({ toml: `${api}\n${web}` });
  await ten.ok("deploy", "api:v1");
  await ten.ok("deploy", "web:v1");
  const url = new URL(`http://127.0.0.1:${ten.port}`);
  const visitors = await Promise.all(
    ["api", "web"].map((name) =>
      wireClient(url, `GET /stream?chunks=600&ms=100 HTTP/1.1\r\nHost: ${name}.localhost\r\n\r\n`),
    ),
  );
  for (const visitor of visitors) await visitor.until((text) => text.includes("chunk 0"));
  const stop = ten.ok("stop", "api", "web", "--all");
  await until("both drain at once", async () => {
    const states = Object.values(await ten.ps()).map(({ state }) => state);
    return states.length === 2 && states.every((state) => state === "draining");
  });
  for (const visitor of visitors) visitor[Symbol.dispose]();
  expect((await stop).stderr).toContain("web:v1 stopped");
});
