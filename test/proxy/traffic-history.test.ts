// Counters over time: windows, steps, what is kept over a death, and what it costs.
import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { BUCKET_COUNT, bucketOf } from "../../src/core/latency-histogram.ts";
import { OwnCounts, ownCountName } from "../../src/proxy/own-counts.ts";
import { NONE_UNANSWERED, type TargetTraffic } from "../../src/proxy/traffic-counters.ts";
import { createTrafficHistory, type MinuteJournal } from "../../src/proxy/traffic-history.ts";
import { openTrafficJournal } from "../../src/proxy/traffic-journal.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createTempDir } from "../support/temp-dir.ts";

/** Targets whose counters a test moves. */
class Targets {
  readonly own = new OwnCounts();
  readonly #targets = new Map<string, TargetTraffic>();

  answer(id: string, status: number, ms: number, times = 1): void {
    const before = this.#of(id);
    const statuses = [...before.statuses];
    const buckets = [...before.buckets];
    statuses[Math.floor(status / 100) - 1] = (statuses[Math.floor(status / 100) - 1] ?? 0) + times;
    buckets[bucketOf(ms)] = (buckets[bucketOf(ms)] ?? 0) + times;
    this.#targets.set(id, { ...before, requests: before.requests + times, statuses, buckets });
  }

  /** One answer of each of these times. */
  answerAll(id: string, times: readonly number[]): void {
    const before = this.#of(id);
    const buckets = [...before.buckets];
    for (const ms of times) buckets[bucketOf(ms)] = (buckets[bucketOf(ms)] ?? 0) + 1;
    const statuses = [0, (before.statuses[1] ?? 0) + times.length, 0, 0, 0];
    this.#targets.set(id, { ...before, statuses, buckets });
  }

  fail(id: string): void {
    const before = this.#of(id);
    this.#targets.set(id, { ...before, requests: before.requests + 1, failures: before.failures + 1 });
  }

  forget(id: string): void {
    this.#targets.delete(id);
  }

  traffic = (): TargetTraffic[] => [...this.#targets.values()];

  #of(id: string): TargetTraffic {
    const counts = { inFlight: 0, idleMs: 0, requests: 0, failures: 0, unanswered: NONE_UNANSWERED };
    const empty = { statuses: [0, 0, 0, 0, 0], buckets: new Array<number>(BUCKET_COUNT).fill(0) };
    return this.#targets.get(id) ?? { id, ...counts, ...empty };
  }
}

const groupsOf = (id: string) => (id.includes("!") ? [] : ["api", `api/${id.slice(4)}`]);

function start(clock = createManualClock(), targets = new Targets(), journal?: MinuteJournal) {
  const history = createTrafficHistory({
    clock,
    groupsOf,
    journal,
    traffic: targets.traffic,
    takeOwn: () => targets.own.take(),
    isLasting: (name) => !name.includes(":") || name.startsWith(":!"),
  });
  return { clock, targets, history };
}

const counts = (window: { requests: number; failed: number; rejected: number } | undefined) =>
  window && [window.requests, window.failed, window.rejected];

describe("windows", () => {
  test("have what came in them, of an instance, of its version and of its service, whole", async () => {
    const { clock, targets, history } = start();
    await clock.advance(4_000);
    for (let minute = 0; minute < 70; minute++) {
      targets.answer("api:v1", 200, 10, 90);
      targets.answer("api:v2", 200, 40, 8);
      targets.answer("api:v2", 503, 40, 1);
      targets.answer("api:v2", 404, 40, 1);
      targets.fail("api:v2");
      await clock.advance(60_000);
    }
    targets.answer("api:v2", 200, 40, 5);
    history.refresh();
    expect(counts(history.window("api:v2", 10_000))).toEqual([5, 0, 0]);
    expect(counts(history.window("api:v2", 300_000))).toEqual([60, 10, 5]);
    expect(counts(history.window("api:v2", 3_600_000))).toEqual([665, 120, 60]);
    expect(counts(history.window("api", 300_000))).toEqual([510, 10, 5]);
    expect(counts(history.window("api/v1", 300_000))).toEqual([450, 0, 0]);
    expect(history.window("api:v3", 300_000)).toBeUndefined();
    const hour = history.window("api", 3_600_000);
    expect(hour?.quantileMs(0.5)).toBeWithin(9.8, 10.2);
    expect(hour?.quantileMs(0.95)).toBeWithin(39, 41);
    history[Symbol.dispose]();
  });

  test("a rate is that of the last ten seconds, and nothing when nothing comes", async () => {
    const { clock, targets, history } = start();
    await clock.advance(4_000);
    for (let second = 0; second < 20; second++) {
      targets.answer("api:v1", 200, 1, 50);
      await clock.advance(1_000);
    }
    history.refresh();
    expect(history.rate("api")).toBeWithin(45, 55);
    await clock.advance(12_000);
    history.refresh();
    expect(history.rate("api")).toBe(0);
    history[Symbol.dispose]();
  });

  test("have what came right after the start, and a target that was forgotten counts anew", async () => {
    const { clock, targets, history } = start();
    targets.answer("api:v1", 200, 1, 7);
    targets.answer("api:v2", 200, 1, 3);
    await clock.advance(2_000);
    expect(counts(history.window("api", 60_000))).toEqual([10, 0, 0]);
    targets.forget("api:v2");
    targets.answer("api:v2", 200, 1, 2);
    history.refresh();
    expect(counts(history.window("api", 60_000))).toEqual([12, 0, 0]);
    history[Symbol.dispose]();
  });
});

