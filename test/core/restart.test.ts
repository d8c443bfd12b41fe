// Restarts as tables: who is started again, after how long, and when it has failed.
import { describe, expect, test } from "bun:test";
import {
  backoffMs,
  decideRestart,
  type Ending,
  NO_RESTARTS,
  type RestartDecision,
  type RestartHistory,
  type RestartMode,
  type RestartPolicy,
} from "../../src/core/restart.ts";

const policy: RestartPolicy = {
  mode: "on-failure",
  maxRestarts: 3,
  restartWindowMs: 300_000,
  backoffBaseMs: 1000,
  backoffMaxMs: 60_000,
  failedRetryMs: 60_000,
};

describe("the mode", () => {
  const table: [RestartMode, Ending, RestartDecision["action"]][] = [
    ["on-failure", "exited_zero", "rest"],
    ["on-failure", "exited_failing", "restart"],
    ["on-failure", "unhealthy", "restart"],
    ["on-failure", "not_started", "restart"],
    ["always", "exited_zero", "restart"],
    ["always", "exited_failing", "restart"],
    ["never", "exited_failing", "rest"],
    ["never", "unhealthy", "rest"],
  ];
  test.each(table)("%s: %s leads to %s", (mode, ending, action) => {
    expect(decideRestart({ ...policy, mode }, NO_RESTARTS, ending, 0, 0, 0).action).toBe(action);
  });
});

/** Crashes at the given times, each after so long a health. */
function crashes(times: readonly number[], healthyForMs = 0, more: Partial<RestartPolicy> = {}) {
  let history: RestartHistory = NO_RESTARTS;
  return times.map((at) => {
    const decision = decideRestart({ ...policy, ...more }, history, "exited_failing", healthyForMs, at, 0);
    history = decision.history;
    return decision.action === "rest" ? "rest" : `${decision.action} ${decision.delayMs}`;
  });
}

describe("the delays", () => {
  test("the first restart is immediate, the next ones back off, one too many has failed and is still tried", () => {
    expect(crashes([0, 1, 1001, 3001, 63_001])).toEqual([
      "restart 0",
      "restart 1000",
      "restart 2000",
      "fail 60000",
      "fail 60000",
    ]);
  });

  test("failed is for ever with a retry of 0", () => {
    expect(crashes([0, 1, 2, 3], 0, { failedRetryMs: 0 })[3]).toBe("fail undefined");
  });

  test("restarts older than the window do not count towards failing, but still back off", () => {
    expect(crashes([0, 200_000, 400_000, 600_000, 800_000, 1_000_000])).toEqual([
      "restart 0",
      "restart 1000",
      "restart 2000",
      "restart 4000",
      "restart 8000",
      "restart 16000",
    ]);
  });

  test("a minute of health starts the backoff anew, one millisecond less does not", () => {
    expect(crashes([0, 100_000, 200_000], 60_000)).toEqual(["restart 0", "restart 0", "restart 0"]);
    expect(crashes([0, 100_000, 200_000], 59_999)).toEqual(["restart 0", "restart 1000", "restart 2000"]);
  });

  test("max_restarts 0 fails at the first crash", () => {
    expect(crashes([0], 0, { maxRestarts: 0 })).toEqual(["fail 60000"]);
  });

  test.each([
    [0, 0, 0],
    [1, 1000, 2000],
    [2, 2000, 4000],
    [5, 16_000, 32_000],
    [6, 30_000, 60_000],
    [9999, 30_000, 60_000],
  ])("restart %d waits between %d and %d ms, by chance", (streak, least, most) => {
    expect(backoffMs(policy, streak, 0)).toBe(least);
    expect(backoffMs(policy, streak, 1)).toBe(most);
  });

  test("a base above the maximum waits the maximum", () => {
    expect(backoffMs({ backoffBaseMs: 5000, backoffMaxMs: 1000 }, 3, 0.5)).toBe(1000);
  });

  test("the history does not grow with the number of crashes", () => {
    let history: RestartHistory = NO_RESTARTS;
    for (let at = 0; at < 1000; at++)
      history = decideRestart(policy, history, "exited_failing", 0, at, 0).history;
    expect(history.restartsAtMs.length).toBe(4);
  });
});

test("a base of 0 is no pause at all", () => {
  for (const streak of [0, 1, 5, 50])
    expect(backoffMs({ backoffBaseMs: 0, backoffMaxMs: 60_000 }, streak, 0.9)).toBe(0);
});
