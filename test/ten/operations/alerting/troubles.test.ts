// What counts as trouble of an instance, a service, a canary and a disk, and when it is over.
import { describe, expect, test } from "bun:test";
import { orphanService } from "../../../../src/ten/config/service.ts";
import {
  conditionOfCanary,
  conditionOfDisk,
  conditionOfInstance,
  conditionOfService,
} from "../../../../src/ten/operations/alerting/troubles.ts";
import type { InstanceRow } from "../../../../src/ten/registry/registry.ts";

const HOUR = 3_600_000;

function row(change: Partial<InstanceRow>): InstanceRow {
  const usual = { service: "api", id: "v1", version: "v1", weight: 100_00, desired: "running" } as const;
  const state = { state: "healthy", reason: "passes", stateAt: 0, createdAt: 0, deploying: false } as const;
  return { ...usual, ...state, lastExit: null, ...change } as InstanceRow;
}

describe("an instance", () => {
  test.each([
    [{ state: "failed" }, "bad"],
    [{ state: "failed", deploying: true }, "between"],
    [{ state: "unhealthy", stateAt: 30_000 }, "between"],
    [{ state: "unhealthy", stateAt: 0 }, "bad"],
    // The clock was set back since.
    [{ state: "unhealthy", stateAt: HOUR }, "bad"],
    [{ state: "unhealthy", stateAt: 0, deploying: true }, "between"],
    [{ state: "starting" }, "between"],
    [{ state: "draining" }, "between"],
    [{ state: "healthy" }, "good"],
    [{ state: "sleeping" }, "good"],
    [{ state: "stopped", desired: "stopped" }, "good"],
  ] as const)("that is %o stands %s", (change, standing) => {
    expect(conditionOfInstance(row(change), 60_000).standing).toBe(standing);
  });
});

describe("a service", () => {
  const look = (rows: readonly InstanceRow[], isMaintained = false) =>
    conditionOfService("api", rows, orphanService("api"), { hasServed: true, isMaintained });
  test.each([
    ["all of its instances with weight are out", [row({ state: "failed", desired: "stopped" })], "bad"],
    ["one of them serves", [row({ state: "failed" }), row({ id: "v2" })], "good"],
    ["one sleeps, and wakes for a visitor", [row({ state: "sleeping" })], "good"],
    ["only one without weight serves", [row({ state: "failed" }), row({ id: "v2", weight: 0 })], "bad"],
    [
      "its only instance ended by itself and is left so",
      [row({ state: "stopped", desired: "stopped" })],
      "bad",
    ],
    ["nothing of it is meant to run", [row({ state: "stopped", desired: "stopped", weight: 0 })], "good"],
    ["its first deploy is under way", [row({ state: "starting", deploying: true })], "good"],
  ])("when %s", (_, rows, standing) => {
    expect(look(rows).standing).toBe(standing as "bad");
  });
  test("under maintenance is no trouble", () =>
    expect(look([row({ state: "failed" })], true).standing).toBe("good"));
});

describe("a canary", () => {
  const rows = [row({ weight: 90_00 }), row({ id: "v2", version: "v2", weight: 10_00 })];
  const look = (change: { nowMs?: number; afterMs?: number; isJudged?: boolean }, changedAt = 0) =>
    conditionOfCanary("api", rows, changedAt, {
      nowMs: 25 * HOUR,
      afterMs: 24 * HOUR,
      isJudged: false,
      ...change,
    });
  test("is forgotten a day after its split was changed", () => {
    expect(look({})).toMatchObject({
      standing: "bad",
      detail: expect.stringContaining("v1 90 %, v2 10 % unchanged for 25 h"),
    });
    expect(look({ nowMs: 23 * HOUR }).standing).toBe("good");
    expect(look({}, 2 * HOUR).standing).toBe("good");
  });
  test("is not while it is judged, nor where nobody wants to know", () => {
    expect(look({ isJudged: true }).standing).toBe("good");
    expect(look({ afterMs: 0 }).standing).toBe("good");
  });
});

describe("a disk", () => {
  const GIB = 1024 ** 3;
  test.each([
    [20 * GIB, 0.9 * GIB, "bad"],
    [20 * GIB, 1.1 * GIB, "between"],
    [20 * GIB, 1.3 * GIB, "good"],
    [2000 * GIB, 1.9 * GIB, "bad"],
    [2000 * GIB, 3 * GIB, "good"],
  ])("of %d with %d free", (totalBytes, freeBytes, standing) => {
    expect(conditionOfDisk({ path: "/x", totalBytes, freeBytes }).standing).toBe(standing as "bad");
  });
});
