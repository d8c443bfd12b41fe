// The canary of the README, word for word, on real apps.
import { describe, expect, test } from "bun:test";
import { lacks } from "../support/installed.ts";
import { LAYOUTS, startLayout } from "./workflows.ts";

const HOST = "api.localhost";

describe("a canary", () => {
  for (const [name, layout] of LAYOUTS)
    test.skipIf(lacks(layout.program))(`works word for word on ${name}`, async () => {
      await using ten = await startLayout(layout);
      await ten.ok("deploy", "api", "--version", "v1");
      const deploy = await ten.ok("deploy", "api", "--version", "v2", "--weight", "10");
      expect(deploy.stdout).toMatch(/api:v1 +healthy +90 % /);
      expect(deploy.stdout).toMatch(/api:v2 +healthy +10 % /);
      expect(await ten.split(HOST, 100, 4)).toEqual({ "api:v1": 90, "api:v2": 10 });
      const half = await ten.ok("weight", "api:v2", "50");
      expect(half.stderr).toContain("undo with: ten weight api:v1=90 api:v2=10");
      expect(await ten.split(HOST, 100, 4)).toEqual({ "api:v1": 50, "api:v2": 50 });
      await ten.ok("weight", "api:v2", "100");
      expect(await ten.split(HOST, 100, 4)).toEqual({ "api:v2": 100 });
      await ten.ok("stop", "api:v1");
      const answers = await Promise.all(Array.from({ length: 5 }, () => ten.get(HOST)));
      for (const { body } of answers) expect(body).toContain(layout.says("v2"));
    });

  test("shows its split when asked", async () => {
    const [, layout] = LAYOUTS[3] ?? [];
    if (!layout) throw new Error("no layout");
    await using ten = await startLayout(layout);
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2", "--weight", "12.5");
    const { split } = await ten.json<{ split: unknown }>("weight", "api");
    expect(split).toEqual([
      {
        id: "api:v1",
        instance: "api:v1",
        service: "api",
        version: "v1",
        state: "healthy",
        weight: 87.5,
        share: 87.5,
      },
      {
        id: "api:v2",
        instance: "api:v2",
        service: "api",
        version: "v2",
        state: "healthy",
        weight: 12.5,
        share: 12.5,
      },
    ]);
    const ps = await ten.ok("ps");
    expect(ps.stdout).toMatch(
      /^INSTANCE +STATE +SHARE +REQ\/S +ERR % +P95 +CPU +MEM +UPTIME +RESTARTS\napi:v2 .*\napi:v1 /,
    );
    expect(ps.stdout).toMatch(/api:v2 +healthy +12.5 % /);
    expect((await ten.ok("ps", "--all", "api")).stdout).toMatch(/api:v2 +healthy +12.5 +12.5 % /);
  });

  test("that turns out bad is taken back by rollback, in one step and to the share that was there before", async () => {
    const [, layout] = LAYOUTS[3] ?? [];
    if (!layout) throw new Error("no layout");
    await using ten = await startLayout(layout);
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2", "--weight", "10");
    await ten.ok("weight", "api:v2", "50");
    const back = await ten.json<{ split: { id: string; weight: number }[] }>("rollback", "api");
    expect(back.split.map(({ id, weight }) => [id, weight])).toEqual([
      ["api:v1", 100],
      ["api:v2", 0],
    ]);
    expect(await ten.split(HOST, 20)).toEqual({ "api:v1": 20 });
    const again = await ten.run("rollback", "api");
    expect([again.exit, again.stderr]).toEqual([4, expect.stringContaining("nothing older than v1")]);
  });
});
