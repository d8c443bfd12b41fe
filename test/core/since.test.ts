// A moment is written as an age or as a date with its zone; anything else is refused with examples.
import { expect, test } from "bun:test";
import { parseSince } from "../../src/core/since.ts";

test.each<[string, number]>([
  ["500ms", 500],
  ["90s", 90_000],
  ["10m", 600_000],
  ["1h30m", 5_400_000],
  ["0.5h", 1_800_000],
  ["2d", 172_800_000],
  ["0s", 0],
])("%s is that long ago", (text, agoMs) => {
  expect(parseSince(text)).toEqual({ agoMs });
});

test.each([
  ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"],
  ["2026-01-31T12:00Z", "2026-01-31T12:00:00.000Z"],
  ["2026-01-31T12:00:00.250+02:00", "2026-01-31T10:00:00.250Z"],
  ["2026-01-31", "2026-01-31T00:00:00.000Z"],
])("%s is a moment", (text, iso) => {
  expect(parseSince(text)).toEqual({ atMs: Date.parse(iso) });
});

test.each([
  "",
  "10",
  "m",
  "-5m",
  "yesterday",
  "2026-01-31T12:00:00",
  "2026-13-01",
  "2026-01-31 12:00",
  "1e3s",
])("%j is refused", (text) => {
  expect(() => parseSince(text)).toThrow("is no time");
});
