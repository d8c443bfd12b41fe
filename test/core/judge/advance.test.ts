// A rollout from its start to its end: when it goes on, when it stays, when it takes a version back, and what it says.
import { describe, expect, test } from "bun:test";
import { abort, advance, holdByHand, promote, resume } from "../../../src/core/judge/advance.ts";
import type { Tick } from "../../../src/core/judge/evidence.ts";
import { planFor, wishesOf } from "../../../src/core/judge/plan.ts";
import { preview } from "../../../src/core/judge/preview.ts";
import { type Rollout, shareNow, shifted } from "../../../src/core/judge/rollout-state.ts";
import { status } from "../../../src/core/judge/sentence.ts";
import { FULL } from "../../../src/core/weight.ts";
import { type Behaviour, failing, fine, SECOND, type Story, story } from "./story.ts";

const at = (perSecond: number, errorShare = 0) => ({ perSecond, errorShare });
const MINUTE = 60;
const HOUR = 60 * MINUTE;

const shares = ({ moves }: Story) => moves.map(({ share }) => share);
const texts = ({ moves }: Story) => moves.map(({ text }) => text);

/** All answers so many buckets slower than the stable's. */
const slower =
  (buckets: number): Behaviour =>
  (requests) => ({ buckets: Object.assign(new Array(128).fill(0), { [60 + buckets]: requests }) });
const HISTORY = Object.assign(new Array(128).fill(0), { 60: 1_000 });

describe("a good version", () => {
  test("gets one step after the other, bakes, and is promoted", () => {
    const told = story(at(10));
    told.run(HOUR);
    expect(shares(told)).toEqual([25_00, 50_00, 100_00, undefined]);
    expect(texts(told)).toEqual([
      "5 % -> 25 %: v2 0 errors in 133, v1 0 in 2,527; 2 points more are ruled out",
      "25 % -> 50 %: v2 0 errors in 283, v1 0 in 2,977; 2 points more are ruled out",
      "50 % -> 100 %: v2 0 errors in 583, v1 0 in 3,277; 2 points more are ruled out",
      "promoted: v2 0 errors in 6,000, after 16 min",
    ]);
    expect(told.moves.at(-1)).toMatchObject({ kind: "promoted", outcome: "promoted" });
    expect(told.second).toBe(266 + 60 + 60 + 600);
  });

  test("that is as bad as the stable goes on all the same", () => {
    const told = story(at(10, 0.05));
    told.run(HOUR, failing(0.05), failing(0.05));
    expect(told.moves.at(-1)?.outcome).toBe("promoted");
  });

  test("needs no bake where none is wished", () => {
    const told = story(at(10), { bakeMs: 0 });
    told.run(HOUR);
    expect(told.moves.at(-1)).toMatchObject({ kind: "promoted", share: 100_00, outcome: "promoted" });
  });
});

describe("a bad version", () => {
  test("that always fails is back after a handful of answers", () => {
    const told = story(at(1));
    told.run(HOUR, failing(1));
    expect(told.moves).toEqual([
      {
        kind: "rolled_back",
        share: 0,
        outcome: "rolled_back",
        text: "rolled back: v2 100 % errors (7 of 7) against v1 0 % (0 of 21) at 25 %: 1,500 to 1, after 28 s; 7 visitors saw an error",
      },
    ]);
  });

  test("says how many visitors noticed nothing", () => {
    const told = story(at(1));
    told.run(27, failing(1), fine, { harm: undefined });
    told.run(1, failing(1), fine, { harm: { seen: 2, rescued: 5 } });
    expect(texts(told).at(-1)).toEndWith("; 2 visitors saw an error, 5 were rescued");
  });

  test("that fails on a later step is found there", () => {
    const told = story(at(10));
    told.run(266);
    told.run(HOUR, failing(0.2));
    expect(shares(told)).toEqual([25_00, 0]);
    expect(texts(told)[1]).toStartWith("rolled back: v2 20 % errors (");
  });

  test("that is slow gets more answers to get warm, and is taken back by the second verdict", () => {
    const told = story(at(20), { bakeMs: 0 }, HISTORY);
    told.run(MINUTE * 2, slower(8));
    expect(status(told.rollout, told.second * SECOND)).toMatch(
      /^staying at 1 %: v2 looks slow, which may be a cold start: it gets \d+ more answers to get warm$/,
    );
    told.run(HOUR, slower(8));
    expect(shares(told)).toEqual([0]);
    expect(texts(told)[0]).toMatch(
      /^rolled back: v2 is slow: half its answers took longer than any of v1's before at 1 %: [\d,]+ to 1, after \d+ min$/,
    );
  });

  test("that only had cold caches goes on", () => {
    const told = story(at(20), { bakeMs: 0 }, HISTORY);
    told.run(MINUTE * 2, slower(8));
    told.run(HOUR);
    expect(told.moves.at(-1)?.outcome).toBe("promoted");
  });

  test("whose answers stall now and then is taken back", () => {
    const told = story(at(100), {}, HISTORY);
    told.run(HOUR, (requests) => ({
      buckets: Object.assign(new Array(128).fill(0), { 60: requests - 1, 75: requests > 0 ? 1 : 0 }),
    }));
    expect(texts(told)[0]).toMatch(
      /^rolled back: v2 stalls: \d+ of \d+ answers took over 164 ms, four times what 95 % of v1's take at 1 %/,
    );
  });

  test("that crashes is back at once", () => {
    const told = story(at(10));
    told.run(30);
    told.run(1, fine, fine, { failure: "exited with code 1" });
    expect(texts(told)).toEqual(["rolled back: v2 exited with code 1 at 5 %, after 31 s"]);
  });

  test("stays when there is nothing to go back to", () => {
    const told = story(at(10));
    told.run(30, failing(1), fine, { stableServes: false, failure: "exited with code 1" });
    expect(told.moves).toEqual([]);
  });

  test("keeps running without traffic where that is wished, and is forgotten after a day", () => {
    const told = story(at(1), { onFail: "hold" });
    told.run(MINUTE, failing(1));
    expect(told.moves).toMatchObject([{ kind: "rolled_back", share: 0, outcome: undefined }]);
    expect(shareNow(told.rollout)).toBe(0);
    told.run(25 * HOUR);
    expect(told.moves.at(-1)).toMatchObject({ outcome: "rolled_back", share: 0 });
  });
});

