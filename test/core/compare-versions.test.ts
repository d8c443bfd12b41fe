// Which version is worse: said as soon as the numbers carry it, and not before.
import { describe, expect, test } from "bun:test";
import { compareVersions, troubledSince } from "../../src/core/compare-versions.ts";
import { fractionsFrom } from "../support/random.ts";

const of = (version: string, requests: number, failed: number, p95Ms = 20) => ({
  version,
  requests,
  failed,
  quantileMs: () => p95Ms,
});

/** Of the times themselves. */
const timed = (version: string, times: readonly number[]) => {
  const sorted = times.toSorted((a, b) => a - b);
  const quantileMs = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
  return { version, requests: times.length, failed: 0, quantileMs };
};

test("the one that fails more is named, with both shares and the time", () => {
  expect(compareVersions([of("v1", 9_000, 9), of("v2", 1_000, 50)], 300)).toEqual({
    worse: "v2",
    trouble: { kind: "fails", version: "v2", share: 0.05 },
    text: "v2 is worse: it fails 5.0 %, v1 0.1 % in the last 5 min",
  });
});

test("what may be chance is not said", () => {
  expect(compareVersions([of("v1", 900, 1), of("v2", 20, 1)], 60).worse).toBeUndefined();
  expect(compareVersions([of("v1", 0, 0), of("v2", 0, 0)], 60).text).toBe("no requests in the last 60 s");
  expect(compareVersions([of("v1", 10, 5)], 60).text).toBe("v1 fails 50.0 % in the last 60 s");
});

test("the slower one is named when none fails more", () => {
  expect(compareVersions([of("v1", 900, 0, 20), of("v2", 200, 0, 90)], 300)).toEqual({
    worse: "v2",
    trouble: { kind: "slow", version: "v2", overMs: 55 },
    text: "v2 is slower by 70 ms: p95 90 ms, v1 20 ms in the last 5 min",
  });
  expect(compareVersions([of("v1", 900, 0, 20), of("v2", 200, 0, 25)], 300).worse).toBeUndefined();
});

test("of 90 looks at a canary that fails 5 % each names it, and of 900 at one that is well hardly any", () => {
  const random = fractionsFrom(1);
  const failures = (n: number, share: number) =>
    Array.from({ length: n }, random).filter((one) => one < share).length;
  const look = (share: number) =>
    compareVersions([of("v1", 2_700, failures(2_700, 0.001)), of("v2", 300, failures(300, share))], 300)
      .worse;
  expect(Array.from({ length: 90 }, () => look(0.05)).filter((worse) => worse === "v2")).toHaveLength(90);
  expect(
    Array.from({ length: 900 }, () => look(0.001)).filter((worse) => worse !== undefined).length,
  ).toBeLessThan(9);
});

test("of 900 looks at times with a long tail hardly any names one that is not slower, and each one that takes three times as long", () => {
  const random = fractionsFrom(2);
  // Log-normal: half within 20 ms, one in a hundred beyond 200 ms.
  const time = () => 20 * Math.exp(Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
  const look = (factor: number) => {
    const v1 = timed("v1", Array.from({ length: 900 }, time));
    const v2 = timed(
      "v2",
      Array.from({ length: 300 }, () => factor * time()),
    );
    return compareVersions([v1, v2], 300).worse;
  };
  expect(
    Array.from({ length: 900 }, () => look(1)).filter((worse) => worse !== undefined).length,
  ).toBeLessThan(9);
  expect(Array.from({ length: 90 }, () => look(3)).filter((worse) => worse === "v2")).toHaveLength(90);
});

test("what nobody feels is not called slower", () => {
  expect(compareVersions([of("v1", 9_000, 0, 1), of("v2", 9_000, 0, 4)], 300).worse).toBeUndefined();
});

test("what all versions fail alike is trouble too, and what one alone fails", () => {
  const both = compareVersions([of("v1", 900, 90), of("v2", 900, 95)], 300);
  expect([both.worse, both.text]).toEqual([
    undefined,
    "no version is worse, but together they fail 10.3 % in the last 5 min",
  ]);
  expect(both.trouble).toMatchObject({ kind: "fails", version: undefined });
  expect(compareVersions([of("v1", 900, 90)], 300).trouble).toMatchObject({ kind: "fails", version: "v1" });
  expect(compareVersions([of("v1", 9_000, 9)], 300).trouble).toBeUndefined();
  expect(compareVersions([of("v1", 20, 1)], 300).trouble).toBeUndefined();
});

describe("since when", () => {
  const steps = (...all: (readonly [requests: number, failed: number, p95Ms?: number])[]) =>
    all.map(([requests, failed, p95Ms], place) => ({ atMs: place * 10_000, requests, failed, p95Ms }));
  const fails = { kind: "fails", version: "v2", share: 0.05 } as const;

  test("a spell of failures begins where it was well before, whatever steps had none by chance", () => {
    const seen = steps([90, 0], [90, 1], [90, 0], [90, 0], [90, 4], [10, 0], [0, 0], [90, 6], [90, 0]);
    expect(troubledSince(seen, fails)).toBe(40_000);
    expect(troubledSince(seen.slice(4), fails)).toBe(40_000);
    expect(troubledSince([], fails)).toBeUndefined();
    expect(troubledSince(steps([90, 0], [90, 0]), fails)).toBeUndefined();
  });

  test("a slow spell begins where steps were fast before, and one fast step does not end it", () => {
    const slow = { kind: "slow", version: "v2", overMs: 100 } as const;
    const seen = steps(
      [90, 0, 300],
      ...[20, 20, 20].map((ms) => [90, 0, ms] as const),
      [90, 0, 320],
      [90, 0, 60],
      [90, 0, 310],
    );
    expect(troubledSince(seen, slow)).toBe(40_000);
  });
});
