// Which version is worse: said as soon as the numbers carry it, and not before.
import { expect, test } from "bun:test";
import { compareVersions } from "../../src/core/compare-versions.ts";
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
    text: "v2 is worse: it fails 5.0 % of its requests, v1 0.1 % in the last 5 min",
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
    text: "v2 is slower: 95 % of its answers come within 90 ms, of v1 within 20 ms in the last 5 min",
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