describe("an outage of both", () => {
  test("holds, blames nobody, and is no sample", () => {
    const told = story(at(10));
    told.run(MINUTE);
    told.run(5 * MINUTE, failing(0.5), failing(0.5));
    expect(told.moves).toEqual([]);
    expect(status(told.rollout, told.second * SECOND)).toBe("staying at 5 %: v1 itself fails 50 % (v2 50 %)");
    told.run(HOUR);
    expect(told.moves.at(-1)?.outcome).toBe("promoted");
  });

  test("does not hold the version that mends it", () => {
    const told = story(at(10));
    told.run(HOUR, fine, failing(0.3));
    expect(told.moves.at(-1)?.outcome).toBe("promoted");
    expect(texts(told)[0]).toBe("5 % -> 25 %: v2 0 % against v1 30 %: going on");
  });
});

describe("too little traffic", () => {
  test("is told with what is missing, then held with what to do", () => {
    const told = story(at(0.02));
    told.run(20 * MINUTE);
    expect(told.moves.map(({ kind }) => kind)).toEqual(["advanced"]);
    const finer = story(at(0.02), { notice: 0.1 });
    finer.run(10 * MINUTE);
    expect(status(finer.rollout, finer.second * SECOND)).toBe(
      "at 50 %: v2 0 errors in 6, v1 0 in 6; v2 has 6 of the 25 answers it needs (0 errors); at 0.01/s in 32 min",
    );
    const held = story(at(0.002));
    held.run(2 * HOUR);
    expect(held.moves).toMatchObject([{ kind: "held", share: undefined, outcome: undefined }]);
    expect(texts(held)[0]).toBe(
      "held: v2 has 3 of the 11 answers it needs (0 errors); at 0.00083/s in 2.7 h; ten promote api | ten abort api",
    );
  });

  test("a held version is still judged, and given up when nobody decides for a day", () => {
    const bad = story(at(0.005));
    bad.run(2 * HOUR);
    expect(bad.moves.map(({ kind }) => kind)).toEqual(["held"]);
    bad.run(5 * HOUR, failing(1));
    expect(bad.moves.at(-1)).toMatchObject({ kind: "rolled_back", share: 0 });
    const forgotten = story(at(0.002));
    forgotten.run(26 * HOUR);
    expect(texts(forgotten).at(-1)).toBe(
      "rolled back: nobody decided within 24 h; v2 0 errors in 90 at 50 %",
    );
  });
});

