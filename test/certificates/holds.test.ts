import { describe, expect, test } from "bun:test";
import { AcmeProblem } from "../../src/certificates/acme/problem.ts";
import { clockText } from "../../src/certificates/clock-text.ts";
import { Holds } from "../../src/certificates/holds.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryStore } from "../support/memory-store.ts";

const CA = "https://ca.test/dir";
const MINUTE = 60_000;

describe("an authority", () => {
  const down = new AcmeProblem("ca.test", { type: "unreachable", detail: "down" });
  const limited = (retryAfterMs?: number) =>
    new AcmeProblem("ca.test", { type: "rateLimited", detail: "too many", status: 429, retryAfterMs });

  test("that is down is asked after a minute, then less and less, and each half hour in the end", async () => {
    const clock = createManualClock();
    const holds = new Holds(createMemoryStore(), clock);
    const waits: number[] = [];
    for (let time = 0; time < 8; time++) {
      await holds.failed(CA, "a.test", down);
      const { until = 0 } = holds.of(CA) ?? {};
      waits.push((until - clock.now()) / MINUTE);
      await clock.advance(until - clock.now());
      expect(holds.of(CA)).toBeUndefined();
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
    await holds.answered(CA);
    await holds.failed(CA, "a.test", down);
    expect(holds.of(CA)?.until).toBe(clock.now() + MINUTE);
  });

  test("that wants to be left alone is, for as long as it says", async () => {
    const clock = createManualClock();
    const holds = new Holds(createMemoryStore(), clock);
    const busy = { type: "serverInternal", detail: "busy", status: 503, retryAfterMs: 5 * 60 * MINUTE };
    await holds.failed(CA, "a.test", new AcmeProblem("ca.test", busy));
    expect(holds.of(CA)?.until).toBe(clock.now() + 5 * 60 * MINUTE);
  });

  test("that turns one name away is asked for others; after three names it means the account", async () => {
    const clock = createManualClock();
    const holds = new Holds(createMemoryStore(), clock);
    for (const name of ["a.test", "a.test", "b.test"]) await holds.failed(CA, name, limited(90 * MINUTE));
    expect(holds.of(CA)).toBeUndefined();
    await holds.failed(CA, "c.test", limited(90 * MINUTE));
    expect(holds.of(CA)).toMatchObject({
      until: clock.now() + 90 * MINUTE,
      message: "ca.test: too many (rateLimited)",
    });
  });
});

test("a clock that is wrong is told of with how much and against whom; small differences are none", () => {
  const text = (aheadMs: number) => clockText({ host: "ca.test", aheadMs });
  expect(clockText(undefined)).toBeUndefined();
  expect(text(5 * MINUTE)).toBeUndefined();
  expect(text(30 * MINUTE)).toBe(
    "the clock of this machine is 30 minutes behind that of ca.test: set it (timedatectl)",
  );
  expect(text(-5 * 60 * MINUTE)).toContain("5 hours ahead of that of ca.test");
  expect(text(365 * 24 * 60 * MINUTE)).toContain("365 days behind");
});
