// What a session uses is the sum over all of its processes.
import { describe, expect, test } from "bun:test";
import {
  type ProcessInfo,
  parsePs,
  parseStat,
  readProcess,
  readWords,
} from "../../../src/platform/process/proc.ts";
import { createUsageMeter } from "../../../src/platform/process/usage.ts";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { until } from "../../support/until.ts";

const info = (pid: number, session: number, more: Partial<ProcessInfo> = {}): ProcessInfo => ({
  pid,
  session,
  group: session,
  zombie: false,
  suspended: false,
  parent: 1,
  startTime: "1",
  cpuMs: 0,
  rssBytes: 1000,
  ...more,
});

describe("the meter", () => {
  test("sums the processes of a session and takes the CPU since the look before", async () => {
    const clock = createManualClock();
    let seen: ProcessInfo[] = [
      info(1, 1, { cpuMs: 500 }),
      info(2, 1),
      info(3, 3),
      info(4, 1, { zombie: true }),
    ];
    const meter = createUsageMeter(clock, () => seen);
    const sessions = new Set([1, 9]);
    expect([...meter.measure(sessions)]).toEqual([
      [1, { cpuPercent: undefined, cpuSecs: expect.any(Number), rssBytes: 2000, processes: 2 }],
    ]);
    await clock.advance(2000);
    seen = [info(1, 1, { cpuMs: 1500 }), info(2, 1, { cpuMs: 2000 })];
    expect(meter.measure(sessions).get(1)).toEqual({
      cpuPercent: 150,
      cpuSecs: 3.5,
      rssBytes: 2000,
      processes: 2,
    });
    await clock.advance(2000);
    seen = [info(1, 1, { cpuMs: 1500 })];
    expect(meter.measure(sessions).get(1)?.cpuPercent).toBe(0);
    await clock.advance(2000);
    seen = [info(1, 1, { cpuMs: 9999, startTime: "2" })];
    expect(meter.measure(sessions).get(1)?.cpuPercent).toBeUndefined();
  });

  test("sees what a busy grandchild really burns", async () => {
    const script = "sh -c 'while :; do :; done' & exec sleep 100";
    await using child = Bun.spawn(["sh", "-c", script], { detached: true });
    const meter = createUsageMeter(systemClock);
    const sessions = new Set([child.pid]);
    meter.measure(sessions);
    const from = performance.now();
    let usage = meter.measure(sessions).get(child.pid);
    while (performance.now() - from < 60_000 && (usage?.cpuPercent ?? 0) <= 1) {
      await Bun.sleep(200);
      usage = meter.measure(sessions).get(child.pid);
    }
    process.kill(-child.pid, "SIGKILL");
    // Its share of a busy machine may be small; of one that does nothing it is 0.
    expect(usage?.cpuPercent).toBeGreaterThan(1);
    expect(usage?.processes).toBe(2);
    expect(usage?.rssBytes).toBeGreaterThan(100_000);
  });
});

describe("what the kernel says", () => {
  test("a process name may hold anything without shifting the fields", () => {
    const stat = `42 (a) b (\n1 2) S 1 7 8 0 -1 4194560 1 2 3 4 10 20 5 6 20 0 1 0 9999 1000 25 18446744073709551615\n`;
    expect(parseStat(stat)).toMatchObject({
      pid: 42,
      group: 7,
      session: 8,
      startTime: "9999",
      cpuMs: 410,
      zombie: false,
    });
    expect(parseStat("")).toBeUndefined();
  });

  test("ps says the same as /proc about this process", () => {
    const columns = "pid=,ppid=,pgid=,stat=,rss=,time=,lstart=";
    const text = Bun.spawnSync(["ps", "-o", columns, "-p", String(process.pid)]).stdout.toString();
    const [fromPs] = parsePs(text);
    const here = readProcess(process.pid);
    expect(fromPs).toMatchObject({
      pid: process.pid,
      group: here?.group ?? -1,
      parent: process.ppid,
      zombie: false,
    });
    expect(Math.abs((fromPs?.rssBytes ?? 0) - (here?.rssBytes ?? 0))).toBeLessThan(20_000_000);
    expect(parsePs("  7 1 7 Z 0 1-02:03:04 Mon Nov 23 23:47:19 2026")).toMatchObject([
      { pid: 7, zombie: true, cpuMs: 93_784_000, startTime: "Mon Nov 23 23:47:19 2026" },
    ]);
  });
});

test.skipIf(process.platform !== "linux")(
  "words of a command line are read as they were written",
  async () => {
    await using child = Bun.spawn(["sleep", "60"], { argv0: "/srv/wälk er/sleep" });
    await until("it runs", () => readWords(child.pid)?.[1] === "60");
    expect(readWords(child.pid)).toEqual(["/srv/wälk er/sleep", "60"]);
    child.kill();
  },
);
