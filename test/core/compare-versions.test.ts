// Which version is worse: said as soon as the numbers carry it, and not before.
import { describe, expect, test } from "bun:test";
import { compareVersions, troubledSince } from "../../src/core/compare-versions.ts";
import { fractionsFrom } from "../support/random.ts";

const of = (version: string, requests: number, failed: number, p95Ms = 20) => ({
  version,
  requests,
  failed,
  p95Ms,
});

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
