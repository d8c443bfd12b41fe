// The lines of an access log: what is asked for of those that are there, and all that come behind them.
import { expect, test } from "bun:test";
import { appendFileSync, closeSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { furtherLines, lastLines } from "../../../src/ten/logs/access-lines.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const line = (path: string) => `${JSON.stringify({ path })}\n`;
const isMeant = ({ path }: Readonly<Record<string, unknown>>) => path !== "/other";

test("what is written after the last lines were read comes behind them, whole and once", async () => {
  using temp = createTempDir();
  const file = temp.file("access.log");
  writeFileSync(file, `${line("/1")}no JSON\n${line("/other")}${line("/2")}${line("/é").slice(0, 10)}`);
  const last = await lastLines(file, 10, isMeant);
  expect(last.lines.map(({ path }) => path)).toEqual(["/1", "/2"]);
  appendFileSync(file, `${line("/é").slice(10)}${line("/other")}${line("/3")}`);
  const stop = new AbortController();
  const further: unknown[] = [];
  for await (const { path } of furtherLines(file, last.end, isMeant, {
    clock: systemClock,
    signal: stop.signal,
  })) {
    further.push(path);
    if (path === "/é") appendFileSync(file, line("/4"));
    if (path === "/4") stop.abort();
  }
  expect(further).toEqual(["/é", "/3", "/4"]);
});

test("only so many are answered, the newest; a file that is not there has none", async () => {
  using temp = createTempDir();
  const file = temp.file("access.log");
  expect(await lastLines(file, 10, isMeant)).toEqual({ lines: [], end: 0 });
  writeFileSync(file, ["/1", "/2", "/other", "/3"].map(line).join(""));
  expect((await lastLines(file, 2, isMeant)).lines.map(({ path }) => path)).toEqual(["/2", "/3"]);
});

test("what is still written to a file that was moved away, or has no name any more, is followed too", async () => {
  using temp = createTempDir();
  const file = temp.file("access.log");
  const moved = temp.file("access.log.1");
  writeFileSync(file, line("/0"));
  const stop = new AbortController();
  const further: unknown[] = [];
  const steps: Record<string, () => void> = {
    // By rename: who writes has the old file open for a while, and others the new one already.
    "/0": () => {
      renameSync(file, moved);
      appendFileSync(moved, line("/1"));
      writeFileSync(file, line("/2"));
    },
    "/2": () => {
      appendFileSync(moved, line("/3"));
      appendFileSync(file, line("/4"));
    },
    // Without another one yet.
    "/4": () => {
      const open = openSync(file, "a");
      rmSync(file);
      writeSync(open, line("/5"));
      closeSync(open);
    },
    "/5": () => writeFileSync(file, line("/6")),
    // Back again.
    "/6": () => {
      renameSync(file, temp.file("aside"));
      appendFileSync(temp.file("aside"), line("/7"));
    },
    "/7": () => {
      renameSync(temp.file("aside"), file);
      appendFileSync(file, line("/8"));
    },
    "/8": () => stop.abort(),
  };
  for await (const { path } of furtherLines(file, 0, isMeant, { clock: systemClock, signal: stop.signal })) {
    further.push(path);
    steps[String(path)]?.();
  }
  expect(further).toEqual(["/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8"]);
});
