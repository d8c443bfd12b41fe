// Which targets are silent, told from counters that a test writes.
import { describe, expect, test } from "bun:test";
import { mostMarked, probePauseMs, type Reading, SilenceWatch } from "../../src/core/passive-health.ts";

const NONE = [0, 0, 0, 0, 0];

function reading(id: string, more: Partial<Reading> = {}): Reading {
  return { id, answered: 0, unanswered: 0, clients: [], overdue: NONE, p99Ms: undefined, ...more };
}

/** Looks once a second, from second 0 on; answers who was found silent at which second first. */
function watch(seconds: readonly (readonly Reading[])[]): Record<string, number> {
  const it = new SilenceWatch();
  const found: Record<string, number> = {};
  for (const [second, readings] of seconds.entries())
    for (const id of it.look(second * 1_000, readings)) found[id] ??= second;
  return found;
}

/** What is counted at each second. */
const each = (seconds: number, at: (second: number) => readonly Reading[]) =>
  Array.from({ length: seconds }, (_, second) => at(second));

const well = (second: number, id = "b") => reading(id, { answered: second * 10 });

describe("ten requests in a row without an answer", () => {
  test("from three clients are silence; from two, or nine of them, are not", () => {
    const left = (unanswered: number, clients: number[]) =>
      watch(each(4, (second) => [reading("a", second === 0 ? {} : { unanswered, clients }), well(second)]));
    expect(left(10, [1, 2, 3])).toEqual({ a: 1 });
    expect(left(10, [1, 2])).toEqual({});
    expect(left(9, [1, 2, 3])).toEqual({});
  });

  test("count from the last answer on", () => {
    const found = watch(
      each(6, (second) => [
        reading("a", {
          unanswered: 4 * second,
          answered: second === 2 ? 1 : Number(second > 2),
          clients: [1, 2, 3],
        }),
        well(second),
      ]),
    );
    expect(found).toEqual({ a: 5 });
  });

  test("are nothing while no sibling answers either, and of one that has none", () => {
    const silent = (second: number, id: string) =>
      reading(id, { unanswered: 20 * second, clients: [1, 2, 3] });
    expect(watch(each(9, (second) => [silent(second, "a"), silent(second, "b")]))).toEqual({});
    expect(watch(each(9, (second) => [silent(second, "a")]))).toEqual({});
  });
});

describe("all of twenty within five seconds", () => {
  test("are silence, from one client as well", () => {
    const found = watch(
      each(8, (second) => [reading("a", { unanswered: 4 * second, clients: [1] }), well(second)]),
    );
    expect(found).toEqual({ a: 5 });
  });

  test("are not when they took longer, or one was answered meanwhile", () => {
    const slowly = watch(
      each(60, (second) => [reading("a", { unanswered: 3 * second, clients: [1] }), well(second)]),
    );
    expect(slowly).toEqual({});
    const once = watch(
      each(60, (second) => [
        reading("a", { unanswered: 20 * second, answered: Math.floor(second / 4), clients: [1] }),
        well(second),
      ]),
    );
    expect(once).toEqual({});
  });

  test("that still wait are counted once they are five seconds old", () => {
    // Twenty are sent at once at second 1, and hang.
    const hangs = (second: number) =>
      reading("a", {
        clients: second >= 6 ? [1] : [],
        overdue: [second >= 6 ? 20 : 0, second >= 11 ? 20 : 0, 0, 0, 0],
      });
    expect(watch(each(20, (second) => [hangs(second), well(second)]))).toEqual({ a: 6 });
  });

  test("that still wait are not counted before they are four times as old as what siblings take", () => {
    const hangs = (second: number) =>
      reading("a", { clients: [1, 2, 3], overdue: [second >= 6 ? 20 : 0, second >= 11 ? 20 : 0, 0, 0, 0] });
    const slow = (second: number) => ({ ...well(second), p99Ms: 2_000 });
    expect(watch(each(20, (second) => [hangs(second), slow(second)]))).toEqual({ a: 11 });
  });
});

test("counters that begin anew are no answer and no silence", () => {
  const found = watch([
    [reading("a", { answered: 100, unanswered: 50 }), well(0)],
    [reading("a", { answered: 0, unanswered: 9, clients: [1, 2, 3] }), well(1)],
    [reading("a", { answered: 0, unanswered: 9, clients: [1, 2, 3] }), well(2)],
  ]);
  expect(found).toEqual({});
});

test("at most half are marked, never the last one; probes are 10 s apart, then 20 s, up to 5 min", () => {
  expect([1, 2, 3, 4, 5].map(mostMarked)).toEqual([0, 1, 1, 2, 2]);
  expect([0, 1, 2, 5, 50].map(probePauseMs)).toEqual([10_000, 20_000, 40_000, 300_000, 300_000]);
});
