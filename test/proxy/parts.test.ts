// The small parts of the data plane, each by itself, with a clock moved by hand.
import { expect, test } from "bun:test";
import { createRouteTable } from "../../src/core/route-table.ts";
import { createInFlight } from "../../src/proxy/forward/in-flight.ts";
import { RetryBudget, retryAfter } from "../../src/proxy/forward/retry.ts";
import { createWaitingRoom } from "../../src/proxy/forward/waiting.ts";
import { createRequestIds } from "../../src/proxy/front/request-id.ts";
import { UpstreamFailure } from "../../src/proxy/http-client.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { route } from "../support/routes.ts";

const never = new AbortController().signal;

function spendAll(budget: RetryBudget): number {
  let spent = 0;
  while (budget.spend()) spent += 1;
  return spent;
}

test("a retry budget earns a fifth of the requests and ten a second, and holds a thousand", async () => {
  const clock = createManualClock();
  const budget = new RetryBudget(clock);
  expect(spendAll(budget)).toBe(10);
  for (let i = 0; i < 100; i++) budget.earn();
  expect(spendAll(budget)).toBe(20);
  await clock.advance(3_000);
  expect(spendAll(budget)).toBe(30);
  await clock.advance(3_600_000);
  for (let i = 0; i < 10_000; i++) budget.earn();
  expect(spendAll(budget)).toBe(1_000);
});

test.each([
  ["refused", false, false, "POST", "free"],
  ["connect_timeout", false, false, "POST", "free"],
  ["busy", false, false, "PATCH", "free"],
  ["reset", false, false, "POST", "free"],
  ["garbage", false, false, "GET", "none"],
  ["aborted", false, false, "GET", "none"],
  ["reset", true, false, "GET", "paid"],
  ["reset", true, false, "PUT", "paid"],
  ["reset", true, false, "POST", "none"],
  ["reset", true, false, "PATCH", "none"],
  ["reset", true, true, "GET", "none"],
  ["request_timeout", true, false, "GET", "none"],
  ["garbage", true, true, "GET", "none"],
] as const)(
  "%s, sent %p, answer begun %p: a %s may be retried: %s",
  (kind, sent, begun, method, expected) => {
    const failure = new UpstreamFailure(kind, "", sent, begun);
    expect(retryAfter(failure, method, "held")).toBe(expected);
    expect(retryAfter(failure, method, "unread")).toBe(expected === "paid" ? "none" : expected);
    expect(retryAfter(failure, method, "begun")).toBe("none");
  },
);

test("a load counts what is open and since when there is nothing, and outlives its route while busy", async () => {
  const clock = createManualClock();
  const inFlight = createInFlight(clock);
  const load = inFlight.of("api:v1");
  load.begin();
  await clock.advance(1_000);
  expect(load.traffic()).toMatchObject({ inFlight: 1, idleMs: 0, requests: 1 });
  inFlight.retain(new Map());
  expect([...inFlight.all()]).toEqual([load]);
  load.end();
  await clock.advance(1_000);
  expect(load.traffic()).toMatchObject({ inFlight: 0, idleMs: 1_000 });
  inFlight.retain(new Map());
  expect([...inFlight.all()]).toEqual([]);
});

test("what only watches is no use of a target, also when it ends last", async () => {
  const clock = createManualClock();
  const inFlight = createInFlight(clock);
  inFlight.retain(new Map([["api:v1", "127.0.0.1:1"]]));
  const load = inFlight.of("api:v1");
  await clock.advance(1_000);
  load.begin(true);
  await clock.advance(1_000);
  expect(load.traffic()).toMatchObject({ inFlight: 1, idleMs: 2_000 });
  load.end(true);
  expect(load.traffic().idleMs).toBe(2_000);
  load.begin(true);
  load.begin();
  await clock.advance(1_000);
  load.end();
  await clock.advance(1_000);
  load.end(true);
  expect(load.traffic().idleMs).toBe(1_000);
});

