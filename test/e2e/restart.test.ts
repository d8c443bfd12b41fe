// Restarts: a successor takes over when it is healthy, and nobody who was served notices.

import { describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { until } from "../support/until.ts";
import { NO_PROCESS } from "../support/workers.ts";
import { openGate, startFleet } from "./fleet.ts";
import { isAlive, type Ten, untilState } from "./ten.ts";

const HOST = "api.localhost";

/** What visitors get while something is going on, one after the other. */
async function visitDuring(ten: Ten, work: Promise<unknown>): Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  let isOver = false;
  const ended = work.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    const { status } = await ten.get(HOST, "/");
    seen[status] = (seen[status] ?? 0) + 1;
  }
  await ended;
  return seen;
}

async function startOne(): Promise<Ten> {
  const ten = await startFleet();
  await openGate(ten);
  await ten.ok("deploy", "api", "--version", "gated");
  return ten;
}

const pidOf = async (ten: Ten, id: string) => (await ten.ps())[id]?.pid;

describe("a restart of the only instance", () => {
  test.each([1, 2])(
    "with a long request open fails nobody, through %i workers, and ends its process when that has ended",
    async (workers) => {
      await using ten = await startFleet({ settings: `workers = ${workers}` });
      await ten.ok("deploy", "api:v1");
      const before = await pidOf(ten, "api:v1");
      const long = ten.get(HOST, "/slow?ms=3000");
      await until("it is in flight", async () => {
        const { instances } = await ten.json<{ instances: { in_flight: number }[] }>("ps");
        return instances[0]?.in_flight === 1;
      });
      const restart = ten.begin("restart", "api:v1");
      await until("its successor serves", async () => (await pidOf(ten, "api:v1")) !== before);
      expect(isAlive(before)).toBe(true);
      expect(Object.keys(await visitDuring(ten, restart.done))).toEqual(["200"]);
      expect((await restart.done).exit).toBe(0);
      expect((await long).status).toBe(200);
      expect(isAlive(before)).toBe(false);
    },
  );

  test("whose successor does not get healthy changes nothing, says why, and leaves no process behind", async () => {
    await using ten = await startOne();
    const before = await pidOf(ten, "api:gated");
    await rm(`${ten.dataDir}/_gate`);
    // The one that runs is unhealthy as well by now, and serves all the same.
    const { exit, stderr } = await ten.run("restart", "api:gated");
    expect(exit).toBe(5);
    expect(stderr).toContain("was not healthy within 15 s");
    expect(await pidOf(ten, "api:gated")).toBe(before as number);
    await openGate(ten);
    await untilState(ten, "api:gated", "healthy");
    expect(await ten.split(HOST, 3)).toEqual({ "api:gated": 3 });
  });

  test("that is stopped meanwhile ends both processes", async () => {
    await using ten = await startOne();
    await rm(`${ten.dataDir}/_gate`);
    const restart = ten.begin("restart", "api:gated");
    const log = Bun.file(`${ten.dataDir}/api/_logs/gated/stdout.log`);
    await until(
      "both have started",
      async () => (await log.text()).split("waiting for the gate").length === 3,
    );
    await ten.ok("stop", "api:gated");
    expect(await restart.done).toMatchObject({
      exit: 4,
      stderr: expect.stringContaining("was stopped meanwhile"),
    });
    expect((await ten.ps())["api:gated"]).toMatchObject({ state: "stopped", pid: null });
    await ten.ok("rm", "api:gated");
  });

  test("whose process dies before its successor is healthy waits for that one", async () => {
    await using ten = await startOne();
    const before = await pidOf(ten, "api:gated");
    await rm(`${ten.dataDir}/_gate`);
    const restart = ten.begin("restart", "api:gated");
    const log = Bun.file(`${ten.dataDir}/api/_logs/gated/stdout.log`);
    await until(
      "both have started",
      async () => (await log.text()).split("waiting for the gate").length === 3,
    );
    process.kill(before ?? NO_PROCESS, "SIGKILL");
    await untilState(ten, "api:gated", "starting");
    const visit = ten.get(HOST, "/");
    await openGate(ten);
    expect((await visit).status).toBe(200);
    expect((await restart.done).exit).toBe(0);
    expect((await log.text()).split("waiting for the gate").length).toBe(3);
  });

  test("with --stop-first never runs twice, and who comes meanwhile waits, also while it drains", async () => {
    await using ten = await startFleet({ startupTimeout: 6 });
    await ten.ok("deploy", "api:v1");
    const before = await pidOf(ten, "api:v1");
    // Longer than a visitor may wait for a start.
    const long = ten.get(HOST, "/slow?ms=8000");
    await until("it is in flight", async () => {
      const { instances } = await ten.json<{ instances: { in_flight: number }[] }>("ps");
      return instances[0]?.in_flight === 1;
    });
    const restart = ten.begin("restart", "api:v1", "--stop-first");
    await untilState(ten, "api:v1", "draining");
    const visit = ten.get(HOST, "/");
    expect((await long).status).toBe(200);
    expect((await visit).status).toBe(200);
    expect((await restart.done).exit).toBe(0);
    expect(isAlive(before)).toBe(false);
  });

  test("of a service with overlap = false is the same without the flag", async () => {
    await using ten = await startFleet({ service: "overlap = false" });
    await ten.ok("deploy", "api:v1");
    const before = await pidOf(ten, "api:v1");
    const restart = ten.begin("restart", "api:v1");
    expect(Object.keys(await visitDuring(ten, restart.done))).toEqual(["200"]);
    expect(await pidOf(ten, "api:v1")).not.toBe(before as number);
  });
});

test("a server killed in the middle of a restart goes on with the process that had the traffic, and ends the other", async () => {
  await using ten = await startOne();
  const before = await pidOf(ten, "api:gated");
  await rm(`${ten.dataDir}/_gate`);
  const restart = ten.begin("restart", "api:gated");
  const log = Bun.file(`${ten.dataDir}/api/_logs/gated/stdout.log`);
  await until("both have started", async () => (await log.text()).split("waiting for the gate").length === 3);
  ten.kill("SIGKILL");
  await ten.exited;
  await restart.done;
  await openGate(ten);
  await ten.start();
  expect(await ten.split(HOST, 3)).toEqual({ "api:gated": 3 });
  expect(await pidOf(ten, "api:gated")).toBe(before as number);
  await ten.ok("stop", "api:gated");
  expect((await ten.ps())["api:gated"]).toMatchObject({ state: "stopped", pid: null });
});
