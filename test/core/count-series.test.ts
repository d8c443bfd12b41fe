// Counts over time, against all that happened.
import { expect, test } from "bun:test";
import { CountSeries } from "../../src/core/count-series.ts";

const STEP_MS = 10_000;
const START_MS = 1_800_000_000_000;

/** What happened from `steps` whole steps ago on. */
function exact(happened: readonly (readonly [atMs: number, count: number])[], nowMs: number, steps: number) {
  const from = (Math.floor(nowMs / STEP_MS) - steps) * STEP_MS;
  return happened.reduce((sum, [atMs, count]) => sum + (atMs >= from ? count : 0), 0);
}

test("windows up to five minutes are exact to the step, that of an hour to the minute", () => {
  const series = new CountSeries();
  const happened: [number, number][] = [];
  let nowMs = START_MS;
  for (let at = 0; at < 2_000; at++) {
    nowMs += 700 + ((at * 7_919) % 13_000);
    const count = 1 + (at % 5);
    series.add(nowMs, count);
    happened.push([nowMs, count]);
    for (const steps of [1, 6, 30])
      expect(series.sum(nowMs, steps * STEP_MS)).toBe(exact(happened, nowMs, steps));
    const hour = series.sum(nowMs, 3_600_000);
    expect(hour).toBeGreaterThanOrEqual(exact(happened, nowMs, 354));
    expect(hour).toBeLessThanOrEqual(exact(happened, nowMs, 360));
  }
});

test("a minute that has ended is told whole, and restored so that the sum is right", () => {
  const series = new CountSeries();
  const minute = START_MS / 60_000;
  for (const [second, count] of [
    [1, 4],
    [17, 2],
    [59, 5],
    [60, 9],
  ] as const)
    series.add(START_MS + second * 1000, count);
  expect(series.minute(minute)).toBe(11);
  const next = new CountSeries();
  // Of the minute that is not over nothing is yet to come.
  const nowMs = START_MS + 25_000;
  next.restore(minute - 70, [3, 3, 0], nowMs);
  next.restore(minute, [11, 11, 0], nowMs);
  next.restore(minute, [2, 2, 0], nowMs);
  expect(next.sum(nowMs, 60_000)).toBe(13);
  expect(next.sum(START_MS + 60_000, 60_000)).toBe(13);
  expect(next.sum(START_MS + 60_000, 3_600_000)).toBe(13);
});

test("a clock that is set back loses nothing, and what is an hour old is over", () => {
  const series = new CountSeries();
  expect(series.isIdle(START_MS)).toBe(true);
  series.add(START_MS, 1);
  series.add(START_MS - 25_000, 1);
  series.add(START_MS + 5_000, 1);
  expect(series.sum(START_MS + 5_000, 60_000)).toBe(3);
  expect(series.isIdle(START_MS + 3_500_000)).toBe(false);
  expect(series.isIdle(START_MS + 3_700_000)).toBe(true);
  expect(series.sum(START_MS + 3_700_000, 3_600_000)).toBe(0);
});
