// What a service answered lately: what a plan is chosen by.
import { expect, test } from "bun:test";
import { latencyBucketOf } from "../../../../src/core/judge/latency-buckets.ts";
import { BUCKET_COUNT, bucketOf } from "../../../../src/core/latency-histogram.ts";
import type { TargetTraffic } from "../../../../src/proxy/traffic-counters.ts";
import { createRecentTraffic } from "../../../../src/ten/operations/rollout/recent-traffic.ts";
import { createManualClock } from "../../../support/manual-clock.ts";

/** Five answers within 10 ms, seven within 300 ms. */
const TIMES = new Array<number>(BUCKET_COUNT).fill(0).with(bucketOf(10), 5).with(bucketOf(300), 7);

function counted(id: string, good: number, bad = 0): TargetTraffic {
  const statuses = [0, good, 0, 0, bad];
  return {
    id,
    unanswered: {} as never,
    inFlight: 0,
    idleMs: 0,
    requests: good + bad,
    statuses,
    failures: 0,
    buckets: TIMES,
  };
}

test("is the mean of the last ten minutes, errors included, whatever targets come and go", async () => {
  const clock = createManualClock();
  let targets: TargetTraffic[] = [];
  using recent = createRecentTraffic(clock, () => targets);
  expect(recent.of("api")).toEqual({ perSecond: 0, errorShare: 0 });
  await clock.advance(10_000);
  for (let second = 1; second <= 100; second++) {
    targets = [counted("api:v1", second * 9, second)];
    await clock.advance(1_000);
  }
  // Nobody asked for it before.
  expect(recent.of("api").perSecond).toBeCloseTo(10, 0);
  expect(recent.of("api").errorShare).toBeCloseTo(0.1, 2);
  targets = [counted("api:v2", 500)];
  await clock.advance(1_000);
  targets = [];
  await clock.advance(600_000);
  expect(recent.of("api").perSecond).toBeCloseTo(0, 1);
});

test("has what came right after the start, and times by the judge's buckets", async () => {
  const clock = createManualClock();
  let targets: TargetTraffic[] = [];
  using recent = createRecentTraffic(clock, () => targets);
  targets = [counted("api:v1", 50)];
  await clock.advance(10_000);
  expect(recent.of("api")).toEqual({ perSecond: 5, errorShare: 0 });
  const history = recent.history("api", ["v1"]);
  expect([history[latencyBucketOf(10)], history[latencyBucketOf(300)]]).toEqual([5, 7]);
  expect(history.reduce((sum, count) => sum + count, 0)).toBe(12);
  expect(recent.history("api", ["v2"]).every((count) => count === 0)).toBe(true);
});
