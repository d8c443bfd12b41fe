// When a split counts as exact, and how latencies are read.
import { expect, test } from "bun:test";
import { createTally, type Visit } from "../../../src/ten/demo/tally.ts";

function tallyOf(...visits: readonly (readonly [count: number, visit: Omit<Visit, "ms">])[]) {
  const tally = createTally();
  for (const [count, visit] of visits) for (let i = 0; i < count; i++) tally.add({ ...visit, ms: 1 });
  return tally;
}

const v1 = { version: "v1" };
const v2 = { version: "v2" };

test("a split is exact when each version answered its part to the request", () => {
  expect(tallyOf([90, v1], [10, v2]).isExactly({ v1: 90, v2: 10 })).toBe(true);
  expect(tallyOf([91, v1], [9, v2]).isExactly({ v1: 90, v2: 10 })).toBe(false);
  expect(tallyOf([100, v2]).isExactly({ v1: 0, v2: 100 })).toBe(true);
});

test("it is not when another version answered, when a request failed, or when there was none", () => {
  expect(tallyOf([100, v1], [1, v2]).isExactly({ v1: 100 })).toBe(false);
  expect(tallyOf([100, v1], [1, { failure: "status 502" }]).isExactly({ v1: 100 })).toBe(false);
  expect(tallyOf().isExactly({ v1: 100 })).toBe(false);
});

test("failures are counted by what went wrong, and retries among all", () => {
  const tally = tallyOf(
    [2, { failure: "status 502" }],
    [1, { failure: "reset" }],
    [3, { ...v1, retried: true }],
  );
  expect([tally.requests, tally.failed, tally.retried]).toEqual([6, 3, 3]);
  expect(Object.fromEntries(tally.failures)).toEqual({ "status 502": 2, reset: 1 });
});

test("latencies are those of the nearest rank, and 1 is the longest", () => {
  const tally = createTally();
  for (const ms of [5, 1, 4, 2, 3]) tally.add({ ...v1, ms });
  expect([0, 0.5, 0.95, 1].map((part) => tally.latency(part))).toEqual([1, 3, 5, 5]);
  expect(createTally().latency(0.5)).toBe(0);
});
