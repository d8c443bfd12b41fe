// What a deploy does beside its main job: twice, again, in line, interrupted, aborted.
import { describe, expect, test } from "bun:test";
import { until } from "../support/until.ts";
import { openGate, startFleet } from "./fleet.ts";
import { isAlive, untilState } from "./ten.ts";

const HOST = "api.localhost";

describe("a deploy", () => {
  test("of what runs healthy already changes nothing, and says so: CI may run it twice", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api", "--version", "v1");
    await ten.ok("deploy", "api", "--version", "v2", "--weight", "10");
    const { "api:v2": before } = await ten.ps();
    const again = await ten.ok("deploy", "api", "--version", "v2");
    expect(again.stderr).toContain("nothing to do");
    await ten.ok("deploy", "api", "--version", "v2", "--weight", "30");
    expect((await ten.ps())["api:v2"]).toMatchObject({ pid: before?.pid, weight: 30 });
  });

  test("with --replace starts it afresh, and keeps its weight and its siblings' traffic", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2", "--weight", "10");
    const { "api:v2": before, "api:v1": sibling } = await ten.ps();
    await ten.ok("deploy", "api:v2", "--replace");
    const { "api:v2": after, "api:v1": still } = await ten.ps();
    expect(after).toMatchObject({ state: "healthy", weight: 10 });
    expect(after?.pid).not.toBe(before?.pid as number);
    expect(still?.pid).toBe(sibling?.pid as number);
  });

  test("with --promote --stop-old is all that CI needs, also the first time and twice", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api", "--version", "v1", "--promote", "--stop-old");
    const done = await ten.ok("deploy", "api", "--version", "v2", "--promote", "--stop-old");
    expect(done.stderr).toContain("draining and stopping api:v1");
    expect(await ten.split(HOST, 20)).toEqual({ "api:v2": 20 });
    const { "api:v1": old } = await ten.ps();
    expect(old).toMatchObject({ state: "stopped", weight: 0, pid: null });
    const twice = await ten.json("deploy", "api", "--version", "v2", "--promote", "--stop-old");
    expect(twice).toMatchObject({ changed: false, stopped: [], instance: "api:v2" });
  });

  test("of the first version cannot have a part of the traffic", async () => {
    await using ten = await startFleet();
    const { exit, stderr } = await ten.run("deploy", "api:v1", "--weight", "10");
    expect(exit).toBe(4);
    expect(stderr).toContain("nothing else of api takes traffic, so api:v1 cannot have 10 %");
    expect(await ten.ps()).toEqual({});
    await ten.ok("deploy", "api:v1", "--weight", "100");
    expect(await ten.split(HOST, 5)).toEqual({ "api:v1": 5 });
  });

  test("that is interrupted has failed: exit 7, the new instance is stopped and never had weight", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api:v1");
    const deploy = ten.begin("deploy", "api:gated", "--promote");
    await deploy.said("waiting until it is healthy");
    const { pid = 0 } = (await ten.ps())["api:gated"] ?? {};
    expect(isAlive(pid)).toBe(true);
    deploy.kill("SIGINT");
    const { exit, stderr } = await deploy.done;
    expect(exit).toBe(7);
    expect(stderr).toContain("the deploy of api:gated was interrupted: it is stopped, unless it");
    await untilState(ten, "api:gated", "stopped");
    expect(isAlive(pid)).toBe(false);
    expect((await ten.ps())["api:gated"]).toMatchObject({ weight: 0, pid: null });
    expect(await ten.split(HOST, 5)).toEqual({ "api:v1": 5 });
  });

  test("whose client is killed has failed as well", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api:v1");
    const deploy = ten.begin("deploy", "api:gated", "--promote");
    await deploy.said("waiting until it is healthy");
    deploy.kill("SIGKILL");
    await untilState(ten, "api:gated", "stopped");
    await openGate(ten);
    expect((await ten.ps())["api:gated"]).toMatchObject({ weight: 0, pid: null });
    expect((await ten.ps())["api:v1"]).toMatchObject({ weight: 100 });
  });

  test("whose server is killed before the switch has failed: the next start stops it and gives it nothing", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api:v1");
    const deploy = ten.begin("deploy", "api:gated", "--promote");
    await deploy.said("waiting until it is healthy");
    const { pid = 0 } = (await ten.ps())["api:gated"] ?? {};
    ten.kill("SIGKILL");
    const { exit } = await deploy.done;
    expect(exit).toBe(6);
    await openGate(ten);
    await ten.start();
    await untilState(ten, "api:gated", "stopped");
    await until("its process is gone", () => !isAlive(pid));
    const { "api:gated": row, "api:v1": old } = await ten.ps();
    expect(row).toMatchObject({ weight: 0, pid: null, reason: "the server died during its deploy" });
    expect(old).toMatchObject({ weight: 100, state: "healthy" });
    expect(await ten.split(HOST, 5)).toEqual({ "api:v1": 5 });
  });

  test("that the server's own end cuts short fails at once and says why", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api:v1");
    const deploy = ten.begin("deploy", "api:gated", "--promote");
    await deploy.said("waiting until it is healthy");
    const { pid = 0 } = (await ten.ps())["api:gated"] ?? {};
    ten.kill("SIGTERM");
    expect(await ten.exited).toBe(0);
    expect((await deploy.done).exit).not.toBe(0);
    expect(isAlive(pid)).toBe(false);
    await openGate(ten);
    await ten.start();
    await untilState(ten, "api:v1", "healthy");
    expect((await ten.ps())["api:gated"]).toMatchObject({ state: "stopped", weight: 0 });
  });
});

