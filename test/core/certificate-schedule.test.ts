import { describe, expect, test } from "bun:test";
import {
  alarmTime,
  type OrderReason,
  type Placed,
  refuseOrder,
  renewalTime,
  renewalTimeIn,
  roomFor,
  waitAfterFailure,
} from "../../src/core/certificate-schedule.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = 1_700_000_000_000;
const life = { notBefore: NOW, notAfter: NOW + 90 * DAY };

describe("a renewal", () => {
  test("comes at two thirds of the life, spread over days", () => {
    expect(renewalTime(life, 0.5)).toBe(NOW + 60 * DAY);
    expect(renewalTime(life, 0)).toBeCloseTo(NOW + 58.2 * DAY, -1);
    expect(renewalTime(life, 1)).toBeCloseTo(NOW + 61.8 * DAY, -1);
  });

  test("of a life of six days comes after four", () => {
    expect(renewalTime({ notBefore: NOW, notAfter: NOW + 6 * DAY }, 0.5)).toBe(NOW + 4 * DAY);
  });

  test("is drawn from the authority's window, and never comes too late", () => {
    const window = { start: NOW + 10 * DAY, end: NOW + 12 * DAY };
    expect(renewalTimeIn(window, life, 0.25)).toBe(NOW + 10.5 * DAY);
    expect(renewalTimeIn({ start: NOW - 2 * DAY, end: NOW - DAY }, life, 1)).toBe(NOW - DAY);
    expect(renewalTimeIn({ start: NOW + 400 * DAY, end: NOW + 401 * DAY }, life, 0)).toBe(alarmTime(life));
  });

  test("is missed when a fifth of the life is left", () => expect(alarmTime(life)).toBe(NOW + 72 * DAY));
});

test("failures wait longer each time, and at least as long as the authority asks", () => {
  expect([1, 2, 3, 4, 9].map((failures) => waitAfterFailure(failures, undefined, 0.5) / 60_000)).toEqual([
    1, 10, 60, 360, 360,
  ]);
  expect(waitAfterFailure(1, 2 * HOUR, 0.5)).toBe(2 * HOUR);
  expect(waitAfterFailure(1, 900 * HOUR, 0.5)).toBe(24 * HOUR);
});

describe("orders", () => {
  const placed = (count: number, why: OrderReason, name: (index: number) => string, every = 0): Placed[] =>
    Array.from({ length: count }, (_, index) => ({ name: name(index), at: NOW - 1000 - index * every, why }));
  const refused = (name: string, why: OrderReason, before: readonly Placed[], at = NOW) =>
    refuseOrder({ name, why, at }, before);

  test("of one name are five an hour, whatever for", () => {
    const before = placed(5, "renewal", () => "a.test", 60_000);
    expect(refused("a.test", "renewal", before.slice(1))).toBeUndefined();
    const refusal = refused("a.test", "renewal", before);
    expect(refusal?.reason).toContain("5 orders an hour");
    expect(refused("a.test", "renewal", before, refusal?.until)).toBeUndefined();
    expect(refused("b.test", "renewal", before)).toBeUndefined();
  });

  test("that are new are at most half of an authority's in three hours, each kind", () => {
    const many = placed(150, "demand", (index) => `n${index}.x${index}.test`, 10);
    expect(refused("new.test", "demand", many)?.reason).toContain("150 new certificates in 3 hours");
    expect(refused("new.test", "added", many)).toBeUndefined();
    expect(refused("new.test", "renewal", many)).toBeUndefined();
    expect(refused("new.test", "demand", many, NOW + 3 * HOUR)).toBeUndefined();
    expect(roomFor("demand", many, NOW)).toEqual({ count: 0, until: NOW - 1000 - 149 * 10 + 3 * HOUR });
    expect(roomFor("added", many, NOW)).toEqual({ count: 150, until: NOW });
  });

  test("are 300 in three hours in sum, renewals too unless the authority has asked for them", () => {
    const many = [
      ...placed(100, "demand", (index) => `d${index}.x${index}.test`, 10),
      ...placed(100, "added", (index) => `a${index}.x${index}.test`, 10),
      ...placed(100, "renewal", (index) => `r${index}.x${index}.test`, 10),
    ];
    expect(refused("new.test", "renewal", many.slice(1))).toBeUndefined();
    for (const why of ["added", "demand", "renewal"] as const)
      expect(refused("new.test", why, many)?.reason).toContain("300 orders in 3 hours");
    expect(refuseOrder({ name: "new.test", why: "renewal", at: NOW, isExempt: true }, many)).toBeUndefined();
    const exempt = many.map((order) => ({ ...order, isExempt: order.why === "renewal" }));
    expect(refused("new.test", "added", exempt)).toBeUndefined();
    expect(roomFor("added", exempt, NOW).count).toBe(50);
    expect(roomFor("added", many, NOW).count).toBe(0);
  });

  test("below one registered domain are fifty a week", () => {
    const many = placed(50, "added", (index) => `n${index}.example.com`, HOUR);
    expect(refused("more.example.com", "added", many)?.reason).toContain(
      "50 new certificates a week below example.com",
    );
    expect(refused("more.example.org", "added", many)).toBeUndefined();
  });

  test("that visitors bring about below one tenant's wildcard are ten a week", () => {
    const many = placed(10, "demand", (index) => `n${index}.acme.example.com`, HOUR).map((order) => ({
      ...order,
      owner: "acme",
    }));
    const wish = { name: "more.acme.example.com", why: "demand", at: NOW } as const;
    expect(refuseOrder({ ...wish, owner: "acme" }, many)?.reason).toContain("10 new certificates a week");
    expect(refuseOrder({ ...wish, owner: "other" }, many)).toBeUndefined();
    expect(refuseOrder({ ...wish, why: "added", owner: "acme" }, many)).toBeUndefined();
  });
});
