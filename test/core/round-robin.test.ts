// Weighted selection: exact over every period, steady over publishes, and fair in what it leaves out.
import { describe, expect, test } from "bun:test";
import { createSelection, type Selection } from "../../src/core/round-robin.ts";
import type { Route, Target } from "../../src/core/route.ts";
import { fractionsFrom } from "../support/random.ts";
import { route, target } from "../support/routes.ts";

function weighted(weights: Record<string, number>, epoch = 1): Route {
  const targets = Object.entries(weights).map(([label, weight]) =>
    target(`api:${label}`, { weight: weight * 100 }),
  );
  return route("api", targets, { epoch });
}

function picks(selection: Selection, from: Route, times: number): string[] {
  return Array.from({ length: times }, () => selection.selectWeighted(from)?.label ?? "none");
}

function tally(labels: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

test.each([
  [{ v1: 90, v2: 10 }, 1000, { v1: 900, v2: 100 }],
  [{ v1: 80, v2: 20 }, 1000, { v1: 800, v2: 200 }],
  [{ v1: 50, v2: 50 }, 1000, { v1: 500, v2: 500 }],
  [{ a: 100, b: 100, c: 100 }, 999, { a: 333, b: 333, c: 333 }],
  [{ v1: 99.99, v2: 0.01 }, 10_000, { v1: 9999, v2: 1 }],
  [{ a: 33.33, b: 33.33, c: 33.34 }, 10_000, { a: 3333, b: 3333, c: 3334 }],
  [{ a: 7, b: 11, c: 13, d: 69 }, 1000, { a: 70, b: 110, c: 130, d: 690 }],
])("%j over %i requests is %j", (weights, times, expected) => {
  expect(tally(picks(createSelection(Math.random), weighted(weights), times))).toEqual(expected);
});

test("every window of one period is exact, wherever it begins", () => {
  const sequence = picks(createSelection(Math.random), weighted({ a: 50, b: 30, c: 20 }), 200);
  for (let start = 0; start + 10 <= sequence.length; start++) {
    expect(tally(sequence.slice(start, start + 10))).toEqual({ a: 5, b: 3, c: 2 });
  }
});

test("turns are spread, never a burst", () => {
  expect(picks(createSelection(Math.random), weighted({ v1: 80, v2: 20 }), 10).join(" ")).toBe(
    "v1 v1 v2 v1 v1 v1 v1 v2 v1 v1",
  );
  // At no moment is a target further than one turn from its fair part.
  const weights = { a: 61, b: 23, c: 16 };
  const had: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (const [index, label] of picks(createSelection(Math.random), weighted(weights), 300).entries()) {
    had[label] = (had[label] ?? 0) + 1;
    for (const [each, weight] of Object.entries(weights)) {
      expect(Math.abs((had[each] ?? 0) - ((index + 1) * weight) / 100)).toBeLessThan(1);
    }
  }
});

test("a publish every few requests does not starve a small weight", () => {
  const selection = createSelection(Math.random);
  const seen: string[] = [];
  for (let i = 0; i < 200; i++) seen.push(...picks(selection, weighted({ v1: 90, v2: 10 }), 5));
  expect(tally(seen)).toEqual({ v1: 900, v2: 100 });
});

test("a new epoch starts anew", () => {
  const selection = createSelection(Math.random);
  const fresh = picks(createSelection(Math.random), weighted({ v1: 50, v2: 30, v3: 20 }), 10);
  picks(selection, weighted({ v1: 50, v2: 30, v3: 20 }, 1), 4);
  expect(picks(selection, weighted({ v1: 50, v2: 30, v3: 20 }, 2), 10)).toEqual(fresh);
});

test("a target that was away comes back without a burst, and the split is exact again at once", () => {
  const selection = createSelection(Math.random);
  const both = weighted({ v1: 50, v2: 50 });
  picks(selection, both, 7);
  const without = route(
    "api",
    both.targets.map((each): Target => (each.label === "v2" ? { ...each, readiness: "out" } : each)),
  );
  expect(tally(picks(selection, without, 500))).toEqual({ v1: 500 });
  const after = picks(selection, both, 100);
  for (let start = 0; start + 2 <= after.length; start += 2) {
    expect(tally(after.slice(start, start + 2))).toEqual({ v1: 1, v2: 1 });
  }
});

test("a small weight gets its turns though the set around it changes all the time", () => {
  const selection = createSelection(Math.random);
  const seen: string[] = [];
  for (let i = 0; i < 400; i++) {
    const flapping = target("api:v3", { weight: 4500, readiness: i % 2 ? "ready" : "out" });
    const steady = [target("api:v1", { weight: 4500 }), target("api:v2", { weight: 1000 })];
    seen.push(...picks(selection, route("api", [...steady, flapping]), 3));
  }
  expect(tally(seen).v2 ?? 0).toBeGreaterThan(120);
  expect(tally(seen).v2 ?? 0).toBeLessThan(240);
});

test("unsure targets serve only when no weighted target is ready", () => {
  const unsure = target("api:v1", { readiness: "unsure" });
  const ready = target("api:v2", { weight: 1 });
  expect(tally(picks(createSelection(Math.random), route("api", [unsure, ready]), 50))).toEqual({ v2: 50 });
  const idle = target("api:v2", { weight: 0 });
  expect(tally(picks(createSelection(Math.random), route("api", [unsure, idle]), 50))).toEqual({ v1: 50 });
});

test("weight 0 never serves, not even alone; starting never serves; sleeping keeps its part", () => {
  const none = route("api", [target("api:v1", { weight: 0 }), target("api:v2", { readiness: "coming" })]);
  expect(createSelection(Math.random).selectWeighted(none)).toBeUndefined();
  const sleeping = route("api", [target("api:v1"), target("api:v2", { readiness: "asleep" })]);
  expect(tally(picks(createSelection(Math.random), sleeping, 10))).toEqual({ v1: 5, v2: 5 });
});

test("an alternative does not count, is untried, and prefers one that is awake", () => {
  const selection = createSelection(Math.random);
  const two = weighted({ v1: 50, v2: 50 });
  const expected = picks(createSelection(Math.random), two, 6);
  const seen: string[] = [];
  for (let i = 0; i < 6; i++) {
    const chosen = selection.selectWeighted(two);
    seen.push(chosen?.label ?? "none");
    const tried = new Set([chosen?.id ?? ""]);
    expect(selection.alternative(two, tried)?.label).toBe(chosen?.label === "v1" ? "v2" : "v1");
  }
  expect(seen).toEqual(expected);
  const sleepy = route("api", [target("api:v1", { readiness: "asleep" }), target("api:v2")]);
  expect(selection.alternative(sleepy, new Set())?.label).toBe("v2");
  expect(selection.alternative(sleepy, new Set(["api:v2"]))?.label).toBe("v1");
  expect(selection.alternative(sleepy, new Set(["api:v1", "api:v2"]))).toBeUndefined();
});

test("several workers with their own phases stay within one request per worker", () => {
  const workers = [0, 0.25, 0.5, 0.75].map((phase) => createSelection(Math.random, phase));
  const from = weighted({ v1: 90, v2: 10 });
  for (const each of [1, 3, 10, 25]) {
    const seen = workers.flatMap((selection) => picks(selection, from, each));
    expect(Math.abs((tally(seen).v2 ?? 0) - seen.length / 10)).toBeLessThanOrEqual(4);
  }
});

test("ten thousand weighted targets cost a pick about what ten cost", () => {
  const cost = (count: number) => {
    const targets = Array.from({ length: count }, (_, i) => target(`api:v${i}`, { weight: 1 + (i % 97) }));
    const from = route("api", targets);
    const selection = createSelection(Math.random);
    selection.selectWeighted(from);
    const begin = performance.now();
    for (let i = 0; i < 200_000; i++) selection.selectWeighted(from);
    return performance.now() - begin;
  };
  cost(10);
  // A scan of all would be a thousand times as slow; the heap is a few times.
  expect(cost(10_000) / cost(10)).toBeLessThan(40);
});

describe("during a trial", () => {
  /** The same weights, to be judged. */
  function tried(weights: Record<string, number>, epoch = 1): Route {
    return { ...weighted(weights, epoch), trial: { split: "any" } };
  }

  test.each([
    [{ v1: 95, v2: 5 }, 20],
    [{ v1: 75, v2: 25 }, 4],
    [{ v1: 50, v2: 50 }, 2],
    [{ a: 50, b: 30, c: 20 }, 10],
    [{ a: 97, b: 3 }, 100],
  ])("%j is exact in each period of %i, in an order of its own", (weights, period) => {
    const sequence = picks(createSelection(fractionsFrom(5)), tried(weights), period * 200);
    const orders = new Set<string>();
    for (let start = 0; start < sequence.length; start += period) {
      const turns = sequence.slice(start, start + period);
      for (const [label, weight] of Object.entries(weights))
        expect(tally(turns)[label]).toBe((weight * period) / 100);
      orders.add(turns.join(" "));
    }
    expect(orders.size).toBeGreaterThan(1);
  });

  test("a period beyond a hundred turns is exact as a whole", () => {
    const sequence = picks(createSelection(fractionsFrom(5)), tried({ v1: 99.99, v2: 0.01 }), 30_000);
    for (let start = 0; start < sequence.length; start += 10_000)
      expect(tally(sequence.slice(start, start + 10_000))).toEqual({ v1: 9999, v2: 1 });
  });

  test.each([
    [2, 50],
    [4, 25],
    [5, 20],
    [10, 10],
    [20, 50],
  ])(
    "a client that asks for %i things by turns meets each of them on a version with %i %",
    (things, share) => {
      const random = fractionsFrom(17);
      const met = (from: Route) => {
        const seen = new Array<number>(things).fill(0);
        for (const [i, label] of picks(createSelection(random), from, things * 400).entries())
          if (label === "v2") seen[i % things] = (seen[i % things] ?? 0) + 1;
        return seen.map((count) => count / 400);
      };
      const weights = { v1: 100 - share, v2: share };
      // The exact order is what this is for: some see it always, others never.
      expect(Math.max(...met(weighted(weights)))).toBe(1);
      for (const part of met(tried(weights))) {
        expect(part).toBeGreaterThan(share / 100 - 0.12);
        expect(part).toBeLessThan(share / 100 + 0.12);
      }
    },
  );

  test("a publish every few requests neither starves a small weight nor makes the split inexact", () => {
    const selection = createSelection(fractionsFrom(3));
    const seen: string[] = [];
    for (let i = 0; i < 200; i++) seen.push(...picks(selection, tried({ v1: 90, v2: 10 }), 5));
    expect(tally(seen)).toEqual({ v1: 900, v2: 100 });
  });

  test("turns that were drawn for other weights are dropped", () => {
    const selection = createSelection(fractionsFrom(3));
    picks(selection, tried({ v1: 90, v2: 10 }), 3);
    expect(tally(picks(selection, tried({ v1: 0, v2: 100 }, 2), 50))).toEqual({ v2: 50 });
    picks(selection, tried({ v1: 50, v2: 50 }, 3), 1);
    const alone = {
      ...route("api", [target("api:v1", { weight: 5000 })], { epoch: 3 }),
      trial: { split: "b" },
    };
    expect(tally(picks(selection, alone, 50))).toEqual({ v1: 50 });
  });

  test("workers together are as exact", () => {
    const random = fractionsFrom(9);
    const workers = [0, 0.25, 0.5, 0.75].map((phase) => createSelection(random, phase));
    const seen = workers.flatMap((selection) => picks(selection, tried({ v1: 95, v2: 5 }), 100));
    expect(tally(seen)).toEqual({ v1: 380, v2: 20 });
  });

  test("nothing to pick is nothing", () => {
    const none = { ...route("api", []), trial: { split: "" } };
    expect(createSelection(Math.random).selectWeighted(none)).toBeUndefined();
  });
});

test("a target that is probed gets one request for each probe, over publishes too, and moves nobody's turns", () => {
  const at = (number: number | undefined, readiness: Target["readiness"] = "unsure") => {
    const probe = number === undefined ? undefined : { number, phase: 0 };
    return route("api", [
      target("api:a", { weight: 5_000 }),
      target("api:b", { weight: 5_000, readiness, probe }),
    ]);
  };
  const selection = createSelection(Math.random);
  const steps = [at(undefined, "ready"), at(undefined), at(1), at(1), at(2)];
  expect(steps.map((step) => tally(picks(selection, step, 4)))).toEqual([
    { a: 2, b: 2 },
    { a: 4 },
    { a: 3, b: 1 },
    { a: 4 },
    { a: 3, b: 1 },
  ]);
  expect(tally(picks(selection, at(2, "ready"), 4))).toEqual({ a: 2, b: 2 });
});

test("a probe that was not made before the next publish is made after it; of several workers the one meant makes it", () => {
  const at = (number: number | undefined, phase = 0) =>
    route("api", [
      target("api:a"),
      target("api:b", {
        readiness: "unsure",
        probe: number === undefined ? undefined : { number, phase },
      }),
    ]);
  const [first, second] = [createSelection(Math.random, 0), createSelection(Math.random, 0.5)];
  for (const selection of [first, second]) picks(selection, at(undefined), 1);
  // Published, and not used.
  first.retain(new Map([["api", undefined]]));
  expect(picks(first, at(1), 2)).toEqual(["b", "a"]);
  expect(picks(second, at(1), 2)).toEqual(["a", "a"]);
  expect(picks(first, at(2, 0.5), 2)).toEqual(["a", "a"]);
  expect(picks(second, at(2, 0.5), 2)).toEqual(["b", "a"]);
});
