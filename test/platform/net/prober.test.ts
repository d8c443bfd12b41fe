// One polling loop: who is checked when, seen on a clock that the test moves.
import { describe, expect, test } from "bun:test";
import { type CheckResult, checkHealth } from "../../../src/platform/net/health-check.ts";
import { createProber, type Probe, type ProberOptions } from "../../../src/platform/net/prober.ts";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { createManualClock, type ManualClock } from "../../support/manual-clock.ts";
import { until } from "../../support/until.ts";

const passed: CheckResult = { ok: true, latencyMs: 1, detail: "status 200" };
const failed: CheckResult = { ok: false, latencyMs: 1, detail: "status 503" };
const refused: CheckResult = { ok: false, latencyMs: 1, detail: "connection refused", absent: true };

function setup(more: Partial<ProberOptions> = {}) {
  const clock = createManualClock();
  const results: [key: string, ok: boolean][] = [];
  const onResult = (key: string, result: CheckResult) => results.push([key, result.ok]);
  const prober = createProber({ clock, onResult, concurrency: 10, ...more });
  return { clock, prober, results, [Symbol.dispose]: () => prober[Symbol.dispose]() };
}

/** A probe that answers from a list (its last answer repeats) and notes when it was asked. */
function probe(clock: ManualClock, answers: readonly CheckResult[], more: Partial<Probe> = {}) {
  const times: number[] = [];
  const failures: number[] = [];
  return {
    times,
    failures,
    intervalMs: 10_000,
    retryMs: [1000],
    starting: false,
    async check(_: AbortSignal, failuresInARow: number) {
      failures.push(failuresInARow);
      times.push(Math.round(clock.monotonic() / 25) * 25);
      return answers[Math.min(times.length, answers.length) - 1] ?? failed;
    },
    ...more,
  };
}

/** A probe whose checks end when the test says so. */
function heldProbe(more: Partial<Probe> = {}) {
  const open: { end: (result: CheckResult) => void; signal: AbortSignal }[] = [];
  return {
    open,
    intervalMs: 10_000,
    retryMs: [1000],
    starting: false,
    check: (signal: AbortSignal) => new Promise<CheckResult>((end) => void open.push({ end, signal })),
    ...more,
  };
}

describe("the schedule", () => {
  test("a check that passes is repeated after the interval", async () => {
    using it = setup();
    const one = probe(it.clock, [passed]);
    it.prober.watch("one", one);
    await it.clock.advance(0);
    await it.clock.advance(25_000);
    expect(one.times).toEqual([0, 10_000, 20_000]);
    expect(it.results).toEqual([
      ["one", true],
      ["one", true],
      ["one", true],
    ]);
  });

  test("a check that fails is repeated after a second, until it passes", async () => {
    using it = setup();
    const one = probe(it.clock, [failed, failed, passed]);
    it.prober.watch("one", one);
    await it.clock.advance(0);
    await it.clock.advance(13_000);
    expect(one.times).toEqual([0, 1000, 2000, 12_000]);
    expect(one.failures).toEqual([0, 1, 2, 0]);
  });

  test("while starting it is at once, then after 100 ms growing to 1 s, and steady from the first that passes", async () => {
    using it = setup();
    const one = probe(it.clock, [...Array<CheckResult>(8).fill(failed), passed, failed, passed], {
      starting: true,
    });
    it.prober.watch("one", one);
    await it.clock.advance(0);
    await it.clock.advance(30_000);
    const pauses = one.times.slice(1).map((at, index) => at - (one.times[index] ?? 0));
    expect(pauses).toEqual([100, 150, 225, 325, 500, 750, 1000, 1000, 10_000, 1000, 10_000]);
  });

  test("while starting and nothing listens it looks again sooner, and keeps to the usual pace once something does", async () => {
    using it = setup();
    const answers = [...Array<CheckResult>(6).fill(refused), failed, failed, passed];
    const one = probe(it.clock, answers, { starting: true });
    it.prober.watch("one", one);
    await it.clock.advance(0);
    await it.clock.advance(1_000);
    expect(one.times).toEqual([0, 25, 50, 75, 125, 200, 325, 425, 575]);
    expect(one.failures).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 2]);
  });

  test("each failure in a row has its own pause, and the last one repeats", async () => {
    using it = setup();
    const one = probe(it.clock, [failed], { retryMs: [0, 500, 1000, 5000] });
    it.prober.watch("one", one);
    await it.clock.advance(0);
    await it.clock.advance(12_000);
    expect(one.times).toEqual([0, 25, 525, 1525, 6525, 11_525].map((at) => expect.closeTo(at, -2)));
  });

  test("a failure that took longer than its pause has a pause of its own", async () => {
    using it = setup();
    const slow = heldProbe({ retryAfterHangMs: 750 });
    it.prober.watch("slow", slow);
    await it.clock.advance(2_000);
    slow.open[0]?.end(failed);
    await it.clock.advance(700);
    expect(slow.open).toHaveLength(1);
    await it.clock.advance(75);
    expect(slow.open).toHaveLength(2);
    slow.open[1]?.end(failed);
    await it.clock.advance(950);
    expect(slow.open).toHaveLength(2);
    await it.clock.advance(75);
    expect(slow.open).toHaveLength(3);
  });

  test("intervals are spread by the jitter", async () => {
    const rolls = [0, 0.5, 0.999_999];
    using it = setup({ jitter: 0.2, random: () => rolls.shift() ?? 0.5 });
    const one = probe(it.clock, [passed]);
    it.prober.watch("one", one);
    await it.clock.advance(0);
    await it.clock.advance(30_500);
    expect(one.times).toEqual([0, 8000, 18_000, 30_000]);
  });

  test("an inconclusive check is repeated soon and counts as no failure", async () => {
    using it = setup();
    const one = probe(it.clock, [{ ...failed, inconclusive: true }, failed, passed]);
    it.prober.watch("one", one);
    await it.clock.advance(0);
    await it.clock.advance(3000);
    expect(one.times).toEqual([0, 1000, 2000]);
    expect(one.failures).toEqual([0, 0, 1]);
  });
});

