// Logs of any size and content are read from their end, followed while they grow, and trimmed under a live writer.
import { afterEach, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createLineFollower, type Line, readTail } from "../../../src/platform/logs/log-file.ts";
import { createLogTrimmer } from "../../../src/platform/logs/log-trim.ts";
import { createProcesses } from "../../../src/platform/process/process.ts";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { createTempDir } from "../../support/temp-dir.ts";
import { until } from "../../support/until.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function logFile(content?: string | Uint8Array): string {
  const directory = createTempDir();
  cleanups.push(() => directory[Symbol.dispose]());
  const path = directory.file("stdout.log");
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

const texts = (lines: readonly Line[]) => lines.map((line) => line.text);
/** The texts of the last lines. */
async function lastLines(path: string, limit: number, matches?: (line: string) => boolean) {
  return texts((await readTail(path, { limit, ...(matches && { matches }) })).lines);
}
/** Follows a file, the texts only. */
function follow(path: string, from = 0) {
  const follower = createLineFollower(path, from);
  return { next: async () => texts(await follower.next()) };
}

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `line ${from + index} ${"é".repeat((from + index) % 97)}`);
const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");

describe("lastLines", () => {
  test.each<[string, number, string[]]>([
    ["", 10, []],
    ["\n", 10, [""]],
    ["a", 10, ["a"]],
    ["a\n", 10, ["a"]],
    ["a\nb", 10, ["a", "b"]],
    ["a\n\nb\n", 10, ["a", "", "b"]],
    ["a\nb\nc\n", 2, ["b", "c"]],
    ["a\nb\nc", 1, ["c"]],
    ["a\nb\n", 0, []],
  ])("of %j, at most %d, are %j", async (content, limit, lines) => {
    expect(await lastLines(logFile(content), limit)).toEqual(lines);
  });

  test("of a file that is not there are none", async () => {
    expect(await lastLines(logFile(), 10)).toEqual([]);
  });

  test("are whole and in order over any number of blocks", async () => {
    const lines = numbered(0, 10_000);
    const path = logFile(text(lines));
    expect(await lastLines(path, 20_000)).toEqual(lines);
    expect(await lastLines(path, 3000)).toEqual(lines.slice(-3000));
    expect(await lastLines(path, 2, (line) => line.startsWith("line 17 "))).toEqual(lines.slice(17, 18));
  });

  test("of lines exactly as long as a block are whole", async () => {
    const lines = ["a", "b", "c"].map((letter) => letter.repeat(64 * 1024 - 1));
    expect(await lastLines(logFile(text(lines)), 10)).toEqual(lines);
  });

  test("survive any bytes, and a line without an end comes in parts", async () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 256);
    expect((await lastLines(logFile(bytes), 10)).length).toBe(5);
    const endless = await lastLines(logFile("x".repeat(1_000_000)), 100);
    expect(endless.length).toBeWithin(2, 10);
    expect(endless.join("").length).toBe(1_000_000);
  });

  test("of a large file cost what is read, not what is there", async () => {
    const path = logFile();
    truncateSync(logFileOf(path), 0);
    appendFileSync(path, text(numbered(0, 200_000)));
    // The best of several: other tests keep the machine busy.
    const costs: number[] = [];
    for (let look = 0; look < 10; look++) {
      const before = performance.now();
      expect((await lastLines(path, 100)).length).toBe(100);
      costs.push(performance.now() - before);
    }
    expect(Math.min(...costs)).toBeLessThan(50);
  });
});

/** Makes the file if there is none. */
function logFileOf(path: string): string {
  appendFileSync(path, "");
  return path;
}

