// What the data plane counted, as the judge takes it; and what needs no statistics.
import { describe, expect, test } from "bun:test";
import type { TrialCounts } from "../../../../src/proxy/trial-counters.ts";
import { TrialTallies } from "../../../../src/ten/operations/rollout/trial-tallies.ts";

function counts(more: Partial<TrialCounts> = {}): TrialCounts {
  const none = { begun: 0, ended: 0, answers: 0, errors: 0, rejections: 0, refused: 0, rescued: 0, seen: 0 };
  return { route: "api", split: "a", target: "api:v2", ...none, buckets: [], visitors: [], ...more };
}

const answered = (answers: number, more: Partial<TrialCounts> = {}) =>
  counts({ begun: answers, ended: answers, answers, ...more });

function judged(): TrialTallies {
  const tallies = new TrialTallies();
  tallies.use("a", 0.25, "step 0");
  return tallies;
}

describe("ticks", () => {
  test("are one for each split, with the share under which the requests came", () => {
    const tallies = judged();
    tallies.add(answered(10, { errors: 2 }), "canary");
    tallies.use("b", 0.5, "step 1");
    // A late timeout of the split before.
    tallies.add(answered(1, { errors: 1 }), "canary");
    tallies.add(answered(5, { split: "b" }), "canary");
    tallies.add(answered(6, { split: "b", errors: 1 }), "stable");
    const ticks = tallies.take().map(({ share, canary, stable }) => ({
      share,
      canary: [canary.answers, canary.errors],
      stable: [stable.answers, stable.errors],
    }));
    expect(ticks).toEqual([
      { share: 0.25, canary: [11, 3], stable: [0, 0] },
      { share: 0.5, canary: [5, 0], stable: [6, 1] },
    ]);
    expect(tallies.take()).toEqual([]);
  });

  test("leave out what was counted under a split that nobody knows any more", () => {
    const tallies = judged();
    tallies.add(answered(10, { split: "of an earlier server" }), "canary");
    expect(tallies.take()).toEqual([]);
  });

  test("count a visitor once a step, however many workers saw it", () => {
    const tallies = judged();
    tallies.add(answered(3, { visitors: [7, 8] }), "canary");
    tallies.add(answered(2, { visitors: [8, 9] }), "canary");
    tallies.add(answered(2, { visitors: [7] }), "stable");
    expect(tallies.take()).toMatchObject([{ canary: { answers: 5, errors: 3 }, stable: { errors: 1 } }]);
    tallies.use("b", 0.5, "step 0");
    tallies.add(answered(2, { visitors: [8], split: "b" }), "canary");
    expect(tallies.take()).toMatchObject([{ canary: { errors: 0 } }]);
    tallies.use("b", 0.5, "step 1");
    tallies.add(answered(2, { visitors: [8], split: "b" }), "canary");
    expect(tallies.take()).toMatchObject([{ canary: { errors: 1 } }]);
  });
});

describe("five refused connections in a row", () => {
  test("are a failure", () => {
    const tallies = judged();
    tallies.add(answered(4, { errors: 4, refused: 4 }), "canary");
    expect(tallies.failure(0, 0.25)).toBeUndefined();
    tallies.add(answered(1, { errors: 1, refused: 1 }), "canary");
    expect(tallies.failure(100, 0.25)).toBe("refused 5 connections in a row");
  });

  test("are none when one between them is answered, or the stable's are refused", () => {
    const tallies = judged();
    tallies.add(answered(4, { errors: 4, refused: 4 }), "canary");
    tallies.add(answered(2, { errors: 1, refused: 1 }), "canary");
    tallies.add(answered(4, { errors: 4, refused: 4 }), "canary");
    tallies.add(answered(9, { errors: 9, refused: 9 }), "stable");
    expect(tallies.failure(100, 0.25)).toBeUndefined();
  });
});

describe("silence", () => {
  /** Ten times a second for so many seconds; `each` says what was counted in it. */
  function pass(tallies: TrialTallies, seconds: number, each: (tenth: number) => void): string | undefined {
    for (let tenth = 0; tenth < seconds * 10; tenth++) {
      each(tenth);
      const failure = tallies.failure(tenth * 100, 0.25);
      if (failure !== undefined) return `${failure} after ${(tenth / 10).toFixed(0)} s`;
    }
    return undefined;
  }

  test("is a failure when five requests wait for ten seconds while the stable answers", () => {
    const tallies = judged();
    const failure = pass(tallies, 30, (tenth) => {
      if (tenth % 5 === 0) tallies.add(counts({ begun: 1 }), "canary");
      tallies.add(answered(1), "stable");
    });
    expect(failure).toBe("has answered nothing for 10 s, 5 requests wait after 12 s");
  });

  test("is none while the stable is silent too, or as slow, or while some are answered", () => {
    const shared = judged();
    const outage = pass(shared, 30, () => {
      shared.add(counts({ begun: 1 }), "canary");
      shared.add(counts({ begun: 3 }), "stable");
    });
    expect(outage).toBeUndefined();
    const polls = judged();
    // Long polls: answered after 25 s by both.
    const long = pass(polls, 60, (tenth) => {
      const done = tenth >= 250 ? 1 : 0;
      if (tenth % 4 === 0) polls.add(counts({ begun: 1, ended: tenth >= 450 ? 1 : 0 }), "canary");
      polls.add(counts({ begun: 1, ended: done, answers: done }), "stable");
    });
    expect(long).toBeUndefined();
    const busy = judged();
    const some = pass(busy, 30, (tenth) => {
      busy.add(counts({ begun: 1 }), "canary");
      if (tenth % 50 === 0) busy.add(counts({ ended: 1, answers: 1 }), "canary");
      busy.add(answered(3), "stable");
    });
    expect(some).toBeUndefined();
  });
});
