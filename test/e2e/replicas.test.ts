// Several instances that carry one version: deployed, weighted, routed, rolled back and stopped as one.

import { describe, expect, test } from "bun:test";
import { NO_PROCESS } from "../support/workers.ts";
import { startTen, untilState } from "./ten.ts";

const HOST = "api.localhost";

describe("a version with several instances", () => {
  test("is deployed, weighted, routed, rolled back and stopped as one", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api", "--version", "v1");
    const { stderr } = await ten.ok("deploy", "api", "--version", "v2", "--instances", "2", "--weight", "20");
    expect(stderr).toContain("1 of 2 healthy\n2 of 2 healthy\n");
    expect(await ten.split(HOST, 100, 4)).toEqual({ "api:v1": 80, "api:v2-1": 10, "api:v2-2": 10 });
    await ten.ok("weight", "api:v2", "50");
    expect(await ten.split(HOST, 100, 4)).toEqual({ "api:v1": 50, "api:v2-1": 25, "api:v2-2": 25 });
    await ten.ok("route", "api", "--from", "v1", "--to", "v2");
    expect(await ten.split(HOST, 100, 4)).toEqual({ "api:v2-1": 50, "api:v2-2": 50 });
    await ten.ok("rollback", "api");
    expect(await ten.split(HOST, 100, 4)).toEqual({ "api:v1": 100 });
    await ten.ok("stop", "api:v2");
    const { instances } = await ten.json<{ instances: { id: string }[] }>("ps");
    expect(instances.map(({ id }) => id)).toEqual(["api:v1"]);
  });

  test("is checked, restarted, read and stopped by its name, and by the command that undoes its deploy", async () => {
    await using ten = await startTen();
    const { stderr } = await ten.ok("deploy", "api:v2", "--instances", "2");
    expect(stderr).toContain("undo with: ten stop api:v2\n");
    const checks = (await ten.ok("health", "api:v2")).stdout;
    expect(checks).toMatch(
      /^api:v2-1 is healthy; check passed: .*\napi:v2-2 is healthy; check passed: .*\n$/,
    );
    const pids = async () => Object.values(await ten.ps()).map(({ pid }) => pid);
    const before = await pids();
    const { instances } = await ten.json<{ instances: { id: string }[] }>("restart", "api:v2");
    expect(instances.map(({ id }) => id)).toEqual(["api:v2-1", "api:v2-2"]);
    expect((await pids()).filter((pid) => before.includes(pid))).toEqual([]);
    const lines = (await ten.ok("logs", "api:v2")).stdout;
    for (const id of ["api:v2-1", "api:v2-2"]) expect(lines.split(`${id} | listening`).length).toBe(3);
    expect((await ten.ok("logs", "api:v2-1")).stdout).toStartWith("listening");
    expect((await ten.run("logs", "api:v3")).exit).toBe(3);
    expect((await ten.run("health", "api:v3")).exit).toBe(3);
    await ten.ok("stop", "api:v2");
    expect(await pids()).toEqual([null, null]);
  });

  test("keeps its part of the traffic when one of its instances is down", async () => {
    await using ten = await startTen({ service: 'restart = "never"' });
    await ten.ok("deploy", "api", "--version", "v1");
    await ten.ok("deploy", "api", "--version", "v2", "--instances", "2", "--weight", "20");
    const { instances } = await ten.json<{ instances: { id: string; pid: number }[] }>("ps");
    process.kill(instances.find(({ id }) => id === "api:v2-2")?.pid ?? NO_PROCESS, "SIGKILL");
    await untilState(ten, "api:v2-2", "stopped");
    expect(await ten.split(HOST, 100, 4)).toEqual({ "api:v1": 80, "api:v2-1": 20 });
  });

  test("fails as a whole when one of its instances does, and leaves nothing running", async () => {
    await using ten = await startTen({ service: "instances = 3" });
    await ten.ok("deploy", "api", "--version", "v1");
    expect(await ten.split(HOST, 30)).toEqual({ "api:v1-1": 10, "api:v1-2": 10, "api:v1-3": 10 });
    const { exit } = await ten.run(
      "deploy",
      "api",
      "--version",
      "v2",
      "--instances",
      "2",
      "--timeout",
      "0.1",
    );
    const { instances } = await ten.json<{ instances: { id: string }[] }>("ps");
    if (exit === 5) expect(instances.map(({ id }) => id)).toEqual(["api:v1-1", "api:v1-2", "api:v1-3"]);
    else expect(exit).toBe(0);
  });
});
