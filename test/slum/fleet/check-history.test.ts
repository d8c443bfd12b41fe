// The last day of a server: what its checks found, and when it went and came back.
import { describe, expect, test } from "bun:test";
import { CheckHistory, dayStartMs, STEP_MS, STEPS } from "../../../src/slum/fleet/check-history.ts";
import { periodsOf, stepStates, upShare } from "../../../src/slum/page/outages.ts";

const NOW = Date.parse("2026-03-01T12:07:00Z");
const at = (minutesAgo: number) => NOW - minutesAgo * 60_000;
const iso = (minutesAgo: number) => new Date(at(minutesAgo)).toISOString();

describe("checks", () => {
  test("are counted by quarter hours, for a day and no longer", () => {
    const history = new CheckHistory();
    history.note("iad", at(1_441), false, undefined);
    history.note("iad", at(30), true, 12.34);
    history.note("iad", at(30), false, 12.34);
    history.note("iad", NOW, true, 15);
    const steps = history.steps("iad", NOW);
    expect(steps?.failed.length).toBe(STEPS);
    expect(steps?.failed.slice(-3)).toEqual([1, null, 0]);
    expect(steps?.latencyMs.slice(-3)).toEqual([12.3, null, 15]);
    expect(steps?.failed.filter((count) => count !== null).length).toBe(2);
    expect(history.steps("fra", NOW)).toBeUndefined();
    history.retain(new Set(["fra"]));
    expect(history.steps("iad", NOW)).toBeUndefined();
  });
});

const change = (kind: string, server: string, minutesAgo: number, detail = "") => ({
  ...{ seq: -minutesAgo, at: iso(minutesAgo), kind, server, tenant: null, detail },
  ...{ by: null, from: null, operation: null },
});
const known = (id: string, more: object = {}) => ({
  ...{ id, status: "online" as const, drained: false, since: iso(1), last_error: null },
  ...more,
});

describe("outages", () => {
  const start = new Date(dayStartMs(NOW)).toISOString();

  test("begin and end as it was noted, once however many slums saw it, the newest first", () => {
    const changes = [
      change("server.online", "iad", 600),
      change("server.offline", "iad", 300, "refused"),
      change("server.offline", "iad", 299, "refused, seen by slum 2"),
      change("server.online", "iad", 290),
      change("server.drained", "fra", 60),
      change("server.offline", "gone", 50),
      change("server.offline", "iad", 5, "timeout"),
    ];
    const servers = [known("iad", { status: "offline" }), known("fra", { drained: true })];
    expect(periodsOf({ changes, start }, servers)).toEqual([
      { server: "iad", kind: "offline", fromMs: at(5), toMs: undefined, text: "timeout" },
      { server: "fra", kind: "drained", fromMs: at(60), toMs: undefined, text: "" },
      { server: "iad", kind: "offline", fromMs: at(300), toMs: at(290), text: "refused" },
    ]);
  });

  test("that began before the day and ended in it are whole; those that ended before it are of no day", () => {
    const changes = [
      change("server.offline", "iad", 2_400),
      change("server.online", "iad", 2_000),
      change("server.offline", "iad", 1_500, "refused"),
      change("server.online", "iad", 960),
    ];
    const periods = periodsOf({ changes, start }, [known("iad")]);
    expect(periods).toEqual([
      { server: "iad", kind: "offline", fromMs: at(1_500), toMs: at(960), text: "refused" },
    ]);
    const { percent, falls } = upShare(periods, Date.parse(start), NOW);
    expect(falls).toBe(1);
    expect(percent).toBeWithin(60, 70);
  });

  test("that began before the day are known from the server", () => {
    const servers = [known("iad", { status: "offline", since: iso(5_000), last_error: "refused" })];
    const periods = periodsOf({ changes: [], start }, servers);
    expect(periods).toMatchObject([{ kind: "offline", fromMs: at(5_000), text: "refused" }]);
    expect(upShare(periods, Date.parse(start), NOW)).toEqual({ percent: 0, falls: 1 });
  });

  test("a step is down when the server was offline in any of it, and shaky when a check failed", () => {
    const failed = new Array<number | null>(STEPS).fill(0);
    failed[0] = null;
    failed[1] = 1;
    const startMs = dayStartMs(NOW);
    const down = { server: "iad", kind: "offline" as const, text: "" };
    const periods = [{ ...down, fromMs: startMs + 2.5 * STEP_MS, toMs: startMs + 3.5 * STEP_MS }];
    expect(stepStates({ start, step_secs: STEP_MS / 1000 }, failed, periods).slice(0, 5)).toEqual([
      "unknown",
      "shaky",
      "down",
      "down",
      "up",
    ]);
    expect(upShare(periods, startMs, startMs + 100 * STEP_MS)).toEqual({ percent: 99, falls: 1 });
  });
});
