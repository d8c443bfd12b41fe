// Stickiness: new visitors split exactly by counting, returning ones kept, and moved only towards a version that grew.
import { expect, test } from "bun:test";
import { createSelection } from "../../src/core/round-robin.ts";
import type { Target } from "../../src/core/route.ts";
import { createSticky, formatMark, type Mark, parseMark } from "../../src/core/sticky.ts";
import { withShare } from "../../src/core/weight.ts";
import { integersFrom } from "../support/random.ts";
import { route, target } from "../support/routes.ts";

type Weights = Readonly<Record<string, number>>;

/** Visitors that come to a route whose weights, in percent, change between the rounds. */
function population(seed = 1) {
  const random = integersFrom(seed);
  const selection = createSelection(Math.random);
  const marks: Mark[] = [];
  let epoch = 0;
  let now = routeOf({});

  function routeOf(weights: Weights, changes: Readonly<Record<string, Partial<Target>>> = {}) {
    const targets = Object.entries(weights).map(([label, weight]) =>
      target(`api:${label}`, { weight: Math.round(weight * 100), ...changes[label] }),
    );
    return route("api", targets, { epoch });
  }

  return {
    set(weights: Weights, changes?: Readonly<Record<string, Partial<Target>>>) {
      epoch += 1;
      now = routeOf(weights, changes);
    },
    /** New visitors; answers how many each target got. */
    arrive(count: number): Record<string, number> {
      const sticky = createSticky(now);
      const seen: Record<string, number> = {};
      for (let i = 0; i < count; i++) {
        const picked = selection.selectWeighted(now);
        if (picked === undefined) throw new Error("nothing to pick");
        seen[picked.label] = (seen[picked.label] ?? 0) + 1;
        marks.push(sticky.markFor(picked, undefined, random));
      }
      return seen;
    },
    /** Every visitor comes back once; answers how many moved, `v1>v2`, and how many are where. */
    comeBack(): { moves: Record<string, number>; where: Record<string, number> } {
      const sticky = createSticky(now);
      const moves: Record<string, number> = {};
      const where: Record<string, number> = {};
      for (const [i, mark] of marks.entries()) {
        const served = sticky.homeOf(mark) ?? selection.selectWeighted(now);
        if (served === undefined) throw new Error("nothing to pick");
        where[served.label] = (where[served.label] ?? 0) + 1;
        if (served.label !== mark.label) {
          const move = `${mark.label}>${served.label}`;
          moves[move] = (moves[move] ?? 0) + 1;
        }
        marks[i] = sticky.markFor(served, mark, random);
      }
      return { moves, where };
    },
  };
}

const at10 = { v1: 90, v2: 10 };

test("new visitors are split exactly, whatever the returning ones do", () => {
  const all = population();
  all.set(at10);
  expect(all.arrive(1_000)).toEqual({ v1: 900, v2: 100 });
  expect(all.comeBack().moves).toEqual({});
  expect(all.arrive(10)).toEqual({ v1: 9, v2: 1 });
});

test("a visitor stays where it is while weights stay, however often it comes", () => {
  const all = population();
  all.set({ v1: 33.34, v2: 33.33, v3: 23.33, v4: 10 });
  all.arrive(5_000);
  for (let i = 0; i < 5; i++) expect(all.comeBack().moves).toEqual({});
});

test("a canary that grows takes just enough visitors, and gives none back", () => {
  const all = population();
  all.set(at10);
  all.arrive(20_000);
  for (const share of [25, 50, 75, 100]) {
    all.set({ v1: 100 - share, v2: share });
    const { moves, where } = all.comeBack();
    expect(Object.keys(moves)).toEqual(["v1>v2"]);
    expect((where.v2 ?? 0) / 20_000).toBeWithin(share / 100 - 0.01, share / 100 + 0.01001);
    all.arrive(0);
  }
});

test("visitors that came at different weights make one even crowd", () => {
  const all = population();
  for (const share of [10, 30, 50, 20]) {
    all.set({ v1: 100 - share, v2: share });
    all.comeBack();
    all.arrive(10_000);
  }
  all.set({ v1: 35, v2: 65 });
  expect((all.comeBack().where.v2 ?? 0) / 40_000).toBeWithin(0.64, 0.66);
});

test("siblings that are scaled exchange no visitor, rounding included", () => {
  const all = population();
  let weights: ReadonlyMap<string, number> = new Map([
    ["a", 3334],
    ["b", 3333],
    ["c", 3333],
    ["new", 0],
  ]);
  const toPercent = () => Object.fromEntries([...weights].map(([label, weight]) => [label, weight / 100]));
  all.set(toPercent());
  all.arrive(20_000);
  for (const share of [100, 1_000, 2_537, 5_000, 9_000]) {
    weights = withShare(weights, ["new"], share);
    all.set(toPercent());
    const towards = Object.keys(all.comeBack().moves).map((move) => move.split(">")[1]);
    expect(new Set(towards)).toEqual(new Set(["new"]));
  }
});

