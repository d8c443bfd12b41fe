// The simulations in small: they run, and what they are for still holds.
import { expect, test } from "bun:test";
import { fractionsFrom } from "../support/random.ts";
import { polled } from "./order.ts";
import { NO_FAULT, replay } from "./replay.ts";
import { ours } from "./rollouts.ts";
import { createLoad } from "./visitors.ts";
import { same, type Weather, type World } from "./world.ts";

const world = (changes: Partial<World>): World => ({
  perSecond: 10,
  base: 0.01,
  weather: "calm",
  fault: same,
  ...changes,
});

test.each<Weather>(["calm", "bad minutes", "outage"])(
  "no good version is taken back when it is %s",
  (weather) => {
    const random = fractionsFrom(41);
    const ends = Array.from({ length: 200 }, () => ours(world({ weather }), random).outcome);
    expect(ends).not.toContain("rolled_back");
    expect(ends.filter((end) => end === "promoted").length).toBeGreaterThan(190);
  },
);

test("one that fails always, and one with 5 points more, are taken back", () => {
  const random = fractionsFrom(43);
  for (const fault of [() => 1, () => 0.05])
    for (let i = 0; i < 50; i++) expect(ours(world({ base: 0, fault }), random).outcome).toBe("rolled_back");
});

test("a client in fixed order blames nobody when turns are drawn, and a good version when they are not", () => {
  const blamed = (isDrawn: boolean) => {
    const random = fractionsFrom(47);
    return Array.from({ length: 50 }, () => polled(2, isDrawn, random)).filter((end) => end.blamed).length;
  };
  expect(blamed(true)).toBe(0);
  expect(blamed(false)).toBeGreaterThan(5);
});

test.each([false, true])(
  "people, bots and bursts through the plane's own counters blame nobody (kept visitors: %p)",
  (isSticky) => {
    const random = fractionsFrom(53);
    const run = (fault: typeof NO_FAULT) =>
      replay({ perSecond: 20, load: createLoad(random, 20), fault, isSticky, random }).outcome;
    expect(Array.from({ length: 20 }, () => run(NO_FAULT))).not.toContain("rolled_back");
    expect(run(() => ({ fails: true, ms: 1 }))).toBe("rolled_back");
  },
);