describe("side by side", () => {
  test("a check that hangs delays nobody else", async () => {
    using it = setup();
    it.prober.watch("slow", heldProbe());
    const quick = probe(it.clock, [passed], { intervalMs: 1000 });
    it.prober.watch("quick", quick);
    await it.clock.advance(0);
    await it.clock.advance(3000);
    expect(quick.times).toEqual([0, 1000, 2000, 3000]);
  });

  test("no key is checked twice at a time, and the pause counts from the end", async () => {
    using it = setup();
    const slow = heldProbe({ intervalMs: 1000 });
    it.prober.watch("slow", slow);
    await it.clock.advance(0);
    await it.clock.advance(5000);
    expect(slow.open.length).toBe(1);
    slow.open[0]?.end(passed);
    await it.clock.advance(900);
    expect(slow.open.length).toBe(1);
    await it.clock.advance(125);
    expect(slow.open.length).toBe(2);
  });

  test("more than the bound wait, the longest due first, and go as soon as there is room", async () => {
    using it = setup({ concurrency: 2 });
    const probes = ["a", "b", "c", "d"].map((key) => ({ key, probe: heldProbe() }));
    for (const { key, probe: held } of probes) it.prober.watch(key, held);
    const open = () => probes.filter(({ probe: held }) => held.open.length > 0).map(({ key }) => key);
    expect(open()).toEqual(["a", "b"]);
    await it.clock.advance(1000);
    expect(open()).toEqual(["a", "b"]);
    probes[0]?.probe.open[0]?.end(passed);
    await Bun.sleep(0);
    expect(open()).toEqual(["a", "b", "c"]);
  });
});

describe("checkNow", () => {
  test("checks at once, reports as always, and the interval starts anew", async () => {
    using it = setup();
    const one = probe(it.clock, [passed, failed, passed]);
    it.prober.watch("one", one);
    await it.clock.advance(0);
    await it.clock.advance(5000);
    expect(await it.prober.checkNow("one")).toEqual(failed);
    await it.clock.advance(1000);
    expect(one.times).toEqual([0, 5000, 6000]);
    expect(it.results).toEqual([
      ["one", true],
      ["one", false],
      ["one", true],
    ]);
  });

  test("joins the check in flight", async () => {
    using it = setup();
    const slow = heldProbe();
    it.prober.watch("slow", slow);
    const asked = [it.prober.checkNow("slow"), it.prober.checkNow("slow")];
    slow.open[0]?.end(passed);
    expect(await Promise.all(asked)).toEqual([passed, passed]);
    expect(slow.open.length).toBe(1);
  });

  test("is undefined for what is not watched, or no longer", async () => {
    using it = setup();
    expect(await it.prober.checkNow("nobody")).toBeUndefined();
    it.prober.watch("slow", heldProbe());
    const asked = it.prober.checkNow("slow");
    it.prober.unwatch("slow");
    expect(await asked).toBeUndefined();
  });
});

describe("repace", () => {
  test("who waits for a check hears its result, also when the listener changes the pace because of it", async () => {
    const clock = createManualClock();
    const pace = probe(clock, [passed]);
    using prober = createProber({
      clock,
      concurrency: 1,
      onResult: (key) => prober.repace(key, pace),
    });
    const held = heldProbe({ starting: true });
    prober.watch("one", held);
    const asked = prober.checkNow("one");
    held.open[0]?.end(passed);
    expect(await asked).toEqual(passed);
  });

  test("who waits hears the result also when the listener ends the watch because of it", async () => {
    const clock = createManualClock();
    using prober = createProber({ clock, concurrency: 1, onResult: (key) => prober.unwatch(key) });
    const held = heldProbe();
    prober.watch("one", held);
    const asked = prober.checkNow("one");
    held.open[0]?.end(failed);
    expect(await asked).toEqual(failed);
  });

  test("the next check is due as long after the last one as the new pace says, and failures go on counting", async () => {
    using it = setup();
    const one = probe(it.clock, [failed, failed, passed, passed]);
    it.prober.watch("one", one);
    await it.clock.advance(0);
    await it.clock.advance(500);
    it.prober.repace("one", { ...one, retryMs: [3_000], intervalMs: 20_000 });
    await it.clock.advance(29_500);
    expect(one.times).toEqual([0, 3_000, 6_000, 26_000]);
    expect(one.failures).toEqual([0, 1, 2, 0]);
  });

  test("a check in flight counts, and the new pace begins at its end", async () => {
    using it = setup();
    const slow = heldProbe();
    it.prober.watch("slow", slow);
    it.prober.repace("slow", { ...slow, intervalMs: 1_000 });
    expect(slow.open.length).toBe(1);
    slow.open[0]?.end(passed);
    await it.clock.advance(1_025);
    expect(slow.open.length).toBe(2);
    expect(it.results).toEqual([["slow", true]]);
  });

  test("a key that was not watched is checked at once", async () => {
    using it = setup();
    const one = probe(it.clock, [passed]);
    it.prober.repace("one", one);
    await it.clock.advance(0);
    expect(one.times).toEqual([0]);
  });
});

