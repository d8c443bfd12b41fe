// The arithmetic of weights: exact, in hundredths, by largest remainder.
import { describe, expect, test } from "bun:test";
import { moved, only, parseWeight, scale, shareOf, sum, withShare } from "../../src/core/weight.ts";

const of = (entries: Record<string, number>) => new Map(Object.entries(entries));
const plain = (weights: ReadonlyMap<string, number>) => Object.fromEntries(weights);

describe("a weight as written", () => {
  test.each([
    ["0", 0],
    ["10", 1000],
    ["33.3", 3330],
    ["33.33", 3333],
    ["100", 10000],
    ["100.00", 10000],
    [7.5, 750],
  ])("%p is %p hundredths", (text, hundredths) => expect(parseWeight(text)).toBe(hundredths));

  test.each([
    "-1",
    "101",
    "100.01",
    "ten",
    "",
    "1e1",
    "5.555",
    " 5",
    "0x10",
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ])("%p is refused", (text) => expect(() => parseWeight(text)).toThrow("is not a weight"));
});

describe("scaling", () => {
  test.each([
    [{ a: 10000, b: 10000 }, 5000, { a: 2500, b: 2500 }],
    [{ a: 10000, b: 10000, c: 10000 }, 100, { a: 34, b: 33, c: 33 }],
    [{ a: 34, b: 33, c: 33 }, 9000, { a: 3060, b: 2970, c: 2970 }],
    [{ a: 1, b: 9999 }, 5000, { a: 1, b: 4999 }],
    [{ a: 1, b: 1, c: 9998 }, 3, { a: 1, b: 1, c: 1 }],
  ])("%p to %p is %p", (before, total, after) => {
    const scaled = scale(of(before), total);
    expect(plain(scaled)).toEqual(after);
    expect(sum(scaled.values())).toBe(total);
  });

  test("gives every instance at least 0.01, and refuses a total that has no room for it", () => {
    expect(() => scale(of({ a: 1, b: 1, c: 1 }), 2)).toThrow("at least 0.01 %");
  });

  test("is exact for a thousand random cases", () => {
    let seed = 7;
    const random = (n: number) => {
      seed = (seed * 48271) % 2147483647;
      return seed % n;
    };
    for (let i = 0; i < 1000; i++) {
      const size = 1 + random(12);
      const weights = new Map(Array.from({ length: size }, (_, k) => [`i${k}`, 1 + random(10000)]));
      const total = size + random(10001 - size);
      const scaled = scale(weights, total);
      expect(sum(scaled.values())).toBe(total);
      expect(Math.min(...scaled.values())).toBeGreaterThanOrEqual(1);
    }
  });
});

describe("a share", () => {
  test.each([
    ["10 of one sibling", { v1: 10000, v2: 0 }, "v2", 1000, { v1: 9000, v2: 1000 }],
    ["100 takes all", { v1: 5000, v2: 5000 }, "v2", 10000, { v1: 0, v2: 10000 }],
    [
      "three at 100 then one at 50",
      { a: 10000, b: 10000, c: 10000 },
      "c",
      5000,
      { a: 2500, b: 2500, c: 5000 },
    ],
    [
      "99 with three siblings",
      { a: 10000, b: 10000, c: 10000, d: 0 },
      "d",
      9900,
      { a: 34, b: 33, c: 33, d: 9900 },
    ],
    ["then 10", { a: 34, b: 33, c: 33, d: 9900 }, "d", 1000, { a: 3060, b: 2970, c: 2970, d: 1000 }],
    ["siblings at 0 stay there", { a: 10000, b: 0, c: 0 }, "c", 2000, { a: 8000, b: 0, c: 2000 }],
    ["0 gives all to the siblings", { a: 3000, b: 7000 }, "a", 0, { a: 0, b: 10000 }],
  ])("%s", (_, before, id, share, after) => expect(plain(withShare(of(before), [id], share))).toEqual(after));

  test("that leaves less than 0.01 to a sibling is refused", () => {
    expect(() => withShare(of({ a: 1, b: 1, c: 0 }), ["c"], 9999)).toThrow("at least 0.01 %");
  });
});

describe("moving weight", () => {
  test.each([
    ["on top of its own", { v1: 9000, v2: 1000 }, { v1: 0, v2: 10000 }],
    ["scaled first when it passes 100", { v1: 10000, v2: 10000, v3: 10000 }, { v1: 0, v2: 6667, v3: 3333 }],
    ["others keep theirs", { v1: 2000, v2: 0, v3: 5000 }, { v1: 0, v2: 2000, v3: 5000 }],
  ])("%s", (_, before, after) => expect(plain(moved(of(before), ["v1"], ["v2"]))).toEqual(after));

  test("all to one", () => expect(plain(only(of({ a: 1, b: 2 }), ["b"]))).toEqual({ a: 0, b: 10000 }));
});

describe("several instances together", () => {
  test("divide their share equally", () => {
    expect(plain(withShare(of({ v1: 10000, a: 0, b: 0, c: 0 }), ["a", "b", "c"], 1000))).toEqual({
      v1: 9000,
      a: 334,
      b: 333,
      c: 333,
    });
  });

  test("get and give weight as one", () => {
    expect(plain(moved(of({ a: 5000, b: 5000, c: 0, d: 0 }), ["a", "b"], ["c", "d"]))).toEqual({
      a: 0,
      b: 0,
      c: 5000,
      d: 5000,
    });
    expect(plain(only(of({ v1: 10000, a: 0, b: 0 }), ["a", "b"]))).toEqual({ v1: 0, a: 5000, b: 5000 });
  });
});

test("a share has two decimals, and none of nothing is 0", () => {
  expect([shareOf(1, 3), shareOf(0, 0), shareOf(5000, 5000)]).toEqual([33.33, 0, 100]);
});
