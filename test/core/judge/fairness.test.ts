// Why the judge may look as often as it likes: its bets are fair, whatever happens to both versions at once.
import { expect, test } from "bun:test";
import { gain, oddsOf } from "../../../src/core/judge/bet.ts";
import { type Evidence, NO_EVIDENCE, type Tally, type Tick, take } from "../../../src/core/judge/evidence.ts";
import { type LatencyScale, scaleOf } from "../../../src/core/judge/latency-scale.ts";
import { verdictOf } from "../../../src/core/judge/verdict.ts";
import { fractionsFrom } from "../../support/random.ts";

const NOTHING: Tally = { answers: 0, errors: 0, rejections: 0, buckets: new Array(128).fill(0) };

/** `count` answers of two versions that do not differ, each of which a coin has given to one of them. */
function identical(
  random: () => number,
  count: number,
  share: number,
  errorShare: number,
  bucketOf: (u: number) => number,
): Tick {
  const sides = [0, 1].map(() => ({ answers: 0, errors: 0, rejections: 0, buckets: [...NOTHING.buckets] }));
  const [canary = NOTHING, stable = NOTHING] = sides;
  for (let i = 0; i < count; i++) {
    const side = sides[random() < share ? 0 : 1];
    if (side === undefined) continue;
    side.answers += 1;
    if (random() < errorShare) side.errors += 1;
    else {
      const bucket = bucketOf(random());
      side.buckets[bucket] = (side.buckets[bucket] ?? 0) + 1;
    }
  }
  return { canary, stable, share };
}

/** Times as a web application has them: most close together, some many times as long. */
const spread = (u: number) => 50 + Math.floor(-4 * Math.log(1 - u));

function judged(ticks: readonly (readonly [tick: Tick, second: number])[], scale?: LatencyScale): Evidence {
  return ticks.reduce((evidence, [tick, second]) => take(evidence, tick, scale, second), NO_EVIDENCE);
}

test.each([
  [2, 0.01],
  [4, 0.05],
  [32, 0.25],
  [32, 0.5],
  [4, 0.9],
  [1 / 30, 0.3],
])("odds of %p at a share of %p win nothing on average over random labels", (odds, share) => {
  const random = fractionsFrom(7);
  // Large odds win rarely and much, so the mean is taken over few answers at a time, and many times.
  const times = 400_000;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < times; i++) {
    let canary = 0;
    for (let answer = 0; answer < 3; answer++) if (random() < share) canary += 1;
    const factor = Math.exp(gain(odds, canary, 3 - canary, share));
    sum += factor;
    squares += factor ** 2;
  }
  const mean = sum / times;
  const noise = Math.sqrt((squares / times - mean ** 2) / times);
  expect(Math.abs(mean - 1)).toBeLessThan(4 * noise);
});

test("the order of ticks within a minute and a step changes nothing, nor does cutting one in two", () => {
  const random = fractionsFrom(11);
  const scale = scaleOf(identical(random, 1_000, 0, 0, spread).stable.buckets, 1);
  const warm = identical(random, 400, 0.25, 0.02, spread);
  const ticks = Array.from({ length: 20 }, () => identical(random, 60, 0.25, 0.05, spread));
  const one = (order: readonly Tick[]) =>
    judged([[warm, 1], ...order.map((tick): [Tick, number] => [tick, 30])], scale);
  const same = (a: Evidence, b: Evidence) => {
    for (const bet of ["errors", "slow", "stalls", "better"] as const)
      expect(oddsOf(a[bet]) / oddsOf(b[bet])).toBeCloseTo(1, 9);
    expect([a.canary, a.stable]).toEqual([b.canary, b.stable]);
    const [{ odds: _, ...ofA }, { odds: __, ...ofB }] = [verdictOf(a, 0.05), verdictOf(b, 0.05)];
    expect(ofA).toEqual(ofB);
  };
  same(one(ticks), one(ticks.toReversed()));
  same(
    one(ticks),
    one(
      ticks.flatMap(({ canary, stable, share }) => [
        { canary, stable: NOTHING, share },
        { canary: NOTHING, stable, share },
      ]),
    ),
  );
});

test("a canary that nobody but it is there to be compared with is never blamed", () => {
  const failing = { ...NOTHING, answers: 50, errors: 50 };
  const evidence = judged([[{ canary: failing, stable: NOTHING, share: 1 }, 1]]);
  expect(verdictOf(evidence, 0.05)).toEqual({ is: "more", odds: 0.5 });
});

test("old good conduct is no credit: a leak after 25 good minutes is found as soon as one in the first", () => {
  const random = fractionsFrom(3);
  let evidence = NO_EVIDENCE;
  let second = 0;
  for (; second < 1_500; second += 10)
    evidence = take(evidence, identical(random, 1_000, 0.5, 0.05, spread), undefined, second + 10);
  const broken = { ...NOTHING, answers: 50, errors: 5 };
  const well = { ...NOTHING, answers: 50, errors: 2 };
  const failedAt = second;
  while (verdictOf(evidence, 0.05).is !== "bad" && second < 3_000)
    evidence = take(evidence, { canary: broken, stable: well, share: 0.5 }, undefined, ++second);
  expect(second - failedAt).toBeLessThan(60);
});

test("of 10,000 rollouts of the same version at most 10 are taken back, whatever befalls both", () => {
  const random = fractionsFrom(2026);
  const scale = scaleOf(identical(random, 2_000, 0, 0, spread).stable.buckets, 1);
  const isTakenBack = () => {
    let evidence = NO_EVIDENCE;
    const outageAt = Math.floor(random() * 600);
    for (let second = 20; second <= 600; second += 20) {
      const share = second <= 200 ? 0.05 : second <= 400 ? 0.25 : 0.5;
      const isOutage = second >= outageAt && second < outageAt + 60;
      // The database is slow as well while it fails.
      const bucketOf = (u: number) => spread(u) + (isOutage ? 6 : 0);
      evidence = take(evidence, identical(random, 60, share, isOutage ? 0.3 : 0.02, bucketOf), scale, second);
      if (verdictOf(evidence, 0.02).is === "bad") return true;
    }
    return false;
  };
  const takenBack = Array.from({ length: 10_000 }, isTakenBack).filter(Boolean).length;
  expect(takenBack).toBeLessThanOrEqual(10);
}, 120_000);
