// The fleet on a clock that the test moves, in front of real origins: how long a server that hangs is believed, and how its
// tenants come back to it.
import { describe, expect, test } from "bun:test";
import { createResolver } from "../../../src/platform/net/resolver.ts";
import { createFleet } from "../../../src/slum/fleet/fleet.ts";
import { createRoutes } from "../../../src/slum/fleet/routes.ts";
import type { ServerRow, TenantRow } from "../../../src/slum/registry/schema.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { startOrigin } from "../../support/origin.ts";
import { until } from "../../support/until.ts";

const INTERVAL_MS = 30_000;

function serverRow(id: string, url: string): ServerRow {
  const kept = {
    status: "unknown",
    statusAt: 0,
    latencyMs: null,
    lastError: null,
    lastErrorAt: null,
    host: "auto",
    keepsHost: null,
  } as const;
  const about = { seq: 1, region: null, addressing: "header", drained: false, createdAt: 0 } as const;
  return { id, url, healthPath: "/health", ...about, ...kept };
}

function tenantRow(index: number): TenantRow {
  const about = { service: "api", instance: null, failover: null, writes: "any", createdAt: 0 } as const;
  return { seq: index, id: `t${index}`, domain: `t${index}.example.com`, server: "iad", ...about };
}

/** Servers iad, which may hang, and fra. */
async function setup() {
  const clock = createManualClock();
  const resolver = createResolver({ clock, refreshMs: INTERVAL_MS });
  let hangs = false;
  let asked = 0;
  const iad = startOrigin(() => {
    asked += 1;
    return hangs ? new Promise<Response>(() => {}) : new Response("ok");
  });
  const fra = startOrigin(() => new Response("ok"));
  const fleet = createFleet({
    clock,
    resolver,
    intervalMs: INTERVAL_MS,
    onCheck() {},
    onHost() {},
    takesAnyHost: async () => undefined,
    random: () => 0.5,
  });
  fleet.sync([serverRow("iad", iad.url), serverRow("fra", fra.url)]);
  await until("both are online", () => fleet.byLatency.every(({ standing }) => standing.status === "online"));
  return {
    clock,
    fleet,
    resolver,
    hang: (isSo: boolean) => {
      hangs = isSo;
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
      await Promise.all([iad.stop(), fra.stop()]);
    },
  };
}

describe("a server that hangs is offline", () => {
  test("7.5 s after a request came to doubt it", async () => {
    await using it = await setup();
    it.hang(true);
    it.fleet.doubt("iad");
    const ms = await it.untilOffline();
    expect(ms).toBeGreaterThanOrEqual(7_450);
    expect(ms).toBeLessThanOrEqual(7_600);
  });

  test("no later when the doubt comes while it is being checked anyway", async () => {
    await using it = await setup();
    it.hang(true);
    await it.clock.advance(INTERVAL_MS);
    await until("a check is under way", () => it.asked() === 2);
    await it.clock.advance(500);
    it.fleet.doubt("iad");
    expect(await it.untilOffline()).toBeLessThanOrEqual(7_600 - 500);
  });

  test("10.5 s after a check has begun when no request has noticed anything", async () => {
    await using it = await setup();
    it.hang(true);
    await it.clock.advance(INTERVAL_MS);
    await until("a check is under way", () => it.asked() === 2);
    const ms = await it.untilOffline();
    expect(ms).toBeGreaterThanOrEqual(10_450);
    expect(ms).toBeLessThanOrEqual(10_600);
  });
});

test("tenants return to a server after its second good check, one after the other over one interval", async () => {
  await using it = await setup();
  const routes = createRoutes({ ...it, ownHosts: new Set(), ca: undefined });
  const rows = Array.from({ length: 600 }, (_, index) => tenantRow(index));
  routes.load(rows);
  const home = () =>
    rows.filter(({ domain }) => routes.tenant(domain)?.choose(new Set(), true)?.server.id === "iad").length;
  expect(home()).toBe(600);
  it.hang(true);
  it.fleet.doubt("iad");
  await it.untilOffline();
  expect(home()).toBe(0);

  it.hang(false);
  await it.fleet.check("iad");
  await it.clock.advance(INTERVAL_MS / 2);
  expect([it.fleet.find("iad")?.standing.status, home()]).toEqual(["online", 0]);
  await it.fleet.check("iad");
  let before = home();
  for (let step = 0; step < 6; step += 1) {
    await it.clock.advance(INTERVAL_MS / 6);
    const came = home() - before;
    expect([came > 60, came < 140]).toEqual([true, true]);
    before += came;
  }
  expect(before).toBe(600);
});

test("which tenants no server takes follows from homes and lists, and homes are counted as tenants come and go", async () => {
  await using it = await setup();
  const routes = createRoutes({ ...it, ownHosts: new Set(), ca: undefined });
  const row = (index: number, server: string, failover: readonly string[] | null): TenantRow => ({
    ...tenantRow(index),
    server,
    failover,
  });
  const none: readonly string[] = [];
  const rows = [
    row(0, "iad", null),
    row(1, "iad", none),
    row(2, "iad", ["fra"]),
    row(3, "fra", none),
    row(4, "iad", none),
    row(5, "gone", ["iad"]),
    { ...row(6, "iad", none), domain: "*.wild.example.com" },
  ];
  routes.load(rows);
  expect(routes.unroutable()).toEqual([]);
  it.hang(true);
  it.fleet.doubt("iad");
  await it.untilOffline();
  expect(routes.unroutable()).toEqual(["t1", "t4", "t5", "t6"]);
  const homes = () => ["iad", "fra", "gone"].map((id) => routes.tenantsAt(id));
  expect(homes()).toEqual([5, 1, 1]);
  const [, second, third] = rows;
  if (!second || !third) throw new Error("there are rows");
  // One domain goes to another tenant, elsewhere.
  routes.remove(second);
  routes.set({ ...third, id: "other", server: "fra" });
  expect(homes()).toEqual([3, 2, 1]);
  routes.remove(second);
  expect(homes()).toEqual([3, 2, 1]);
  expect(routes.unroutable()).toEqual(["t4", "t5", "t6"]);
});
