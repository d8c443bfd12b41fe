// The blue/green deploy of the README, word for word, on real apps.
import { describe, expect, test } from "bun:test";
import { lacks } from "../support/installed.ts";
import { isAlive } from "./ten.ts";
import { LAYOUTS, startLayout } from "./workflows.ts";

const HOST = "api.localhost";

describe("blue/green", () => {
  for (const [name, layout] of LAYOUTS)
    test.skipIf(lacks(layout.program))(`works word for word on ${name}`, async () => {
      await using ten = await startLayout(layout);
      const first = await ten.ok("deploy", "api", "--version", "v1");
      expect(first.stderr).toContain("api:v1 takes traffic");
      expect(await ten.split(HOST, 20)).toEqual({ "api:v1": 20 });
      expect((await ten.get(HOST)).body).toContain(layout.says("v1"));
      const { pid } = (await ten.ps())["api:v1"] ?? {};

      const second = await ten.ok("deploy", "api", "--version", "v2");
      expect(second.stderr).toContain("api:v2 runs without traffic; next: ten route api --to v2");
      expect(await ten.split(HOST, 50, 4)).toEqual({ "api:v1": 50 });
      expect((await ten.get("v2.api.localhost")).body).toContain(layout.says("v2"));

      const route = await ten.ok("route", "api", "--from", "v1", "--to", "v2");
      expect(route.stderr).toContain("undo with: ten weight api:v1=100 api:v2=0");
      expect(route.stdout).toMatch(/api:v1 +healthy +0 %\s*\n/);
      expect(route.stdout).toMatch(/api:v2 +healthy +100 % /);
      expect(await ten.split(HOST, 100, 4)).toEqual({ "api:v2": 100 });
      expect((await ten.get(HOST)).body).toContain(layout.says("v2"));

      expect(isAlive(pid)).toBe(true);
      const stop = await ten.ok("stop", "api:v1");
      expect(stop.stderr).toContain("api:v1 stopped");
      expect(isAlive(pid)).toBe(false);
      expect(await ten.split(HOST, 20)).toEqual({ "api:v2": 20 });
      expect((await ten.ps())["api:v1"]).toMatchObject({ state: "stopped", weight: 0, pid: null });
    });

  test("is undone by the command that it prints, and by rollback", async () => {
    const [, layout] = LAYOUTS[3] ?? [];
    if (!layout) throw new Error("no layout");
    await using ten = await startLayout(layout);
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2");
    const { undo } = await ten.json<{ undo: string }>("route", "api", "--from", "v1", "--to", "v2");
    await ten.ok(...undo.split(" ").slice(1));
    expect(await ten.split(HOST, 20)).toEqual({ "api:v1": 20 });
    await ten.ok("route", "api", "--to", "v2");
    await ten.ok("stop", "api:v1");
    const back = await ten.ok("rollback", "api");
    expect(back.stderr).toContain("rolled back to v1");
    expect(await ten.split(HOST, 20)).toEqual({ "api:v1": 20 });
  });

  test("has a second time nothing to do", async () => {
    const [, layout] = LAYOUTS[3] ?? [];
    if (!layout) throw new Error("no layout");
    await using ten = await startLayout(layout);
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2");
    await ten.ok("route", "api", "--from", "v1", "--to", "v2");
    const before = await ten.ps();
    for (const words of [
      ["route", "api", "--from", "v1", "--to", "v2"],
      ["route", "api", "--to", "v2"],
      ["weight", "api:v2", "100"],
      ["deploy", "api", "--version", "v2"],
      ["deploy", "api", "--version", "v2", "--promote"],
    ]) {
      expect((await ten.ok(...words)).stderr).toContain("nothing to do");
    }
    await ten.ok("stop", "api:v1");
    expect((await ten.ok("stop", "api:v1")).stderr).toContain("nothing to do");
    expect((await ten.ps())["api:v2"]?.pid).toBe(before["api:v2"]?.pid as number);
  });
});
