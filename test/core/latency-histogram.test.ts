// Times in buckets: right to 2.5 %, whatever they are, and the same after merging.
import { describe, expect, test } from "bun:test";
import {
  BUCKET_COUNT,
  bucketLimitMs,
  bucketMiddleMs,
  bucketOf,
  quantileMs,
} from "../../src/core/latency-histogram.ts";
import { fractionsFrom } from "../support/random.ts";

const MOST_OFF = 0.025;

test("buckets follow each other without a gap, and each has its times", () => {
  for (let bucket = 1; bucket < BUCKET_COUNT; bucket++) {
    expect(bucketLimitMs(bucket)).toBeGreaterThan(bucketLimitMs(bucket - 1));
    expect(bucketOf(bucketLimitMs(bucket - 1))).toBe(bucket);
    expect(bucketOf(bucketMiddleMs(bucket))).toBe(bucket);
  }
  expect([bucketOf(-1), bucketOf(0), bucketOf(Number.MAX_VALUE)]).toEqual([0, 0, BUCKET_COUNT - 1]);
});

describe.each([
  ["a log-normal service", (random: () => number) => Math.exp(2.5 + 0.9 * gauss(random))],
  ["two peaks", (random: () => number) => (random() < 0.93 ? 3 : 480) * (1 + 0.2 * random())],
  ["microseconds to minutes", (random: () => number) => 10 ** (random() * 6 - 1)],
])("of 100,000 raw times: %s", (_, draw) => {
  const random = fractionsFrom(7);
  const raw = Array.from({ length: 100_000 }, () => draw(random));
  const workers = Array.from({ length: 4 }, () => new Uint32Array(BUCKET_COUNT));
  for (const [i, ms] of raw.entries()) {
    const buckets = workers[i % 4];
    if (buckets) buckets[bucketOf(ms)] = (buckets[bucketOf(ms)] ?? 0) + 1;
  }
  const merged = workers[0]?.map((_, at) => workers.reduce((sum, one) => sum + (one[at] ?? 0), 0)) ?? [];
  raw.sort((a, b) => a - b);

  test.each([0.5, 0.9, 0.95, 0.99, 0.999])("p%f", (part) => {
    const exact = raw[Math.ceil(part * raw.length) - 1] ?? 0;
    const found = quantileMs(merged, part) ?? 0;
    expect(Math.abs(found - exact) / exact).toBeLessThan(MOST_OFF);
  });
});

test("nothing has no quantile", () => expect(quantileMs(new Uint32Array(BUCKET_COUNT), 0.5)).toBeUndefined());

function gauss(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