describe("what the proxy answers itself", () => {
  const GONE = ownCountName("", "nothing_routable", false);
  const ACME = ownCountName("acme", "nothing_routable", false, "iad");

  test("has windows by name, also of those that do not last, and totals only of those that do", async () => {
    const { clock, targets, history } = start();
    for (let minute = 0; minute < 70; minute++) {
      targets.own.add(GONE, 3);
      targets.own.add(ACME, 2);
      await clock.advance(60_000);
    }
    targets.own.add(GONE);
    history.refresh();
    const of = (name: string) =>
      [10, 60, 300, 3_600].map((secs) => history.window(name, secs * 1000)?.requests);
    expect(of(GONE).slice(0, 3)).toEqual([1, 4, 16]);
    expect(of(GONE)[3]).toBeWithin(177, 182);
    expect(of(ACME).slice(0, 3)).toEqual([0, 2, 10]);
    expect(counts(history.window(GONE, 60_000))).toEqual([4, 4, 0]);
    expect([...history.ownTotals()]).toEqual([[GONE, 211]]);
    expect([...history.ownNames("lasting")]).toEqual([GONE]);
    expect([...history.ownNames("passing")]).toEqual([ACME]);
    await clock.advance(4_800_000);
    expect([...history.ownNames("passing")]).toEqual([]);
    expect([...history.ownTotals()]).toEqual([[GONE, 211]]);
    history[Symbol.dispose]();
  });

  test("outlives a death, to the last minute, of those that have the most", async () => {
    using directory = createTempDir();
    const clock = createManualClock();
    const open = () => openTrafficJournal(directory.file("traffic.jsonl"), clock, () => {});
    const { targets, history } = start(clock, new Targets(), open());
    for (let tenant = 0; tenant < 1_500; tenant++)
      targets.own.add(ownCountName(`t${tenant}`, "refused", true, "iad"), 1 + (tenant % 3));
    targets.own.add(GONE, 3_000);
    await clock.advance(60_000);
    // Killed here.
    const next = start(clock, new Targets(), open());
    const windows = [...next.history.ownNames("passing")].map((name) => next.history.window(name, 300_000));
    expect(windows).toHaveLength(1_000);
    expect(windows.reduce((sum, window) => sum + (window?.requests ?? 0), 0)).toBe(500 * 3 + 500 * 2);
    expect(next.history.window(GONE, 300_000)?.requests).toBe(3_000);
    expect([...next.history.ownTotals()]).toEqual([]);
    history[Symbol.dispose]();
    next.history[Symbol.dispose]();
  });

  test("costs little for each of a hundred thousand", async () => {
    const { clock, targets, history } = start();
    const names = Array.from({ length: 100_000 }, (_, at) =>
      ownCountName(`tenant-${at}`, "refused", true, "iad"),
    );
    const memory = () => {
      Bun.gc(true);
      const { heapSize, extraMemorySize } = heapStats();
      return (heapSize + extraMemorySize) / 1024 / 1024;
    };
    const before = memory();
    for (const name of names) targets.own.add(name);
    await clock.advance(2_000);
    expect(memory() - before).toBeLessThan(60);
    // Those that fail all the time for more than an hour cost as much as it can be.
    const once = memory();
    for (let minute = 0; minute < 62; minute++) {
      for (const name of names.slice(0, 5_000)) targets.own.add(name);
      await clock.advance(60_000);
    }
    expect(memory() - once).toBeLessThan(15);
    history[Symbol.dispose]();
  }, 300_000);
});

