// Silence of a target that has something to answer leads to one doubt, and to another only after an answer.
import { expect, test } from "bun:test";
import type { TargetTraffic } from "../../src/proxy/metrics.ts";
import { watchStalls } from "../../src/ten/stalls.ts";
import { createManualClock } from "../support/manual-clock.ts";

function setup() {
  const clock = createManualClock();
  const now = { inFlight: 0, answers: 0 };
  const doubts: number[] = [];
  const traffic = (): TargetTraffic[] => [
    {
      id: "api:v1",
      inFlight: now.inFlight,
      requests: 0,
      statuses: [0, now.answers, 0, 0, 0],
      failures: 0,
      idleMs: 0,
      buckets: [],
    },
  ];
  const stalls = watchStalls(clock, traffic, () => void doubts.push(clock.monotonic()));
  return { clock, now, doubts, [Symbol.dispose]: () => stalls[Symbol.dispose]() };
}

test("a request without an answer for 0.2 s is one doubt, and another after the next answer", async () => {
  using it = setup();
  await it.clock.advance(1_000);
  Object.assign(it.now, { inFlight: 1 });
  await it.clock.advance(5_000);
  expect(it.doubts).toEqual([1_200]);
  Object.assign(it.now, { answers: 1 });
  await it.clock.advance(1_000);
  expect(it.doubts).toEqual([1_200, 6_400]);
});

test("answers that go on coming are none, nor is silence without requests", async () => {
  using it = setup();
  for (let step = 0; step < 20; step++) {
    Object.assign(it.now, { inFlight: 1, answers: step });
    await it.clock.advance(100);
  }
  Object.assign(it.now, { inFlight: 0 });
  await it.clock.advance(60_000);
  expect(it.doubts).toEqual([]);
});
