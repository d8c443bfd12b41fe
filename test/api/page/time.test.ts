// Times on a page, as a clock with 24 hours has them.
import { expect, test } from "bun:test";
import { clockOf, dayOf, minuteOf } from "../../../src/api/page/time.ts";

test("midnight is 00, and noon is 12", () => {
  const midnight = new Date(2026, 0, 2, 0, 5, 7);
  const noon = new Date(2026, 0, 2, 12, 5, 7);
  expect([clockOf(midnight.getTime()), clockOf(noon.toISOString())]).toEqual(["00:05:07", "12:05:07"]);
  expect([minuteOf(midnight.getTime()), minuteOf(noon.getTime())]).toEqual(["00:05", "12:05"]);
  expect(dayOf(midnight.toISOString())).toEndWith("00:05");
});
