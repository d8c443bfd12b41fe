// The status of a server: when it goes offline, when it is back, and when its tenants return to it.
import { describe, expect, test } from "bun:test";
import { freshStanding, nextStanding, type Standing } from "../../../src/slum/fleet/server-health.ts";

/** A row of checks, `x` failed and `.` passed, one every 30 s, as `[status, settled]` after each. */
function run(checks: string, from: Standing = freshStanding(0)) {
  let standing = from;
  const seen = [...checks].map((check, index) => {
    standing = nextStanding(standing, check === ".", (index + 1) * 30_000);
    return `${standing.status}${standing.settledAtMs === undefined ? "" : " settled"}`;
  });
  return { standing, seen };
}

describe("the status of a server", () => {
  test("is unknown and trusted with its tenants before its first check", () => {
    expect(freshStanding(7)).toMatchObject({ status: "unknown", sinceMs: 7, failures: 0 });
    expect(run(".").seen).toEqual(["online settled"]);
  });

  test("is offline after three failures in a row and not before", () => {
    expect(run(".xx.xxx").seen).toEqual([
      "online settled",
      "online settled",
      "online settled",
      "online settled",
      "online settled",
      "online settled",
      "offline",
    ]);
    expect(run("xxx").seen).toEqual(["unknown settled", "unknown settled", "offline"]);
  });

  test("knows since when its checks fail, and when it changed", () => {
    const { standing } = run(".xxxx");
    expect(standing).toMatchObject({ failingSinceMs: 60_000, sinceMs: 120_000, failures: 4 });
    expect(nextStanding(standing, true, 999_000)).toMatchObject({
      status: "online",
      failingSinceMs: undefined,
      sinceMs: 999_000,
    });
  });

  test("is online after one good poll, and settled after two", () => {
    expect(run("xxx..").seen.slice(3)).toEqual(["online", "online settled"]);
    expect(run("xxx.xxx.").seen.slice(3)).toEqual(["online", "online", "online", "offline", "online"]);
  });

  test("needs twice as many good polls to settle for each fall of the last ten minutes", () => {
    expect(run("xxx..xxx....").seen.slice(-4)).toEqual(["online", "online", "online", "online settled"]);
    const settledAt = run("xxx..xxx....xxx........").seen.lastIndexOf("online");
    expect(settledAt).toBe("xxx..xxx....xxx........".length - 2);
    const { standing } = run("xxx..xxx....");
    const later = nextStanding(nextStanding(standing, false, 2_000_000), false, 2_000_500);
    const down = nextStanding(later, false, 2_001_500);
    expect(nextStanding(down, true, 2_002_000).falls).toEqual([2_001_500]);
  });
});