test("a version that shrinks only loses visitors, to whoever grew", () => {
  const all = population();
  all.set({ v1: 20, v2: 80 });
  all.arrive(10_000);
  all.set({ v1: 60, v2: 40 });
  expect(Object.keys(all.comeBack().moves)).toEqual(["v2>v1"]);
});

test("a canary taken back gives back those that it took, but for rounding", () => {
  const all = population();
  all.set(at10);
  all.arrive(10_000);
  all.set({ v1: 50, v2: 50 });
  const { moves } = all.comeBack();
  all.set(at10);
  const back = all.comeBack().moves;
  expect(Object.keys(back)).toEqual(["v2>v1"]);
  expect((moves["v1>v2"] ?? 0) - (back["v2>v1"] ?? 0)).toBeWithin(0, 5);
});

test.each(["out", "unsure", "coming"] as const)(
  "visitors of a target that is %s go elsewhere, stay there, and are not fetched back",
  (readiness) => {
    const all = population();
    all.set({ v1: 50, v2: 50 });
    all.arrive(2_000);
    all.set({ v1: 50, v2: 50 }, { v2: { readiness } });
    expect(all.comeBack().moves).toEqual({ "v2>v1": 1_000 });
    all.set({ v1: 50, v2: 50 });
    expect(all.comeBack().moves).toEqual({});
  },
);

test("a sleeping target keeps its visitors, and a merely unhealthy one when there is no other", () => {
  const all = population();
  all.set({ v1: 50, v2: 50 });
  all.arrive(1_000);
  all.set({ v1: 50, v2: 50 }, { v2: { readiness: "asleep" } });
  expect(all.comeBack().moves).toEqual({});
  all.set({ v1: 50, v2: 50 }, { v1: { readiness: "unsure" }, v2: { readiness: "unsure" } });
  expect(all.comeBack().moves).toEqual({});
});

test("nobody is kept at weight 0", () => {
  const all = population();
  all.set({ v1: 50, v2: 50 });
  all.arrive(1_000);
  all.set({ v1: 100, v2: 0 });
  expect(all.comeBack().where).toEqual({ v1: 1_000 });
});

test("a visitor stays on its version when one of its instances goes, spread over the others", () => {
  const all = population();
  const versions = { a: { version: "1" }, b: { version: "1" }, c: { version: "1" }, d: { version: "2" } };
  const weights = { a: 30, b: 30, c: 30, d: 10 };
  all.set(weights, versions);
  all.arrive(3_000);
  all.set({ ...weights, b: 45, c: 45 }, { ...versions, a: { version: "1", readiness: "out" } });
  const { moves } = all.comeBack();
  expect(Object.keys(moves).sort()).toEqual(["a>b", "a>c"]);
  expect(moves["a>b"] ?? 0).toBeWithin(400, 500);
  all.set(weights, versions);
  expect(all.comeBack().moves).toEqual({});
});

test("one version among very many keeps its visitors, though no number is found for them", () => {
  const labels = Array.from({ length: 500 }, (_, i) => `v${i}`);
  const all = population();
  all.set(Object.fromEntries(labels.map((label) => [label, 1])));
  all.arrive(500);
  expect(all.comeBack().moves).toEqual({});
});

test("two requests of one visitor agree where it goes", () => {
  const before = createSticky(route("api", [target("api:v1"), target("api:v2", { weight: 100 })]));
  const after = createSticky(route("api", [target("api:v1", { weight: 100 }), target("api:v2")]));
  const random = integersFrom(3);
  for (let i = 0; i < 100; i++) {
    const mark = before.markFor(target("api:v1"), undefined, random);
    expect(after.homeOf(mark)).toBe(after.homeOf({ ...mark }));
  }
});

test.each([
  ["v2~1x3f9k", { label: "v2", seed: 116_053_256 }],
  ["v1.2_b-3~0", { label: "v1.2_b-3", seed: 0 }],
  ["v2~1z141z3", { label: "v2", seed: 2 ** 32 - 1 }],
  ["v2~", { label: "v2", seed: undefined }],
  ["v2~1z141z4", undefined],
  ["v2", undefined],
  ["V2~1", undefined],
  ["~1", undefined],
  ["v2~1~2", undefined],
  ["v2~1 ", undefined],
  ["v2~-1", undefined],
  [`${"v".repeat(64)}~1`, undefined],
  ["", undefined],
])("the cookie %j is %j", (text, mark) => {
  expect(parseMark(text)).toEqual(mark as Mark);
  if (mark !== undefined) expect(formatMark(mark as Mark)).toBe(text);
});

test("a forged mark leads nowhere that a new visitor could not come", () => {
  const targets = [
    target("api:v1"),
    target("api:off", { weight: 0 }),
    target("api:down", { readiness: "out" }),
  ];
  const sticky = createSticky(route("api", targets));
  for (const label of ["off", "down", "nobody", "v1"]) {
    for (const seed of [undefined, 0, 1, 2 ** 32 - 1]) {
      const home = sticky.homeOf({ label, seed });
      expect(home === undefined || home.label === "v1").toBe(true);
    }
  }
});