describe("the bake", () => {
  function baked(): Story {
    const told = story(at(10), { bakeMs: HOUR * SECOND });
    told.run(8 * MINUTE);
    expect(told.rollout.phase).toBe("bake");
    return told;
  }

  test("asks the old version too when something is wrong, and takes the new one back when it is that", () => {
    const told = baked();
    told.run(HOUR, failing(0.3));
    expect(shares(told).slice(-2)).toEqual([50_00, 0]);
    expect(texts(told).at(-2)).toMatch(
      /^both at 50 %: v2 fails [\d.]+ % \(0 % before\), so v1 is asked too$/,
    );
    expect(texts(told).at(-1)).toMatch(
      /^rolled back: v2 .* at 50 %: [\d,]+ to 1, after 8 min; \d+ visitors saw an error$/,
    );
  });

  test("goes on when both fail, as soon as it is quiet again", () => {
    const told = baked();
    told.run(5 * MINUTE, failing(0.3), failing(0.3));
    expect(told.rollout.phase).toBe("look");
    told.run(2 * HOUR);
    expect(shares(told).slice(-3)).toEqual([50_00, 100_00, undefined]);
    expect(texts(told).at(-2)).toMatch(/^50 % -> 100 %: .*; it was not v2$/);
    expect(told.moves.at(-1)?.outcome).toBe("promoted");
  });
});

describe("4xx that the new version gives too often", () => {
  const login: Behaviour = (requests) => ({ rejections: requests });

  test("hold and ask; judging goes on when the operator says so", () => {
    const told = story(at(10));
    told.run(10 * MINUTE, login);
    expect(told.moves).toMatchObject([{ kind: "held" }]);
    expect(texts(told)[0]).toMatch(
      /^held: v2 answers 4xx more often than v1: [\d,]+ to 1; is that meant\? ten promote api \| ten abort api$/,
    );
    told.rollout = resume(told.rollout, told.second * SECOND).rollout;
    told.run(HOUR);
    expect(told.moves.at(-1)?.outcome).toBe("promoted");
  });

  test("count where that is said, or are nothing", () => {
    const counted = story(at(10), { rejections: "count" });
    counted.run(HOUR, login);
    expect(texts(counted)[0]).toStartWith("rolled back: v2 answers 4xx more often than v1 at 5 %");
    const ignored = story(at(10), { rejections: "ignore" });
    ignored.run(HOUR, login);
    expect(ignored.moves.at(-1)?.outcome).toBe("promoted");
  });
});

describe("the operator", () => {
  test("holds: nothing goes on, a bad version is taken back all the same", () => {
    const told = story(at(10));
    told.run(30);
    const { rollout, move } = holdByHand(told.rollout, told.second * SECOND);
    expect(move?.text).toBe(
      "held at 5 % by hand: v2 0 errors in 15, v1 0 in 285; ten hold api off | ten promote api | ten abort api",
    );
    told.rollout = rollout;
    told.run(HOUR);
    expect(told.moves).toEqual([]);
    told.run(MINUTE, failing(1));
    expect(shares(told)).toEqual([0]);
  });

  test("promotes and aborts at any moment", () => {
    const told = story(at(10));
    told.run(30);
    const promoted = promote(told.rollout, 30_000, "promoted by ana");
    expect(promoted.move).toMatchObject({ share: 100_00, outcome: undefined });
    expect(promoted.rollout.phase).toBe("bake");
    expect(promote(promoted.rollout, 31_000, "").move).toMatchObject({ outcome: "promoted" });
    expect(abort(told.rollout, 30_000, "aborted by ana").move).toEqual({
      kind: "rolled_back",
      share: 0,
      outcome: "rolled_back",
      text: "rolled back: aborted by ana at 5 %, after 30 s",
    });
  });
});

describe("a restart", () => {
  test("at any moment goes on where it was: the state is plain data", () => {
    const whole = story(at(10));
    const broken = story(at(10));
    const outcomes = [whole, broken].map((told) => {
      for (let i = 0; i < 100; i++) {
        told.run(7, failing(0.01), failing(0.01));
        if (told === broken) told.rollout = JSON.parse(JSON.stringify(told.rollout)) as Rollout;
      }
      return told.moves;
    });
    expect(outcomes[1]).toEqual(outcomes[0] ?? []);
  });

  test("ticks that are missing are missing", () => {
    const told = story(at(10));
    told.run(30);
    const later = advance(told.rollout, { tick: undefined, stableServes: true, failure: undefined }, 400_000);
    expect(later).toEqual({ rollout: told.rollout, move: undefined });
  });

  test("a clock that was set makes nothing older", () => {
    const told = story(at(10));
    told.run(30);
    const hour = 3_600_000;
    const set = shifted(told.rollout, hour);
    expect(status(set, told.second * SECOND + hour)).toBe(status(told.rollout, told.second * SECOND));
  });
});