describe("a tail", () => {
  test("ends where the first line without an end begins, so that a follower goes on without gap or repetition", async () => {
    const path = logFile("one\ntwo\nthr");
    const tail = await readTail(path, { limit: 10 });
    expect(texts(tail.lines)).toEqual(["one", "two", "thr"]);
    const follower = follow(path, tail.end);
    expect(await follower.next()).toEqual([]);
    appendFileSync(path, "ee\nfour\n");
    expect(await follower.next()).toEqual(["three", "four"]);
  });

  test("says of each line where it ends, over blocks and holes", async () => {
    const lines = numbered(0, 10_000);
    const path = logFile(text(lines));
    const bytes = readFileSync(path);
    const check = (found: readonly Line[]) => {
      for (const { text, end } of found) {
        const start = end - Buffer.byteLength(text) - 1;
        expect(bytes.toString("utf8", start, end)).toBe(`${text}\n`);
      }
      return found.length;
    };
    expect(check((await readTail(path, { limit: 20_000 })).lines)).toBe(10_000);
    expect(check(await createLineFollower(path, 0).next())).toBeGreaterThan(1000);
    createLogTrimmer({ maxBytes: 512 * 1024, keepBytes: 256 * 1024 }).trim(path);
    expect(check((await readTail(path, { limit: 20_000 })).lines)).toBeGreaterThan(1000);
    const follower = createLineFollower(path, 0);
    expect(check([...(await follower.next()), ...(await follower.next())])).toBeGreaterThan(1000);
  });

  test("takes a page of zeros that the app wrote for what it is, as long as the log was never trimmed", async () => {
    const zeros = "\0".repeat(5 * 4096);
    const path = logFile(text(["before", zeros, "after"]));
    expect(await lastLines(path, 10)).toEqual(["before", zeros, "after"]);
    expect(await follow(path).next()).toEqual(["before", zeros, "after"]);
  });

  test("from an offset has all lines that end behind it, whole, and no other", async () => {
    const lines = ["first", "x".repeat(150_000), "third", "y".repeat(70_000)];
    const path = logFile(text(lines));
    const from = async (offset: number) => texts((await readTail(path, { limit: 10, from: offset })).lines);
    expect(await from(6)).toEqual(lines.slice(1));
    expect(await from(140_000)).toEqual(lines.slice(1));
    expect(await from(150_007)).toEqual(lines.slice(2));
    expect(await from(220_014)).toEqual([]);
  });

  test("has the exact bytes of what is no UTF-8, and only of that", async () => {
    const path = logFile(Buffer.concat([Buffer.from("\ufffd é\n"), Buffer.of(0xff, 0, 0x1b, 0x0a)]));
    const { lines } = await readTail(path, { limit: 10 });
    expect(lines.map(({ text, bytes }) => [text, bytes && [...bytes]])).toEqual([
      ["\ufffd é", undefined],
      ["\ufffd\0\x1b", [0xff, 0, 0x1b]],
    ]);
  });
});

describe("the follower", () => {
  test("gives complete lines as they come, from the end or from the beginning", async () => {
    const path = logFile("old\n");
    const fromEnd = follow(path, 4);
    const fromBeginning = follow(path);
    expect(await fromEnd.next()).toEqual([]);
    expect(await fromBeginning.next()).toEqual(["old"]);
    appendFileSync(path, "one\ntw");
    expect(await fromEnd.next()).toEqual(["one"]);
    appendFileSync(path, "o\n");
    expect(await fromEnd.next()).toEqual(["two"]);
    expect(await fromBeginning.next()).toEqual(["one", "two"]);
    expect(await fromBeginning.next()).toEqual([]);
  });

  test("does not cut a character in two", async () => {
    const path = logFile("");
    const follower = follow(path);
    await follower.next();
    const bytes = Buffer.from("é€😀\n");
    const seen: string[] = [];
    for (const byte of bytes) {
      appendFileSync(path, Buffer.of(byte));
      seen.push(...(await follower.next()));
    }
    expect(seen).toEqual(["é€😀"]);
  });

  test("starts anew when the file is truncated, replaced, or made only now", async () => {
    const path = logFile();
    const follower = follow(path);
    expect(await follower.next()).toEqual([]);
    writeFileSync(path, "made\nunfinished");
    expect(await follower.next()).toEqual(["made"]);
    truncateSync(path);
    appendFileSync(path, "short\n");
    expect(await follower.next()).toEqual(["short"]);
    renameSync(path, `${path}.1`);
    expect(await follower.next()).toEqual([]);
    writeFileSync(path, "a much longer line than before\n");
    expect(await follower.next()).toEqual(["a much longer line than before"]);
    rmSync(path);
    expect(await follower.next()).toEqual([]);
  });

  test("catches up with a file that is far ahead, in bounded steps", async () => {
    const lines = numbered(0, 30_000);
    const follower = follow(logFile(text(lines)));
    const seen: string[] = [];
    for (let step = await follower.next(); step.length > 0; step = await follower.next()) {
      expect(step.length).toBeLessThan(30_000);
      seen.push(...step);
    }
    expect(seen).toEqual(lines);
  });

  test("passes on a line without an end in parts", async () => {
    const path = logFile("");
    const follower = follow(path);
    let length = 0;
    for (let step = 0; step < 5; step++) {
      appendFileSync(path, "x".repeat(300_000));
      length += (await follower.next()).join("").length;
    }
    expect(length).toBe(1_500_000);
  });
});

