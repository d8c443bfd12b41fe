// Durations, sizes and percentages as people read them.
import { expect, test } from "bun:test";
import { formatBytes, formatMillis, formatPercent, formatSeconds } from "../../src/cli/format.ts";

test.each([
  [0, "0s"],
  [59.9, "59s"],
  [60, "1m"],
  [125, "2m 5s"],
  [3_601, "1h"],
  [90_000, "1d 1h"],
])("%d seconds are %s", (seconds, text) => expect(formatSeconds(seconds)).toBe(text));

test.each([
  [0, "0 ms"],
  [0.84, "0.8 ms"],
  [12.4, "12 ms"],
  [1_250, "1.25 s"],
  [61_000, "1m 1s"],
])("%d milliseconds are %s", (ms, text) => expect(formatMillis(ms)).toBe(text));

test.each([
  [0, "0 B"],
  [1_023, "1023 B"],
  [1_536, "1.5 KB"],
  [1024 * 1024 - 1, "1 MB"],
  [52_428_800, "50 MB"],
])("%d bytes are %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test.each([
  [100 / 3, "33.33%"],
  [10, "10%"],
  [0, "0%"],
])("%d percent are %s", (value, text) => expect(formatPercent(value)).toBe(text));
