// How rows and lives become routes.
import { expect, test } from "bun:test";
import type { RoutePolicy } from "../../../src/core/route.ts";
import type { InstanceRow } from "../../../src/ten/registry/registry.ts";
import { readinessOf, toRoutes } from "../../../src/ten/routing/routes.ts";

const policy: RoutePolicy = {
  direct: "open",
  requestTimeoutMs: 30_000,
  streamIdleTimeoutMs: 300_000,
  waitMs: 30_000,
  maxBodyBytes: 0,
};

const times = { drainTimeoutMs: 20_000, stopGraceMs: 10_000 };

function row(id: string, more: Partial<InstanceRow> = {}): InstanceRow {
  return {
    seq: 1,
    service: "api",
    id,
    version: id,
    weight: 10000,
    desired: "running",
    state: "healthy",
    reason: "",
    stateAt: 0,
    createdAt: 0,
    deploying: false,
    restarts: 0,
    lastExit: null,
    nonce: null,
    pid: 1,
    startTime: "1",
    bootId: null,
    port: 20001,
    other: null,
    release: null,
    deployed: 1,
    deployedAfter: 0,
    origin: null,
    ...more,
  };
}

test("a service has its own host, its domains and its instances as targets", () => {
  const routes = toRoutes({
    domain: "example.com",
    services: [
      { name: "api", domains: ["api.acme.com"], policy, health: { path: "/health" }, ...times },
      { name: "web", domains: [], policy, health: { path: undefined }, ...times },
    ],
    rows: [row("v1"), row("v2", { weight: 0, port: 20002 })],
    lifeOf: () => undefined,
    epochOf: (service) => (service === "api" ? 3 : 0),
    maintenance: new Set(["web"]),
    judged: new Map(),
    links: new Map(),
    copiesOf: () => undefined,
  });
  expect(routes).toEqual([
    {
      name: "api",
      hosts: ["api.example.com", "api.acme.com"],
      targets: [
        {
          id: "api:v1",
          label: "v1",
          version: "v1",
          address: { host: "127.0.0.1", port: 20001 },
          weight: 10000,
          readiness: "ready",
        },
        {
          id: "api:v2",
          label: "v2",
          version: "v2",
          address: { host: "127.0.0.1", port: 20002 },
          weight: 0,
          readiness: "ready",
        },
      ],
      epoch: 3,
      policy,
    },
    {
      name: "web",
      hosts: ["web.example.com"],
      targets: [],
      epoch: 0,
      maintenance: { openPath: undefined },
      policy,
    },
  ]);
});

test.each([
  ["healthy", {}, undefined, "ready"],
  ["unhealthy", {}, undefined, "unsure"],
  ["unhealthy", {}, { unchecked: true, waking: false, nextTryMs: undefined }, "ready"],
  ["starting", {}, undefined, "coming"],
  ["starting", {}, { unchecked: false, waking: false, nextTryMs: 30_000 }, "coming"],
  ["starting", {}, { unchecked: false, waking: false, nextTryMs: 30_001 }, "out"],
  ["sleeping", {}, undefined, "asleep"],
  ["sleeping", {}, { unchecked: false, waking: true, nextTryMs: 500 }, "out"],
  ["starting", {}, { unchecked: false, waking: true, nextTryMs: undefined }, "asleep"],
  ["draining", {}, undefined, "coming"],
  ["draining", { desired: "stopped" }, undefined, "out"],
  ["failed", {}, undefined, "out"],
  ["healthy", { desired: "stopped" }, undefined, "out"],
] as const)("an instance that is %s (%p, %p) is %s to the proxy", (state, more, life, readiness) => {
  expect(readinessOf(row("v1", { state, ...more }), life, policy.waitMs)).toBe(readiness);
});

test("a version's weight is divided among those of its instances that serve", () => {
  const of = (...rows: InstanceRow[]) =>
    toRoutes({
      domain: "localhost",
      services: [{ name: "api", domains: [], policy, health: { path: undefined }, ...times }],
      rows,
      lifeOf: () => undefined,
      epochOf: () => 0,
      maintenance: new Set(),
      judged: new Map(),
      links: new Map(),
      copiesOf: () => undefined,
    })[0]?.targets.map(({ label, weight }) => [label, weight]);
  const v2 = (id: string, state: InstanceRow["state"]) => row(id, { version: "v2", weight: 1000, state });
  expect(
    of(row("v1", { weight: 7000 }), v2("a", "healthy"), v2("b", "unhealthy"), v2("c", "healthy")),
  ).toEqual([
    ["v1", 7000],
    ["a", 1500],
    ["b", 1000],
    ["c", 1500],
  ]);
  expect(of(row("v1", { weight: 7000 }), v2("a", "unhealthy"), v2("b", "unhealthy"))).toEqual([
    ["v1", 7000],
    ["a", 1000],
    ["b", 1000],
  ]);
});

test("who waits for an instance that is ended before it is started again has the time of that end besides", () => {
  const waitOf = (more: Partial<InstanceRow>) =>
    toRoutes({
      domain: "localhost",
      services: [{ name: "api", domains: [], policy, health: { path: undefined }, ...times }],
      rows: [row("v1", more)],
      lifeOf: () => undefined,
      epochOf: () => 0,
      maintenance: new Set(),
      judged: new Map(),
      links: new Map(),
      copiesOf: () => undefined,
    })[0]?.policy.waitMs;
  expect(waitOf({ state: "draining" })).toBe(60_000);
  expect(waitOf({ state: "draining", desired: "stopped" })).toBe(30_000);
  expect(waitOf({ state: "starting" })).toBe(30_000);
});

test("a service with a version that is judged says how it splits, and says it anew whenever that changes", () => {
  const splitOf = (rows: ReturnType<typeof row>[], epoch = 3) =>
    toRoutes({
      domain: "example.com",
      services: [{ name: "api", domains: [], policy, health: { path: undefined }, ...times }],
      rows,
      lifeOf: () => undefined,
      epochOf: () => epoch,
      maintenance: new Set(),
      judged: new Map([["api", { instances: { v2: 0 }, before: { v1: 100 } }]]),
      links: new Map(),
      copiesOf: () => undefined,
    })[0]?.trial?.split;
  const [v1, v2] = [row("v1", { weight: 7500 }), row("v2", { weight: 2500, port: 20002 })];
  expect(splitOf([v1, v2])).toBe("3 v1=7500 v2=2500");
  expect(splitOf([v1, v2], 4)).toBe("4 v1=7500 v2=2500");
  expect(splitOf([v1, { ...v2, state: "unhealthy" }])).toBe("3 v1=7500");
  expect(splitOf([v1, { ...v2, weight: 0 }])).toBe("3 v1=7500");
});

test("what a canary fails is answered by the version before it, where that is wished", () => {
  const [api] = toRoutes({
    domain: "example.com",
    services: [
      { name: "api", domains: [], policy, health: { path: undefined }, ...times, rescue: { on500: true } },
    ],
    rows: [row("v1"), row("v2", { port: 20002 })],
    lifeOf: () => undefined,
    epochOf: () => 1,
    maintenance: new Set(),
    judged: new Map([["api", { instances: { v2: 0 }, before: { v1: 100 } }]]),
    links: new Map(),
    copiesOf: () => undefined,
  });
  expect(api?.trial?.rescue).toEqual({ from: ["v2"], to: ["v1"], on500: true });
});