describe.skipIf(process.platform !== "linux")("trimming", () => {
  const limits = { maxBytes: 512 * 1024, keepBytes: 256 * 1024 };
  const usedBytes = (path: string) => statSync(path).blocks * 512;

  test("gives back the beginning in place and keeps whole lines of the rest", async () => {
    const lines = numbered(0, 10_000);
    const path = logFile(text(lines));
    const { size } = statSync(path);
    expect(createLogTrimmer(limits).trim(path)).toBe(true);
    expect(statSync(path).size).toBe(size);
    expect(usedBytes(path)).toBeLessThan(300 * 1024);
    const left = await lastLines(path, 100_000);
    expect(left.length).toBeGreaterThan(1000);
    expect(left).toEqual(lines.slice(-left.length));
    const follower = follow(path);
    const followed = [...(await follower.next()), ...(await follower.next())];
    expect(followed.slice(-left.length)).toEqual(left);
    expect(createLogTrimmer(limits).trim(path)).toBe(false);
  });

  test("a follower that is too far behind goes on with the first whole line that is left", async () => {
    const lines = numbered(0, 10_000);
    const path = logFile("");
    const follower = follow(path);
    appendFileSync(path, "seen\nunfinished");
    expect(await follower.next()).toEqual(["seen"]);
    appendFileSync(path, `\n${text(lines)}`);
    createLogTrimmer(limits).trim(path);
    const seen = [...(await follower.next()), ...(await follower.next())];
    expect(seen.length).toBeGreaterThan(1000);
    expect(seen).toEqual(lines.slice(-seen.length));
  });

  test("a small file and a missing one are left alone", () => {
    expect(createLogTrimmer(limits).trim(logFile("small\n"))).toBe(false);
    expect(createLogTrimmer(limits).trim("/no/such/file")).toBe(false);
  });

  test("a process that writes meanwhile loses no line, and a follower sees every one", async () => {
    const path = logFile("");
    using processes = createProcesses(systemClock);
    const child = processes.start({
      argv: [
        "sh",
        "-c",
        `i=0; while [ $i -lt 30000 ]; do
           echo "line $i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; i=$((i+1)); [ $((i % 1000)) = 0 ] && sleep 0.02
         done`,
      ],
      env: { PATH: process.env.PATH ?? "" },
      cwd: "/",
      stdoutPath: path,
      stderrPath: path,
      nonce: "test",
    });
    cleanups.push(() => child.stop(0));
    const trimmer = createLogTrimmer(limits);
    const follower = follow(path);
    let seen = 0;
    let trimmed = 0;
    await until("all lines are seen", async () => {
      if (trimmer.trim(path)) trimmed++;
      for (const line of await follower.next()) expect(line).toStartWith(`line ${seen++} `);
      return seen === 30_000;
    });
    expect(trimmed).toBeGreaterThan(1);
    expect(usedBytes(path)).toBeLessThan(limits.maxBytes + 128 * 1024);
    expect(existsSync(`${path}.1`)).toBe(false);
    expect((await lastLines(path, 1))[0]).toStartWith("line 29999 ");
  });
});
