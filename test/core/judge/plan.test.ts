// The plan that a rate of traffic leads to, and what it promises before anything starts.
import { describe, expect, test } from "bun:test";
import { checkSteps, failuresUntilBack, foresee, planFor } from "../../../src/core/judge/plan.ts";

const at = (perSecond: number, errorShare = 0) => ({ perSecond, errorShare });
const percent = (steps: readonly number[]) => steps.map((step) => step / 100);

describe("the plan", () => {
  test.each([
    [0.02, [50], 20, 11, 18.3, 14],
    [0.1, [50], 10, 25, 8.3, 14],
    [1, [25, 50], 2, 133, 9.9, 7],
    [10, [5, 25, 50], 2, 133, 6.4, 4],
    [100, [1, 5, 25, 50], 1, 268, 7.5, 3],
    [1000, [1, 5, 25, 50], 0.5, 539, 4, 3],
  ])("at %p requests/s: steps %p, notice %p points", (rate, steps, notice, answers, minutes, failures) => {
    const plan = planFor(at(rate), {});
    expect(percent(plan.steps)).toEqual(steps);
    expect(plan.notice * 100).toBeCloseTo(notice);
    const forecast = foresee(plan, at(rate));
    expect(forecast.answers).toBe(answers);
    expect(forecast.goodMs / 60_000).toBeCloseTo(minutes, 1);
    expect(forecast.failure.answers).toBe(failures);
  });

  test.each([
    [0.01, 3],
    [0.05, 4],
    [0.1, 5],
    [0.25, 7],
    [0.37, 10],
    [0.5, 14],
    [0.75, 32],
    [0.9, 85],
  ])("a version that always fails is back after so many answers, at a share of %p: %p", (share, failures) => {
    expect(failuresUntilBack(share)).toBe(failures);
  });

  test("says what it notices, and what it would let pass", () => {
    const { notices, failure, finer } = foresee(planFor(at(1), {}), at(1));
    expect(notices.map(({ points, afterMs }) => [points, Math.round(afterMs / 6_000) / 10])).toEqual([
      [0.05, 9.9],
      [0.2, 2.3],
    ]);
    expect(failure).toEqual({ answers: 7, afterMs: 28_000 });
    expect(finer?.notice).toBe(0.01);
    expect((finer?.goodMs ?? 0) / 60_000).toBeCloseTo(18.9, 1);
  });

  test("takes every number that the operator gives", () => {
    const wishes = {
      steps: [10_00, 20_00],
      everyMs: 5_000,
      notice: 0.1,
      grace: 2,
      bakeMs: 0,
      shadowFirst: 0,
      limitMs: 1_000,
      rejections: "count",
      onFail: "hold",
    } as const;
    expect(planFor(at(10), wishes)).toEqual(wishes);
  });

  test("a service without traffic gets one that waits for it", () => {
    const plan = planFor(at(0), {});
    expect(percent(plan.steps)).toEqual([50]);
    expect(foresee(plan, at(0)).goodMs).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("steps", () => {
  test.each([[[5_00, 25_00]], [[0.01 * 100, 99.99 * 100]], [[1_00]]])("%p are fine", (steps) => {
    expect(checkSteps(steps)).toEqual(steps);
  });

  test("a final 100 is what follows anyway", () => {
    expect(checkSteps([5_00, 100_00])).toEqual([5_00]);
  });

  test.each([
    [[50_00, 10_00], "steps 50,10: they do not rise", "write 10,50"],
    [[5_00, 5_00], "steps 5,5: they do not rise", "write 5"],
    [[0], "steps 0: each step is above 0 and below 100 %", "write 5,25,50"],
    [[100_00], "steps 100: there is nothing to judge at 100 %", "write 5,25,50"],
    [[], "steps : there is nothing to judge at 100 %", "write 5,25,50"],
  ])("%p are refused with what to write", (steps, message, hint) => {
    expect(() => checkSteps(steps)).toThrow(expect.objectContaining({ code: "usage", message, hint }));
  });

  test("one so short that it sees no answer is refused with what to write", () => {
    expect(() => planFor(at(0.01), { everyMs: 1_000 })).toThrow(
      expect.objectContaining({
        message: "--every 1s: at 0.01 requests/s a step of 50 % sees no answer in that time",
        hint: "write --every 200s or longer, or leave it out: a step lasts until enough has been answered",
      }),
    );
  });
});