describe("doubt", () => {
  test("checks at once, but at most once a second", async () => {
    using it = setup();
    const one = probe(it.clock, [passed]);
    it.prober.watch("one", one);
    await it.clock.advance(0);
    await it.clock.advance(5000);
    for (let request = 0; request < 300; request++) {
      it.prober.doubt("one");
      await Bun.sleep(0);
    }
    expect(one.times).toEqual([0, 5000]);
    await it.clock.advance(1000);
    it.prober.doubt("one");
    await it.clock.advance(0);
    expect(one.times).toEqual([0, 5000, 6000]);
  });

  test("a burst of doubts makes one failure, not a row of them", async () => {
    using it = setup();
    const one = probe(it.clock, [passed, failed, passed]);
    it.prober.watch("one", one);
    await it.clock.advance(0);
    await it.clock.advance(5000);
    for (let request = 0; request < 300; request++) {
      it.prober.doubt("one");
      await Bun.sleep(0);
    }
    await it.clock.advance(999);
    expect(one.times).toEqual([0, 5000]);
    await it.clock.advance(26);
    expect(one.times).toEqual([0, 5000, 6000]);
  });

  test("a target that hangs is known within 8 s by three checks of 2 s", async () => {
    using it = setup();
    const hang = (): Promise<CheckResult> =>
      new Promise((resolve) => it.clock.after(2000, () => resolve(failed)));
    let hangs = false;
    it.prober.watch("one", { ...probe(it.clock, [passed]), check: async () => (hangs ? hang() : passed) });
    await it.clock.advance(0);
    await it.clock.advance(3000);
    hangs = true;
    it.prober.doubt("one");
    await it.clock.advance(8050);
    expect(it.results.filter(([, ok]) => !ok).length).toBe(3);
  });
});

describe("the end", () => {
  test("nothing is reported after unwatch, and the check in flight is aborted", async () => {
    using it = setup();
    const slow = heldProbe();
    it.prober.watch("slow", slow);
    it.prober.unwatch("slow");
    expect(slow.open[0]?.signal.aborted).toBe(true);
    slow.open[0]?.end(passed);
    await it.clock.advance(20_000);
    expect(it.results).toEqual([]);
    expect(slow.open.length).toBe(1);
  });

  test("watching again forgets the check in flight of before", async () => {
    using it = setup();
    const before = heldProbe();
    const after = probe(it.clock, [passed]);
    it.prober.watch("one", before);
    it.prober.watch("one", after);
    before.open[0]?.end(failed);
    await it.clock.advance(100);
    expect(it.results).toEqual([["one", true]]);
  });

  test("disposing aborts all checks and starts no more", async () => {
    const it = setup();
    const slow = heldProbe();
    it.prober.watch("slow", slow);
    it.prober[Symbol.dispose]();
    await it.clock.advance(20_000);
    expect(slow.open.map(({ signal }) => signal.aborted)).toEqual([true]);
  });
});

test("real checks of 200 addresses, half of them hanging, all get their turn", async () => {
  const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("ok") });
  const seen = new Map<string, boolean>();
  const onResult = (key: string, result: CheckResult) => void seen.set(key, result.ok);
  using prober = createProber({ clock: systemClock, onResult, concurrency: 256 });
  const patience = createManualClock();
  for (let index = 0; index < 200; index++) {
    const port = index % 2 === 0 ? (server.port ?? 0) : silent.port;
    const target = { host: "127.0.0.1", port, http: { path: "/", hostHeader: "localhost" } };
    const check = (signal: AbortSignal) => checkHealth(target, { clock: patience, timeoutMs: 500, signal });
    prober.watch(String(index), { check, intervalMs: 60_000, retryMs: [60_000], starting: false });
  }
  const healthy = () => [...seen.values()].filter((ok) => ok).length;
  await until("the quick ones have passed", () => healthy() === 100);
  // While all others hang.
  expect(seen.size).toBe(100);
  await until("the others have failed", async () => {
    await patience.advance(500);
    return seen.size === 200;
  });
  expect(healthy()).toBe(100);
  silent.stop(true);
});
