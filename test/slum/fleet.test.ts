// The fleet on a clock that the test moves, in front of a real origin: how long a server that hangs is believed.
import { describe, expect, test } from "bun:test";
import { createResolver } from "../../src/platform/resolver.ts";
import { createFleet } from "../../src/slum/fleet.ts";
import type { ServerRow } from "../../src/slum/registry.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { until } from "../support/until.ts";

const INTERVAL_MS = 30_000;

async function setup() {
  const clock = createManualClock();
  const resolver = createResolver({ clock, refreshMs: INTERVAL_MS });
  let hangs = false;
  let asked = 0;
  const origin = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    reusePort: false,
    development: false,
    fetch() {
      asked += 1;
      return hangs ? new Promise<Response>(() => {}) : new Response("ok");
    },
  });
  const fleet = createFleet({ clock, resolver, intervalMs: INTERVAL_MS, onCheck() {}, random: () => 0.5 });
  const row: ServerRow = {
    ...{ seq: 1, id: "iad", url: origin.url.origin, region: null, healthPath: "/health", drained: false },
    ...{
      addressing: "header",
      createdAt: 0,
      status: "unknown",
      statusAt: 0,
      latencyMs: null,
      lastError: null,
    },
  };
  fleet.sync([row]);
  await until("the first check has passed", () => fleet.find("iad")?.standing.status === "online");
  return {
    clock,
    fleet,
    /** The server answers nothing any more. */
    hang: () => {
      hangs = true;
    },
    asked: () => asked,
    /** Moves time until the server is offline, and tells how long that was. */
    async untilOffline() {
      const sinceMs = clock.monotonic();
      while (fleet.find("iad")?.standing.status !== "offline" && clock.monotonic() - sinceMs < 60_000)
        await clock.advance(25);
      return clock.monotonic() - sinceMs;
    },
    async [Symbol.asyncDispose]() {
      fleet[Symbol.dispose]();
      resolver[Symbol.dispose]();
      await origin.stop(true);
    },
  };
}

describe("a server that hangs is offline", () => {
  test("7.5 s after a request came to doubt it", async () => {
    await using it = await setup();
    it.hang();
    it.fleet.doubt("iad");
    const ms = await it.untilOffline();
    expect(ms).toBeGreaterThanOrEqual(7_450);
    expect(ms).toBeLessThanOrEqual(7_600);
  });

  test("no later when the doubt comes while it is being checked anyway", async () => {
    await using it = await setup();
    it.hang();
    await it.clock.advance(INTERVAL_MS);
    await until("a check is under way", () => it.asked() === 2);
    await it.clock.advance(500);
    it.fleet.doubt("iad");
    expect(await it.untilOffline()).toBeLessThanOrEqual(7_600 - 500);
  });

  test("10.5 s after a check has begun when no request has noticed anything", async () => {
    await using it = await setup();
    it.hang();
    await it.clock.advance(INTERVAL_MS);
    await until("a check is under way", () => it.asked() === 2);
    const ms = await it.untilOffline();
    expect(ms).toBeGreaterThanOrEqual(10_450);
    expect(ms).toBeLessThanOrEqual(10_600);
  });
});