describe("steps", () => {
  test("are of ten seconds for an hour and of a minute for a day, empty ones included", async () => {
    const { clock, targets, history } = start();
    await clock.advance(4_000);
    targets.answer("api:v1", 200, 10, 6);
    await clock.advance(25_000);
    targets.answer("api:v1", 500, 20, 2);
    await clock.advance(120_000);
    history.refresh();
    const fine = history.steps("api", 900_000, false);
    expect(fine).toHaveLength(90);
    expect(fine.reduce((sum, { requests }) => sum + requests, 0)).toBe(8);
    const busy = fine.filter(({ requests }) => requests > 0);
    expect(busy.map(counts)).toEqual([
      [6, 0, 0],
      [2, 2, 0],
    ]);
    expect((busy[1]?.atMs ?? 0) - (busy[0]?.atMs ?? 0)).toBeWithin(20_000, 30_001);
    expect(busy[1]?.p95Ms).toBeWithin(19.5, 20.5);
    const coarse = history.steps("api", 86_400_000, true);
    expect(coarse).toHaveLength(1_440);
    expect(coarse.reduce((sum, { requests }) => sum + requests, 0)).toBe(8);
    expect(history.steps("api:v1", 86_400_000, true)).toEqual([]);
    history[Symbol.dispose]();
  });
});

describe("a death", () => {
  test("loses at most the minute that it was in", async () => {
    using directory = createTempDir();
    const path = directory.file("traffic.jsonl");
    const clock = createManualClock();
    const complaints: string[] = [];
    const journal = () => openTrafficJournal(path, clock, (text) => complaints.push(text));
    const { targets, history } = start(clock, new Targets(), journal());
    await clock.advance(4_000);
    for (let minute = 0; minute < 3; minute++) {
      targets.answer("api:v1", 200, 10, 10);
      targets.answer("api:v1", 502, 10, 1);
      await clock.advance(60_000);
    }
    // Killed here: nothing is disposed, and half a line is left.
    const text = await Bun.file(path).text();
    await Bun.write(path, `${text}{"minute":2833`);
    const next = start(clock, new Targets(), journal());
    await next.clock.advance(1_000);
    expect(counts(next.history.window("api", 3_600_000))?.[0]).toBeGreaterThanOrEqual(22);
    expect(next.history.steps("api/v1", 3_600_000, true).reduce((sum, one) => sum + one.failed, 0)).toBe(
      Math.round((counts(next.history.window("api/v1", 3_600_000))?.[0] ?? 0) / 11),
    );
    expect(complaints).toEqual([]);
    history[Symbol.dispose]();
    next.history[Symbol.dispose]();
  });

  test("an end loses nothing", async () => {
    using directory = createTempDir();
    const clock = createManualClock();
    const open = () => openTrafficJournal(directory.file("traffic.jsonl"), clock, () => {});
    const { targets, history } = start(clock, new Targets(), open());
    await clock.advance(4_000);
    targets.answer("api:v1", 200, 10, 10);
    history[Symbol.dispose]();
    const next = start(clock, new Targets(), open());
    await clock.advance(4_000);
    next.targets.answer("api:v1", 200, 10, 5);
    await clock.advance(60_000);
    next.history.refresh();
    expect(counts(next.history.window("api", 300_000))).toEqual([15, 0, 0]);
    next.history[Symbol.dispose]();
    const last = start(clock, new Targets(), open());
    expect(counts(last.history.window("api", 300_000))).toEqual([15, 0, 0]);
    last.history[Symbol.dispose]();
  });
});

test("a thousand busy instances stay below 60 MB", async () => {
  const targets = new Targets();
  const clock = createManualClock();
  const history = createTrafficHistory({
    takeOwn: () => [],
    isLasting: (name) => !name.includes(":"),
    clock,
    groupsOf: () => ["api", "api/v1"],
    journal: undefined,
    traffic: targets.traffic,
  });
  const memory = () => {
    Bun.gc(true);
    const { heapSize, extraMemorySize } = heapStats();
    return (heapSize + extraMemorySize) / 1024 / 1024;
  };
  const round = (number: number) => {
    for (let i = 0; i < 1_000; i++)
      targets.answerAll(
        `api:${i}`,
        Array.from({ length: 30 }, (_, n) => 3 * 1.05 ** ((i + number + 7 * n) % 30)),
      );
  };
  await clock.advance(4_000);
  round(0);
  const before = memory();
  // All that is kept of the last five minutes and of the last hour is full then.
  for (let number = 0; number < 65; number++) {
    round(number);
    await clock.advance(number < 35 ? 10_000 : 60_000);
  }
  expect(memory() - before).toBeLessThan(60);
  history[Symbol.dispose]();
}, 300_000);