test("a reading of counters copies only what has answered since the last one, and stays as it was", () => {
  const load = createInFlight(createManualClock()).of("api:v1");
  load.meter.answered(200, 1);
  const first = load.traffic();
  expect(load.traffic().buckets).toBe(first.buckets);
  load.meter.answered(503, 1);
  expect(load.traffic().statuses).toEqual([0, 1, 0, 0, 1]);
  expect(first.statuses).toEqual([0, 1, 0, 0, 0]);
});

test("a drain resolves with the last end, or with what is left at the deadline", async () => {
  const clock = createManualClock();
  const load = createInFlight(clock).of("api:v1");
  load.begin();
  load.begin();
  const late = load.drained(1_000);
  await clock.advance(1_000);
  expect(await late).toBe(2);
  const drained = load.drained(1_000);
  load.end();
  load.end();
  expect(await drained).toBe(0);
});

test("a target that has moved is drained of what is where it was, and counts all of it as one", async () => {
  const clock = createManualClock();
  const inFlight = createInFlight(clock);
  inFlight.retain(new Map([["api:v1", "127.0.0.1 1"]]));
  const before = inFlight.of("api:v1");
  before.begin();
  inFlight.retain(new Map([["api:v1", "127.0.0.1 2"]]));
  const after = inFlight.of("api:v1");
  after.begin();
  after.begin();
  expect([before.isRouted, after.isRouted]).toEqual([false, true]);
  expect(Array.from(inFlight.all(), (load) => load.traffic())).toMatchObject([{ inFlight: 3, requests: 3 }]);
  const late = after.drained(1_000);
  await clock.advance(1_000);
  expect(await late).toBe(1);
  const drained = inFlight.of("api:v1").drained(1_000);
  before.end();
  expect(await drained).toBe(0);
  // Now it gets nothing more at all.
  inFlight.retain(new Map([["api:v1", undefined]]));
  const rest = after.drained(1_000);
  after.end();
  after.end();
  expect(await rest).toBe(0);
});

test("a waiting room answers in order, per route, and forgets who has left", async () => {
  const clock = createManualClock();
  const room = createWaitingRoom(clock);
  const table = (names: string[]) =>
    createRouteTable(
      names.map((name) => route(name, [])),
      { domain: "localhost", directHosts: true },
    );
  const order: string[] = [];
  const wait = (name: string, who: string, signal = never) => {
    const ended = room.wait(name, ({ routes }) => (routes.has(name) ? "go" : "stay"), 1_000, signal);
    return ended.then((how) => order.push(`${who} ${how}`));
  };
  const leaver = new AbortController();
  const all = [wait("a", "a1"), wait("b", "b1"), wait("a", "a2", leaver.signal), wait("a", "a3")];
  leaver.abort();
  room.review(table(["a"]));
  await clock.advance(1_000);
  await Promise.all(all);
  expect(order).toEqual(["a2 left", "a1 go", "a3 go", "b1 late"]);
});

test("a waiting room holds a thousand per route", async () => {
  const room = createWaitingRoom(createManualClock());
  const waiting = Array.from({ length: 1_000 }, () => room.wait("a", () => "stay", 1_000, never));
  expect(await room.wait("a", () => "stay", 1_000, never)).toBe("full");
  room.close();
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(["late"]));
  expect(await room.wait("a", () => "stay", 1_000, never)).toBe("late");
});

test("ids of requests are each their own, in the form of a UUID, and do not count", () => {
  const newId = createRequestIds();
  const ids = Array.from({ length: 20_000 }, newId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids.slice(4_000, 4_200)) expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  const steps = ids
    .slice(1)
    .map((id, at) => Number.parseInt(id.slice(-3), 16) - Number.parseInt(ids[at]?.slice(-3) ?? "", 16));
  // In order all but a few would be one further.
  expect(steps.filter((step) => step === 1).length).toBeLessThan(100);
});
