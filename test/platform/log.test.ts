// The program's own log: a line an event, and a log that cannot be written stops nobody.
import { describe, expect, test } from "bun:test";
import { createLog } from "../../src/platform/log.ts";
import { lacks } from "../support/installed.ts";
import { createManualClock } from "../support/manual-clock.ts";

/** A program that logs 20,000 lines and then says on stdout how many were dropped. */
const chatty = `
  import { systemClock } from ${JSON.stringify(require.resolve("../../src/platform/time/clock.ts"))};
  import { createLog } from ${JSON.stringify(require.resolve("../../src/platform/log.ts"))};
  const log = createLog(systemClock);
  for (let line = 0; line < 20_000; line++) log.info("x".repeat(60));
  console.log(log.dropped);`;

describe("a line", () => {
  test("has the time, the level and the text, all on one line", () => {
    const lines: string[] = [];
    const log = createLog(createManualClock(0), (line) => void lines.push(line));
    log.info("started");
    log.warn("a\nb\t\u001b[31mred");
    log.error("é".repeat(5000));
    expect(lines[0]).toBe("1970-01-01T00:00:00.000Z info  started\n");
    expect(lines[1]).toBe("1970-01-01T00:00:00.000Z warn  a\\nb\t\\u001b[31mred\n");
    expect(Buffer.byteLength(lines[2] ?? "")).toBeLessThan(4096);
    expect(lines[2]).toEndWith("…\n");
  });
});

describe("a log that cannot be written", () => {
  test("drops and counts, and tells the count with the next line that goes through", () => {
    const lines: string[] = [];
    let full = true;
    const log = createLog(createManualClock(0), (line) => {
      if (full) throw new Error("ENOSPC");
      lines.push(line);
    });
    log.info("one");
    log.info("two");
    full = false;
    log.info("three");
    log.info("four");
    expect(log.dropped).toBe(2);
    expect(lines.map((line) => line.slice(25).trim())).toEqual([
      "warn  2 lines of this log could not be written",
      "info  three",
      "info  four",
    ]);
  });

  test.each([
    ["a full disk", "2>/dev/full", 20_000],
    ["a file", "2>/dev/null", 0],
  ])("does not stop the program: %s", async (_, redirection, dropped) => {
    const child = Bun.spawn(["sh", "-c", `exec "$0" -e "$1" ${redirection}`, process.execPath, chatty]);
    expect(await child.stdout.text()).toBe(`${dropped}\n`);
    expect(await child.exited).toBe(0);
  });

  test.skipIf(lacks("python3"))("does not hold the program up when nobody reads the pipe", async () => {
    const reader = "import os, subprocess, sys; r, w = os.pipe(); subprocess.run(sys.argv[1:], stderr=w)";
    const child = Bun.spawn(["python3", "-c", reader, process.execPath, "-e", chatty]);
    expect(Number(await child.stdout.text())).toBeGreaterThan(10_000);
    expect(await child.exited).toBe(0);
  });

  test("shares a file with what else goes to it, losing nothing", async () => {
    const script = `
      import { systemClock } from ${JSON.stringify(require.resolve("../../src/platform/time/clock.ts"))};
      import { createLog } from ${JSON.stringify(require.resolve("../../src/platform/log.ts"))};
      const log = createLog(systemClock);
      for (const n of [1, 2, 3]) { log.info("log " + n); process.stdout.write("out " + n + "\\n"); }`;
    const file = `${process.env.TMPDIR ?? "/tmp"}/ten-log-${crypto.randomUUID()}`;
    const child = Bun.spawn(["sh", "-c", 'exec "$0" -e "$1" >"$2" 2>&1', process.execPath, script, file]);
    await child.exited;
    const text = await Bun.file(file).text();
    await Bun.file(file).delete();
    expect(text.match(/(log|out) \d/g)?.sort()).toEqual([
      "log 1",
      "log 2",
      "log 3",
      "out 1",
      "out 2",
      "out 3",
    ]);
  });
});
