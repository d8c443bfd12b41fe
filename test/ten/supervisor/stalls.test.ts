// Silence of a target that has something to answer leads to one doubt, and to another only after an answer.
import { expect, test } from "bun:test";
import { createProber } from "../../../src/platform/net/prober.ts";
import { createInFlight } from "../../../src/proxy/forward/in-flight.ts";
import { NONE_UNANSWERED, type TargetTraffic } from "../../../src/proxy/traffic-counters.ts";
import { watchStalls } from "../../../src/ten/supervisor/stalls.ts";
import { createManualClock } from "../../support/manual-clock.ts";

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
      unanswered: NONE_UNANSWERED,
      idleMs: 0,
      buckets: [],
    },
  ];
  const busy = () => traffic().filter(({ inFlight }) => inFlight > 0);
  const stalls = watchStalls(clock, busy, () => doubts.push(clock.monotonic()) > 0);
  return { clock, now, doubts, busy, [Symbol.dispose]: () => stalls[Symbol.dispose]() };
}

test("a request without an answer for 0.2 s is one doubt, and another after the next answer", async () => {
  using it = setup();
  await it.clock.advance(1_000);
  Object.assign(it.now, { inFlight: 1 });
  await it.clock.advance(5_000);
  expect(it.doubts).toEqual([1_200]);
  Object.assign(it.now, { answers: 1 });
  await it.clock.advance(1_000);
  expect(it.doubts).toEqual([1_200, 6_200]);
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

test("one that hangs less than a second after a slow answer is found before its next turn", async () => {
  using it = setup();
  const passed: [atMs: number, ok: boolean][] = [];
  const hang = { now: false };
  using prober = createProber({
    clock: it.clock,
    concurrency: 1,
    onResult: (_, { ok }) => passed.push([it.clock.monotonic(), ok]),
  });
  prober.watch("api:v1", {
    intervalMs: 10_000,
    retryMs: [1_000],
    starting: false,
    check: async () => ({ ok: !hang.now, latencyMs: 1, detail: "" }),
  });
  using _ = watchStalls(it.clock, it.busy, prober.doubt);
  await it.clock.advance(1_000);
  Object.assign(it.now, { inFlight: 1 });
  await it.clock.advance(600);
  expect(passed.at(-1)).toEqual([1_200, true]);
  Object.assign(it.now, { answers: 1 });
  hang.now = true;
  await it.clock.advance(1_000);
  expect(passed.at(-1)).toEqual([2_200, false]);
});

test("a look costs as much as there is under way, not as there are targets", () => {
  const inFlight = createInFlight(createManualClock());
  for (let n = 0; n < 10_000; n++) inFlight.of(`api:v${n}`);
  expect([...inFlight.busy()]).toEqual([]);
  inFlight.of("api:v7").begin();
  expect(Array.from(inFlight.busy(), ({ id }) => id)).toEqual(["api:v7"]);
});
