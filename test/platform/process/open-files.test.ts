// A child has the limit of open files that it was given, from its first instruction, and ours is untouched.
import { afterEach, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync } from "node:fs";
import { Fault } from "../../../src/core/fault.ts";
import { limitFiles, USUAL_OPEN_FILES } from "../../../src/platform/process/open-files.ts";

const opened: number[] = [];
afterEach(() => {
  for (const descriptor of opened.splice(0)) closeSync(descriptor);
});

const own = () => /^Max open files\s+(\d+)\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
const hard = process.platform === "linux" ? Number(own()?.[2]) : 0;

/** What a child says that its limit is. */
async function limitIn(soft: number, required = false, free = 20): Promise<number> {
  const spawn = () => Bun.spawn(["sh", "-c", "ulimit -Sn"], { stdout: "pipe" });
  const child = limitFiles(soft, required, free, spawn);
  return Number(await new Response(child.stdout).text());
}

test.skipIf(process.platform !== "linux")(
  "a child has its limit from the beginning, we keep ours",
  async () => {
    const before = own()?.[1];
    const seen = await Promise.all(Array.from({ length: 50 }, () => limitIn(USUAL_OPEN_FILES)));
    expect(seen).toEqual(seen.map(() => 1024));
    expect(await limitIn(2000, true)).toBe(2000);
    expect(await limitIn(2 ** 40)).toBe(hard);
    expect(own()?.[1]).toBe(before);
  },
);

test.skipIf(process.platform !== "linux")("what cannot be had is refused when it was asked for", () => {
  expect(() => limitFiles(hard + 1, true, 20, () => Bun.spawn(["true"]))).toThrow(
    new Fault("unhealthy", `open_files = ${hard + 1} is above the hard limit ${hard}`),
  );
});

test.skipIf(process.platform !== "linux")(
  "with more files open than a child may have, it is started all the same",
  async () => {
    for (let count = 0; count < 100; count++) opened.push(openSync("/dev/null", "r"));
    // It asks when it is told to: in its first instants it would still see ours.
    const spawn = () => Bun.spawn(["sh", "-c", "read line; ulimit -Sn"], { stdin: "pipe", stdout: "pipe" });
    const child = limitFiles(64, true, Math.max(...opened), spawn);
    child.stdin.write("go\n");
    child.stdin.end();
    expect(Number(await new Response(child.stdout).text())).toBe(64);
  },
);

test.skipIf(process.platform !== "linux")(
  "a program that cannot be started leaves our limit as it was",
  () => {
    const before = own()?.[1];
    expect(() => limitFiles(1024, false, 20, () => Bun.spawn(["/no/such/program"]))).toThrow();
    expect(own()?.[1]).toBe(before);
  },
);