describe("a rollout that begins with copies", () => {
  const pair = (errors: number, pairs: number): Tick => {
    const tally = (own: number) => ({ answers: pairs, errors: own, rejections: 0, buckets: [] });
    return { canary: tally(errors), stable: tally(0), share: 0.5 };
  };
  const WISHES = { shadowFirst: 200, bakeMs: 0 };

  test("has no visitors until so many are answered alike, then takes its first step with a sample of its own", () => {
    const told = story(at(10), WISHES);
    expect([told.rollout.phase, shareNow(told.rollout)]).toEqual(["shadow", 0]);
    told.run(19, fine, fine, { shadow: pair(0, 10) });
    expect(told.moves).toEqual([]);
    expect(status(told.rollout, told.second * SECOND)).toBe(
      "shadow: v2 0 errors in 190, v1 0 in 190; 190 of 200 copies are answered, no visitor is on it",
    );
    told.run(1, fine, fine, { shadow: pair(0, 10) });
    expect(told.moves.map(({ kind, share, text }) => [kind, share, text])).toEqual([
      ["advanced", 5_00, "shadow -> 5 %: v2 0 errors in 200, v1 0 in 200 copies"],
    ]);
    expect(told.rollout.evidence.canary).toEqual([0, 0]);
    told.run(2_000);
    expect(told.moves.at(-1)?.outcome).toBe("promoted");
  });

  test("takes back one that always fails after fourteen, and no visitor was on it", () => {
    const told = story(at(10), WISHES);
    told.run(30, fine, fine, { shadow: pair(1, 1) });
    expect([told.second, told.moves.length]).toEqual([14, 1]);
    expect(told.moves[0]).toMatchObject({ kind: "rolled_back", share: 0, outcome: "rolled_back" });
    expect(told.moves[0]?.text).toBe(
      "rolled back: v2 100 % errors (14 of 14) against v1 0 % (0 of 14) at 0 % (copies only): 1,800 to 1, after 14 s",
    );
  });

  test("holds when there is nothing to copy, and is promoted or taken back by hand all the same", () => {
    const told = story(at(10), { ...WISHES, limitMs: 60_000 });
    told.run(61);
    expect(told.moves.map(({ kind, text }) => [kind, text])).toEqual([
      ["held", "held: 0 of 200 copies are answered, no visitor is on it; ten promote api | ten abort api"],
    ]);
    expect(promote(told.rollout, 62_000, "promoted").move).toMatchObject({
      share: FULL,
      outcome: "promoted",
    });
    expect(abort(told.rollout, 62_000, "aborted").move).toMatchObject({ share: 0, outcome: "rolled_back" });
  });

  test("one that crashes meanwhile is taken back at once", () => {
    const told = story(at(10), WISHES);
    told.run(1, fine, fine, { failure: "exited with code 1" });
    expect(told.moves[0]).toMatchObject({ kind: "rolled_back", share: 0 });
  });
});

describe("probes", () => {
  const probed = (canary: number, stable = 0): Tick => {
    const tally = (errors: number) => ({ answers: 1, errors, rejections: 0, buckets: [] });
    return { canary: tally(canary), stable: tally(stable), share: 0.5 };
  };

  test("let a service that nobody visits have an answer, and are named", () => {
    const told = story(at(0), { probe: "/products", bakeMs: 0, notice: 0.2 });
    expect(preview({ service: "api", canary: "v2", rescues: false }, told.rollout.plan, at(0))[0]).toContain(
      "Both are asked for /products once a second besides.",
    );
    told.run(61, fine, fine, { probes: probed(0) });
    expect(told.moves.map(({ kind, text }) => [kind, text])).toEqual([
      ["promoted", "50 % -> 100 %: v2 0 errors in 60, v1 0 in 60; 20 points more are ruled out"],
    ]);
    const bad = story(at(0), { probe: "/products" });
    bad.run(60, fine, fine, { probes: probed(1) });
    expect([bad.second, bad.moves[0]?.text]).toEqual([
      14,
      "rolled back: v2 100 % errors (14 of 14) against v1 0 % (0 of 14), 14 of each of them probes, at 50 %: 1,800 to 1, after 14 s",
    ]);
    const both = story(at(0), { probe: "/products" });
    both.run(300, fine, fine, { probes: probed(1, 1) });
    expect(both.moves).toEqual([]);
    expect(status(both.rollout, both.second * SECOND)).toContain("v1 itself fails 100 %");
  });

  test("make a plan shorter, and what is no path is refused", () => {
    const slow = planFor(at(0.02), {});
    const quick = planFor(at(0.02), { probe: "/" });
    expect(quick.notice).toBeLessThan(slow.notice);
    for (const probe of ["products", "", "/a b", "/a#b", "/\n"])
      expect(() => wishesOf({ probe })).toThrow("is no path");
  });
});
