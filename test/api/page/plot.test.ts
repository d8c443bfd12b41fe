// The arithmetic of charts.
import { expect, test } from "bun:test";
import { linePath, niceTop, timeTicks } from "../../../src/api/page/plot.ts";

test("a scale ends at a round number that holds everything", () => {
  expect([0, 0.3, 1, 7, 99, 100, 101, 12_345].map(niceTop)).toEqual([1, 0.4, 1, 8, 100, 100, 200, 20_000]);
});

test("a path has a gap where nothing is known, and one value between gaps is seen", () => {
  const scale = { left: 0, width: 40, top: 0, height: 10, count: 5, most: 10 };
  expect(linePath([0, 10, null, 5, null], scale)).toBe("M0.0,10.0L10.0,0.0M30.0,5.0h0.1");
  expect(linePath([], scale)).toBe("");
});

test("times below a chart are round, fit, and none is cut at the edge", () => {
  const noon = Date.UTC(2026, 0, 1, 12, 3);
  const ticks = timeTicks(noon, noon + 3_600_000, 320);
  expect(ticks.map((ms) => new Date(ms).toISOString().slice(11, 16))).toEqual(["12:15", "12:30", "12:45"]);
  expect(timeTicks(noon, noon + 86_400_000, 300)).toHaveLength(3);
});
