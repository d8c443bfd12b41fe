// Weighted traffic over real connections: the split is exact, and a publish is one moment.
import { expect, test } from "bun:test";
import type { Target } from "../../../src/core/route.ts";
import { type PlaneFactory, startPlane, type TestPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { reply, wireOrigin } from "../../support/wire.ts";

export function splits(create: PlaneFactory): void {
  async function counted(front: TestPlane, times: number, host = "api.example.com") {
    const counts: Record<string, number> = {};
    const lanes = Array.from({ length: 10 }, async () => {
      for (let i = 0; i < times / 10; i++) {
        const answer = await front.get(host);
        const id = answer.headers.get("x-ten-instance") ?? String(answer.status);
        await answer.text();
        counts[id] = (counts[id] ?? 0) + 1;
      }
    });
    await Promise.all(lanes);
    return counts;
  }

  function api(weights: Record<string, number>, address: Target["address"], epoch = 1) {
    const targets = Object.entries(weights).map(([label, weight]) =>
      target(`api:${label}`, { weight: weight * 100, address }),
    );
    return route("api", targets, { hosts: ["api.example.com"], epoch });
  }

  test.each([
    [{ v1: 90, v2: 10 }, 1000, { "api:v1": 900, "api:v2": 100 }],
    [{ v1: 80, v2: 20 }, 500, { "api:v1": 400, "api:v2": 100 }],
    [{ v1: 50, v2: 50 }, 500, { "api:v1": 250, "api:v2": 250 }],
    [{ a: 100, b: 100, c: 100 }, 300, { "api:a": 100, "api:b": 100, "api:c": 100 }],
    [{ v1: 100, v2: 0 }, 100, { "api:v1": 100 }],
  ])("%j over %i requests at once is %j", async (weights, times, expected) => {
    using origin = wireOrigin((request) => reply(request, "ok"));
    await using front = await startPlane(create);
    await front.plane.publish([api(weights, origin.address)]);
    expect(await counted(front, times)).toEqual(expected);
  });

  test("counters survive publishes; direct requests do not move them; a new epoch starts anew", async () => {
    using origin = wireOrigin((request) => reply(request, "ok"));
    await using front = await startPlane(create);
    const ten = { v1: 90, v2: 10 };
    const total: Record<string, number> = {};
    for (let i = 0; i < 20; i++) {
      await front.plane.publish([api(ten, origin.address)]);
      for (let n = 0; n < 5; n++) {
        await (await front.get("v2.api.example.com")).text();
        const answer = await front.get("api.example.com");
        const id = answer.headers.get("x-ten-instance") ?? "";
        await answer.text();
        total[id] = (total[id] ?? 0) + 1;
      }
    }
    expect(total).toEqual({ "api:v1": 90, "api:v2": 10 });
    await front.plane.publish([api({ v1: 0, v2: 100 }, origin.address, 2)]);
    expect(await counted(front, 50)).toEqual({ "api:v2": 50 });
  });

  test("no request fails or sees a mixture while routes are published over and over", async () => {
    using origin = wireOrigin((request) => reply(request, "ok"));
    await using front = await startPlane(create);
    await front.plane.publish([api({ v1: 100 }, origin.address)]);
    let isOver = false;
    const publishing = (async () => {
      for (let i = 0; !isOver; i++) {
        await front.plane.publish([api(i % 2 ? { v1: 100 } : { v2: 100 }, origin.address, i)]);
        await Bun.sleep(0);
      }
    })();
    const seen = await counted(front, 500);
    isOver = true;
    await publishing;
    expect((seen["api:v1"] ?? 0) + (seen["api:v2"] ?? 0)).toBe(500);
  });

  test("unsure targets serve only while no weighted one is ready", async () => {
    using origin = wireOrigin((request) => reply(request, "ok"));
    await using front = await startPlane(create);
    const { address } = origin;
    const unsure = target("api:v1", { address, readiness: "unsure" });
    const idle = target("api:v3", { address, weight: 0 });
    const hosts = ["api.example.com"];
    await front.plane.publish([route("api", [unsure, target("api:v2", { address }), idle], { hosts })]);
    expect(await counted(front, 20)).toEqual({ "api:v2": 20 });
    await front.plane.publish([route("api", [unsure, idle], { hosts })]);
    expect(await counted(front, 20)).toEqual({ "api:v1": 20 });
    await front.plane.publish([route("api", [idle], { hosts })]);
    expect(await counted(front, 20)).toEqual({ "503": 20 });
  });
}
