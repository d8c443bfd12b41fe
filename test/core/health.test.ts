// Health as a table: from which state which checks lead where.
import { describe, expect, test } from "bun:test";
import {
  adoptedHealth,
  freshHealth,
  type Health,
  type HealthState,
  nextHealth,
} from "../../src/core/health.ts";

/** Runs checks: `+` passed, `-` failed. */
function after(start: Health, checks: string): Health {
  return [...checks].reduce((health, check) => nextHealth(health, check === "+"), start);
}

describe("nextHealth", () => {
  const table: [from: HealthState, checks: string, to: HealthState, failures: number][] = [
    ["starting", "", "starting", 0],
    ["starting", "+", "healthy", 0],
    ["starting", "-----", "starting", 5],
    ["starting", "---+", "healthy", 0],
    ["healthy", "--", "healthy", 2],
    ["healthy", "---", "unhealthy", 3],
    ["healthy", "--+--", "healthy", 2],
    ["healthy", "--+---", "unhealthy", 3],
    ["unhealthy", "-", "unhealthy", 1],
    ["unhealthy", "----+", "healthy", 0],
    ["unhealthy", "+--", "healthy", 2],
  ];
  test.each(table)("%s after %s is %s", (from, checks, to, failures) => {
    const health = after(adoptedHealth(from), checks);
    expect({ state: health.state, failures: health.failures }).toEqual({ state: to, failures });
  });

  test("failures while starting do not count once it is healthy", () => {
    expect(after(freshHealth(), "--+--").state).toBe("healthy");
  });

  test("what was adopted is unchecked until the first check, whatever that says", () => {
    expect(adoptedHealth("healthy").unchecked).toBe(true);
    expect(after(adoptedHealth("healthy"), "+").unchecked).toBe(false);
    expect(after(adoptedHealth("healthy"), "-")).toMatchObject({ state: "healthy", unchecked: false });
  });
});
