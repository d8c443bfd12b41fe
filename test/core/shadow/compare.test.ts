// What is taken for the same kind of request, and what for another answer.
import { describe, expect, test } from "bun:test";
import { type CopyAnswer, differencesOf } from "../../../src/core/shadow/compare.ts";
import { shapeOf } from "../../../src/core/shadow/json-shape.ts";
import { patternOf } from "../../../src/core/shadow/path-pattern.ts";

describe("the pattern of a path", () => {
  const PATTERNS: readonly (readonly [path: string, pattern: string])[] = [
    ["/", "/"],
    ["/orders/1234/items?page=2", "/orders/:id/items"],
    ["/v1/users/6ba7b810-9dad-11d1-80b4-00c04fd430c8", "/v1/users/:id"],
    ["/commits/deadbeef01", "/commits/:id"],
    ["/reports/2026-11-30", "/reports/:id"],
    ["/order-99/item_7", "/order-:id/item-:id"],
    ["/u/someone@example.com", "/u/:id"],
    ["/t/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/t/:id"],
    ["/assets/app.css", "/assets/app.css"],
    ["/about-us/the-team", "/about-us/the-team"],
    ["/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/..."],
    ["/decade", "/decade"],
  ];
  for (const [path, pattern] of PATTERNS)
    test(`of ${path} is ${pattern}`, () => expect(patternOf(path)).toBe(pattern));
});

function answer(json: unknown, changes: Partial<CopyAnswer> = {}): CopyAnswer {
  const text = JSON.stringify(json);
  return {
    status: 200,
    type: "application/json",
    bytes: text.length,
    shape: shapeOf(text),
    ms: 5,
    ...changes,
  };
}

describe("two answers", () => {
  const order = { id: 7, total: 12.5, items: [{ sku: "a", price: 1 }], note: null };

  test("with other values are alike", () => {
    const other = { id: 8, total: 3, items: [{ sku: "b", price: 2 }], note: null };
    expect(differencesOf(answer(order), answer(other))).toEqual([]);
  });

  test("differ by status first, then by type", () => {
    expect(differencesOf(answer(order), answer(order, { status: 500, type: "text/html" }))).toEqual([
      "status 200 -> 500",
    ]);
    expect(differencesOf(answer(order), answer(order, { status: 0 }))).toEqual(["status 200 -> no answer"]);
    expect(differencesOf(answer(order), answer(order, { type: "" }))).toEqual([
      "type application/json -> none",
    ]);
  });

  test("differ by what a field is, and by fields that are not there, of which only the outermost is told", () => {
    expect(differencesOf(answer(order), answer({ ...order, total: "12.50" }))).toEqual([
      ".total: number -> string",
    ]);
    const { items: _, ...rest } = order;
    expect(differencesOf(answer(order), answer(rest))).toEqual([".items: array -> missing"]);
    const extra = { ...order, shipping: { cost: 1 } };
    expect(differencesOf(answer(order), answer(extra))).toEqual([".shipping: missing -> object"]);
    expect(differencesOf(answer(order), answer([order]))).toEqual(["the whole: object -> array"]);
  });

  test("an empty list says nothing of its elements, and names that are ids are one", () => {
    expect(differencesOf(answer(order), answer({ ...order, items: [] }))).toEqual([]);
    const byId = (id: string) => answer({ [id]: { sku: "a" } });
    expect(differencesOf(byId("1234"), byId("9876"))).toEqual([]);
  });

  test("differ in size only when that is no accident", () => {
    const page = (bytes: number | undefined) => answer(1, { type: "text/html", shape: undefined, bytes });
    expect(differencesOf(page(4_000), page(6_000))).toEqual([]);
    expect(differencesOf(page(10), page(400))).toEqual([]);
    expect(differencesOf(page(4_000), page(9_000))).toEqual(["size"]);
    expect(differencesOf(page(4_000), page(undefined))).toEqual(["size"]);
  });

  test("that are no JSON, or very deep or large, are compared as far as they can be", () => {
    expect(shapeOf("{")).toBeUndefined();
    const deep = JSON.parse(`${'{"a":'.repeat(500)}1${"}".repeat(500)}`);
    expect(differencesOf(answer(deep), answer(deep))).toEqual([]);
    const letters = (n: number) => n.toString().replace(/\d/g, (digit) => "abcdefghij"[Number(digit)] ?? "");
    const wide = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [letters(n), n]));
    expect(differencesOf(answer(wide), answer({ ...wide, more: 1 }))).toEqual([]);
  });
});
