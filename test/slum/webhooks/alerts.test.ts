// What is worth a webhook: each beginning after its time, each end after its beginning, and no flood.
import { describe, expect, test } from "bun:test";
import {
  Alerts,
  isBeginning,
  type ObservedServer,
  type Situation,
  underWay,
} from "../../../src/slum/webhooks/alerts.ts";

/** Failing since so many seconds of the test's clock, or online. */
function server(id: string, failingSinceSecs?: number, more: Partial<ObservedServer> = {}): ObservedServer {
  const isOffline = failingSinceSecs !== undefined;
  return {
    id,
    url: `https://${id}.example.com`,
    region: undefined,
    drained: false,
    isOffline,
    isOnline: !isOffline,
    failingSinceMs: isOffline ? failingSinceSecs * 1000 : undefined,
    failures: isOffline ? 3 : 0,
    error: isOffline ? "connection refused" : undefined,
    ...more,
  };
}

const hasTenant = () => true;

/** What a registry keeps of each step. */
function start(known: readonly { thing: string; begunAt: number; open: boolean }[] = []) {
  const alerts = new Alerts({ offlineAfterMs: 300_000 });
  const told = new Map(known.map(({ thing, begunAt, open }) => [thing, { begunAt, open }]));
  return (
    atSecs: number,
    servers: readonly ObservedServer[],
    unroutable: readonly string[] = [],
    unsure: readonly string[] = unroutable,
  ) => {
    const nowMs = atSecs * 1000;
    const situation: Situation = { nowMs, servers, unroutable, unsure, hasTenant };
    return alerts.step(situation, told).map(({ type, things }) => {
      const open = isBeginning(type);
      for (const thing of things)
        told.set(thing, { open, begunAt: open ? nowMs : (told.get(thing)?.begunAt ?? nowMs) });
      return `${type} ${things.join(",")}`;
    });
  };
}

describe("server.offline", () => {
  test("comes when all checks have failed for five minutes, once, and ends with server.online", () => {
    const at = start();
    expect(at(0, [server("iad", 0), server("fra")])).toEqual([]);
    expect(at(299, [server("iad", 0), server("fra")])).toEqual([]);
    expect(at(300, [server("iad", 0), server("fra")])).toEqual(["server.offline server iad"]);
    expect(at(900, [server("iad", 0), server("fra")])).toEqual([]);
    expect(at(901, [server("iad"), server("fra")])).toEqual(["server.online server iad"]);
    expect(at(902, [server("iad"), server("fra")])).toEqual([]);
  });

  test("comes also when the clock was set back since it was told the last time", () => {
    const at = start([{ thing: "server iad", begunAt: 30 * 86_400_000, open: false }]);
    expect(at(300, [server("iad", 0), server("fra")])).toEqual(["server.offline server iad"]);
  });

  test("needs at least three checks", () => {
    const at = start();
    expect(at(400, [server("iad", 0, { failures: 2 }), server("fra")])).toEqual([]);
  });

  test("never comes of flapping, which starts the five minutes anew", () => {
    const at = start();
    const seen = Array.from({ length: 120 }, (_, step) =>
      at(step * 10, [step % 2 ? server("iad") : server("iad", step * 10), server("fra")]),
    );
    expect(seen.flat()).toEqual([]);
  });

  test("begins at most once in five minutes", () => {
    const at = start();
    at(300, [server("iad", 0), server("fra")]);
    at(310, [server("iad"), server("fra")]);
    const short = server("iad", 0);
    expect(at(599, [short, server("fra")])).toEqual([]);
    expect(at(600, [short, server("fra")])).toEqual(["server.offline server iad"]);
  });

  test("ends with server.deleted for a server that is deleted, as it is not online", () => {
    const at = start();
    at(300, [server("iad", 0), server("fra")]);
    expect(at(301, [server("fra")])).toEqual(["server.deleted server iad"]);
    expect(at(302, [server("fra")])).toEqual([]);
  });

  test("is remembered over a restart: its end still comes, and its beginning not again", () => {
    const at = start([{ thing: "server iad", begunAt: -10_000, open: true }]);
    const unknown = server("iad", undefined, { isOnline: false });
    expect(at(1, [unknown, server("fra")])).toEqual([]);
    expect(at(400, [server("iad", 0), server("fra")])).toEqual([]);
    expect(at(401, [server("iad"), server("fra")])).toEqual(["server.online server iad"]);
  });
});

describe("fleet.down", () => {
  const down = [server("iad", 0), server("fra", 0)];

  test("comes after ten seconds without any server, and ends with the first that is back", () => {
    const at = start();
    expect(at(5, down)).toEqual([]);
    expect(at(14, down)).toEqual([]);
    expect(at(15, down)).toEqual(["fleet.down fleet"]);
    expect(at(16, down)).toEqual([]);
    expect(at(20, [server("iad", 0), server("fra")])).toEqual(["fleet.up fleet"]);
  });

  test("does not come when a server was back in between", () => {
    const at = start();
    at(5, down);
    at(10, [server("iad", 0), server("fra")]);
    at(11, down);
    expect(at(20, down)).toEqual([]);
    expect(at(21, down)).toEqual(["fleet.down fleet"]);
  });

  test("says one word a server and one for the fleet when all stay down", () => {
    const at = start();
    const seen = Array.from({ length: 60 }, (_, step) => at(step * 10, down, ["acme"]));
    expect(seen.flat()).toEqual([
      "fleet.down fleet",
      "server.offline server iad",
      "server.offline server fra",
    ]);
  });

  test("does not count drained servers, and an empty fleet is not down", () => {
    const at = start();
    at(0, []);
    expect(at(20, [])).toEqual([]);
    at(30, [server("iad", 0), server("fra", undefined, { drained: true })]);
    expect(at(40, [server("iad", 0), server("fra", undefined, { drained: true })])).toEqual([
      "fleet.down fleet",
    ]);
  });
});