describe("deploys of one service", () => {
  test("queue up and say whom they wait for", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api:v1");
    const first = ten.begin("deploy", "api:gated");
    await first.said("waiting until it is healthy");
    const second = ten.begin("deploy", "api:v2", "--promote");
    await second.said("waiting for the deploy of api:gated");
    expect((await ten.ps())["api:v2"]).toBeUndefined();
    await openGate(ten);
    expect((await first.done).exit).toBe(0);
    expect((await second.done).exit).toBe(0);
    expect(await ten.split(HOST, 5)).toEqual({ "api:v2": 5 });
  });

  test("give up the queue after --queue, with exit 7", async () => {
    await using ten = await startFleet();
    const first = ten.begin("deploy", "api:gated");
    await first.said("waiting until it is healthy");
    const { exit, stderr } = await ten.run("deploy", "api:v2", "--queue", "0");
    expect(exit).toBe(7);
    expect(stderr).toContain("the deploy of api:gated");
    expect((await ten.ps())["api:v2"]).toBeUndefined();
  });

  test("do not wait for those of another", async () => {
    await using ten = await startFleet();
    const first = ten.begin("deploy", "api:gated");
    await first.said("waiting until it is healthy");
    await ten.ok("deploy", "web:v1");
    expect(await ten.split("web.localhost", 5)).toEqual({ "web:v1": 5 });
  });

  test("hold up neither weight nor route nor stop of others", async () => {
    await using ten = await startFleet();
    for (const id of ["v1", "v2", "v3"]) await ten.ok("deploy", `api:${id}`);
    const first = ten.begin("deploy", "api:gated", "--weight", "10");
    await first.said("waiting until it is healthy");
    await ten.ok("weight", "api:v2", "50");
    await ten.ok("route", "api", "--from", "v1", "--to", "v3");
    await ten.ok("stop", "api:v1");
    await openGate(ten);
    expect((await first.done).exit).toBe(0);
    expect(await ten.split(HOST, 100, 4)).toEqual({ "api:v2": 45, "api:v3": 45, "api:gated": 10 });
  });

  test("are aborted by a rollback", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2", "--promote");
    const deploy = ten.begin("deploy", "api:gated", "--promote");
    await deploy.said("waiting until it is healthy");
    await ten.ok("rollback", "api");
    const { exit, stderr } = await deploy.done;
    expect([exit, stderr]).toEqual([4, expect.stringContaining("aborted by a rollback")]);
    expect((await ten.ps())["api:gated"]).toMatchObject({ state: "stopped", weight: 0, pid: null });
    expect(await ten.split(HOST, 5)).toEqual({ "api:v1": 5 });
  });

  test("are aborted by a rollback that has nowhere to go back to, and says both", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api:v1");
    const deploy = ten.begin("deploy", "api:gated");
    await deploy.said("waiting until it is healthy");
    const { exit, stderr } = await ten.run("rollback", "api");
    expect([exit, stderr]).toEqual([
      4,
      expect.stringContaining("the deploy was aborted, but api has nothing older"),
    ]);
    expect((await deploy.done).exit).toBe(4);
    expect(await ten.split(HOST, 5)).toEqual({ "api:v1": 5 });
  });

  test("are aborted by a stop of their instance", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api:v1");
    const deploy = ten.begin("deploy", "api:gated", "--promote");
    await deploy.said("waiting until it is healthy");
    const { pid = 0 } = (await ten.ps())["api:gated"] ?? {};
    const stop = await ten.ok("stop", "api:gated");
    expect(stop.stderr).toContain("api:gated stopped");
    expect(isAlive(pid)).toBe(false);
    const { exit, stderr } = await deploy.done;
    expect([exit, stderr]).toEqual([4, expect.stringContaining("api:gated was stopped by another command")]);
    expect((await ten.ps())["api:gated"]).toMatchObject({ state: "stopped", weight: 0, pid: null });
  });
});
