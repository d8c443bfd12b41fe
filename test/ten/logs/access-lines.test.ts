// The lines of an access log: what is asked for of those that are there, and all that come behind them.
import { expect, test } from "bun:test";
import { appendFileSync, writeFileSync } from "node:fs";
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
