// Health as a table: from which state which checks lead where.
import { describe, expect, test } from "bun:test";
import {
  adoptedHealth,
  freshHealth,
  type Health,
  type HealthState,
  nextHealth,
  unhealthyForMs,
} from "../../src/core/health.ts";

/** Runs checks one second apart: `+` passed, `-` failed. */
function after(start: Health, checks: string): Health {
  return [...checks].reduce((health, check, at) => nextHealth(health, check === "+", at * 1000), start);
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
    const health = after(adoptedHealth(from, 0), checks);
    expect({ state: health.state, failures: health.failures }).toEqual({ state: to, failures });
  });

  test("failures while starting do not count once it is healthy", () => {
    expect(after(freshHealth(), "--+--").state).toBe("healthy");
  });

  test("what was adopted is unchecked until the first check, whatever that says", () => {
    expect(adoptedHealth("healthy", 0).unchecked).toBe(true);
    expect(after(adoptedHealth("healthy", 0), "+").unchecked).toBe(false);
    expect(after(adoptedHealth("healthy", 0), "-")).toMatchObject({ state: "healthy", unchecked: false });
  });

  test("the time of being unhealthy runs from the failure that made it so, and ends with health", () => {
    const unhealthy = after(adoptedHealth("healthy", 0), "-----");
    expect(unhealthyForMs(unhealthy, 62_000)).toBe(60_000);
    expect(unhealthyForMs(after(unhealthy, "+"), 62_000)).toBe(0);
    expect(unhealthyForMs(adoptedHealth("unhealthy", 1000), 3000)).toBe(2000);
    expect(unhealthyForMs(after(freshHealth(), "-----"), 62_000)).toBe(0);
  });
});