describe("tenants.unroutable", () => {
  const half = [server("iad", 0), server("fra")];

  test("comes after ten seconds, once with all tenants, and ends with those that are routable again", () => {
    const at = start();
    at(0, half, ["acme", "beta"]);
    expect(at(10, half, ["acme", "beta"])).toEqual(["tenants.unroutable tenant acme,tenant beta"]);
    expect(at(11, half, ["acme", "beta"])).toEqual([]);
    expect(at(12, half, ["beta"])).toEqual(["tenants.routable tenant acme"]);
    expect(at(13, half, [])).toEqual(["tenants.routable tenant beta"]);
  });

  test("does not come while the fleet is down, and waits ten seconds after that", () => {
    const at = start();
    const down = [server("iad", 0), server("fra", 0)];
    at(0, down, ["acme"]);
    expect(at(10, down, ["acme"])).toEqual(["fleet.down fleet"]);
    expect(at(20, half, ["acme"])).toEqual(["fleet.up fleet"]);
    expect(at(29, half, ["acme"])).toEqual([]);
    expect(at(30, half, ["acme"])).toEqual(["tenants.unroutable tenant acme"]);
  });

  test("do not end before a server is known to be online, and are told again while nobody has written them down", () => {
    const alerts = new Alerts({ offlineAfterMs: 300_000 });
    const unknown = [server("iad", undefined, { isOnline: false }), server("fra")];
    const told = new Map([["tenant acme", { begunAt: 0, open: true }]]);
    const step = (unsure: string[]) =>
      alerts
        .step({ nowMs: 1_000, servers: unknown, unroutable: [], unsure, hasTenant }, told)
        .map(({ type }) => type);
    expect(step(["acme"])).toEqual([]);
    expect(step([])).toEqual(["tenants.routable"]);
    expect(step([])).toEqual(["tenants.routable"]);
  });

  test("lists at most a thousand tenants and their number", () => {
    const alerts = new Alerts({ offlineAfterMs: 300_000 });
    const unroutable = Array.from({ length: 1_500 }, (_, index) => `t${index}`);
    const situation = { servers: half, unroutable, unsure: unroutable, hasTenant };
    alerts.step({ nowMs: 0, ...situation }, new Map());
    const [alert] = alerts.step({ nowMs: 10_000, ...situation }, new Map());
    expect(alert?.data.total).toBe(1_500);
    expect(alert?.data.tenants).toHaveLength(1_000);
  });
});

test("tenants.routable says which tenants were deleted, as those have not become routable", () => {
  const alerts = new Alerts({ offlineAfterMs: 300_000 });
  const told = new Map(["a", "b"].map((id) => [`tenant ${id}`, { begunAt: 0, open: true }] as const));
  const isLeft = (id: string) => id === "a";
  const [end] = alerts.step(
    { nowMs: 60_000, servers: [server("iad")], unroutable: [], unsure: [], hasTenant: isLeft },
    told,
  );
  expect(end).toMatchObject({ type: "tenants.routable", data: { tenants: ["a"], total: 1, deleted: ["b"] } });
});

test("who is added in the middle of trouble is told of all that has begun and not ended", () => {
  const row = (thing: string, begunAt: number, open = true) => [thing, { thing, begunAt, open }] as const;
  const servers = new Map(
    ["iad", "fra"].map((id) => [id, { id, url: `https://${id}`, region: null, drained: false }]),
  );
  const announced = new Map([
    row("server iad", 1_000),
    row("server fra", 1_000, false),
    row("server gone", 1_000),
    row("fleet", 2_000),
    row("tenant a", 4_000),
    row("tenant b", 3_000),
    row("certificate x.example.com", 9_000_000),
  ]);
  expect(underWay(announced, servers, 5_000, 100_000)).toEqual([
    {
      message: {
        type: "server.offline",
        text: "server iad (https://iad) is offline",
        data: { server: "iad", url: "https://iad" },
      },
      atMs: 96_000,
    },
    {
      message: {
        type: "fleet.down",
        text: "no server is online: iad, fra",
        data: {
          servers: [
            { server: "iad", url: "https://iad" },
            { server: "fra", url: "https://fra" },
          ],
          total: 2,
        },
      },
      atMs: 97_000,
    },
    {
      message: {
        type: "certificate.expiring",
        text: "certificate of x.example.com: is not renewed, and ends soon",
        data: { name: "x.example.com", detail: "is not renewed, and ends soon" },
      },
      atMs: 100_000,
    },
    {
      message: {
        type: "tenants.unroutable",
        text: "tenants without a server: a, b",
        data: { tenants: ["a", "b"], total: 2 },
      },
      atMs: 98_000,
    },
  ]);
});
