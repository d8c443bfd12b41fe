// Which server a tenant's request goes to: home, failover, return and the last resort.
import { describe, expect, test } from "bun:test";
import {
  byLatency,
  choose,
  type Fleet,
  isRoutable,
  type Preference,
  type RoutedServer,
  turnOf,
} from "../../../src/slum/fleet/choose-server.ts";
import { freshStanding, type Standing } from "../../../src/slum/fleet/server-health.ts";

type Sketch = Readonly<Record<string, string>>;

/** `online 20`, `offline`, `drained`, `unknown`, `back` (online, not settled): by server id, with a latency. */
function fleetOf(sketch: Sketch): Fleet {
  const list = Object.entries(sketch).map(([id, text]) => {
    const [word = "", latency] = text.split(" ");
    const standing: Standing = {
      ...freshStanding(0),
      status: word === "offline" ? "offline" : word === "unknown" ? "unknown" : "online",
      settledAtMs: word === "back" || word === "offline" ? undefined : 0,
    };
    const latencyMs = latency === undefined ? undefined : Number(latency);
    return { id, drained: word === "drained", standing, latencyMs };
  });
  const known = new Map<string, RoutedServer>(list.map((one) => [one.id, one]));
  return { find: (id) => known.get(id), byLatency: byLatency(list), returnMs: 30_000 };
}

const iad: Preference = { home: "iad", failover: undefined, turn: 0 };

/** All servers that a request would try, each refused in turn. */
function order(preference: Preference, sketch: Sketch, nowMs = 60_000): string[] {
  const fleet = fleetOf(sketch);
  const tried: string[] = [];
  for (;;) {
    const choice = choose(preference, fleet, nowMs, (id) => tried.includes(id));
    if (!choice) return tried;
    tried.push(choice.server.id);
  }
}

describe("a request of a tenant", () => {
  test.each<[string, Partial<Preference>, Sketch, string[]]>([
    [
      "goes home first, then to the others by latency",
      {},
      { iad: "online 90", fra: "online 50", syd: "online 9" },
      ["iad", "syd", "fra"],
    ],
    [
      "goes to the failover list in its order",
      { failover: ["fra", "syd"] },
      { iad: "offline", syd: "online 1", fra: "online 80" },
      ["fra", "syd", "iad"],
    ],
    [
      "goes nowhere else when failover is none",
      { failover: [] },
      { iad: "offline", fra: "online 1" },
      ["iad"],
    ],
    ["never goes to a drained server", {}, { iad: "drained 1", fra: "online 50", syd: "drained 1" }, ["fra"]],
    ["finds nobody when its only server is drained", { failover: [] }, { iad: "drained 1" }, []],
    ["takes an unknown server for a good one", {}, { iad: "unknown", fra: "online 1" }, ["iad", "fra"]],
    [
      "tries the home server all the same when none is online",
      {},
      { iad: "offline", fra: "offline", syd: "offline" },
      ["iad"],
    ],
    [
      "does not return to a home server that is not steady yet",
      {},
      { iad: "back 1", fra: "online 50" },
      ["fra", "iad"],
    ],
    [
      "passes over a failover server that is not there any more",
      { failover: ["gone", "fra"] },
      { iad: "offline", fra: "online 1" },
      ["fra", "iad"],
    ],
    [
      "puts servers without a latency last",
      {},
      { iad: "offline", fra: "unknown", syd: "online 300" },
      ["syd", "fra", "iad"],
    ],
  ])("%s", (_, changes, sketch, expected) => {
    expect(order({ ...iad, ...changes }, sketch)).toEqual(expected);
  });

  test("returns home when its turn has come", () => {
    const sketch = { iad: "online 9", fra: "online 50" };
    expect(order({ ...iad, turn: 0.5 }, sketch, 14_000)[0]).toBe("fra");
    expect(order({ ...iad, turn: 0.5 }, sketch, 15_000)[0]).toBe("iad");
  });

  test("says why a server was chosen", () => {
    const reason = (sketch: Sketch) => choose(iad, fleetOf(sketch), 60_000, () => false)?.reason;
    expect(reason({ iad: "online" })).toBe("home");
    expect(reason({ iad: "offline", fra: "online" })).toBe("failover");
    expect(reason({ iad: "back", fra: "offline" })).toBe("home_unsettled");
    expect(reason({ iad: "offline", fra: "offline" })).toBe("fail_open");
  });
});

test("a tenant is unroutable when none of its servers takes requests", () => {
  expect(isRoutable(iad, fleetOf({ iad: "offline", fra: "online" }))).toBe(true);
  expect(isRoutable({ ...iad, failover: [] }, fleetOf({ iad: "offline", fra: "online" }))).toBe(false);
  expect(isRoutable(iad, fleetOf({ iad: "drained", fra: "drained" }))).toBe(false);
  expect(isRoutable(iad, fleetOf({ iad: "unknown" }))).toBe(true);
});

test("latencies that hardly differ do not change the order", () => {
  const server = (id: string, latencyMs: number) => ({
    id,
    drained: false,
    standing: freshStanding(0),
    latencyMs,
  });
  const ids = (list: readonly RoutedServer[]) => list.map(({ id }) => id);
  expect(ids(byLatency([server("b", 50), server("a", 51)]))).toEqual(["a", "b"]);
  expect(ids(byLatency([server("a", 80), server("b", 50)]))).toEqual(["b", "a"]);
});

test("tenants take their turns evenly", () => {
  const turns = Array.from({ length: 1_000 }, (_, index) => turnOf(`tenant-${index}`));
  const tenths = Array.from({ length: 10 }, (_, tenth) =>
    turns.filter((turn) => Math.floor(turn * 10) === tenth),
  );
  expect(tenths.every(({ length }) => length > 50 && length < 150)).toBe(true);
});
