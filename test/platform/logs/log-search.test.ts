// A search of logs is made in a process of its own, one at a time for each who asks, and ends in time.
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../../src/core/fault.ts";
import { createLogSearch } from "../../../src/platform/logs/log-search.ts";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const program = [process.execPath, join(import.meta.dir, "../../../src/main.ts")];
const cleanups: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

function logs(...contents: (string | Uint8Array)[]) {
  const directory = createTempDir();
  cleanups.push(() => directory[Symbol.dispose]());
  return contents.map((content, place) => {
    const path = directory.file(`${place}.log`);
    writeFileSync(path, content);
    return { path, from: 0 };
  });
}

/** A program that takes its time, and says that it was started and how often. */
function slowProgram() {
  const directory = createTempDir();
  cleanups.push(() => directory[Symbol.dispose]());
  const script = directory.file("slow.sh");
  writeFileSync(script, `#!/bin/sh\necho started >> ${directory.file("starts")}\nexec sleep 60\n`, {
    mode: 0o755,
  });
  return { program: [script], starts: directory.file("starts") };
}

describe.each([
  ["beside", program],
  ["here", []],
])("%s", (_, words) => {
  const search = createLogSearch({ clock: systemClock, program: words, smallBytes: -1 });

  test("finds the last lines of each file that contain the text, bytes that are no UTF-8 included", async () => {
    const broken = Buffer.concat([Buffer.from("hit "), Buffer.from([0xff, 0xfe]), Buffer.from("\n")]);
    const files = logs("hit 1\nmiss\nhit 2\nhit 3\n", "nothing\n", broken);
    const tails = await search.find("alice", { files, text: "hit", limit: 2 });
    expect(tails.map(({ lines }) => lines.map(({ text }) => text))).toEqual([
      ["hit 2", "hit 3"],
      [],
      ["hit \ufffd\ufffd"],
    ]);
    expect(Buffer.from(tails[2]?.lines[0]?.bytes ?? [])).toEqual(broken.subarray(0, -1));
    expect(tails.map(({ end }) => end)).toEqual([23, 8, 7]);
  });

  test("keeps to its range, and a file that is not there has no lines", async () => {
    const [file] = logs("hit 1\nhit 2\nhit 3\n");
    const files = [
      { path: file?.path ?? "", from: 6, to: 14 },
      { path: "/nowhere/stdout.log", from: 0 },
    ];
    const tails = await search.find("alice", { files, text: "hit", limit: 10 });
    expect(tails.map(({ lines }) => lines.map(({ text }) => text))).toEqual([["hit 2"], []]);
  });
});

test("what takes too long is ended, and says what to do", async () => {
  const { program, starts } = slowProgram();
  const search = createLogSearch({ clock: systemClock, program, budgetMs: 300, smallBytes: -1 });
  const thrown = await search.find("alice", { files: [], text: "x", limit: 1 }).catch((fault) => fault);
  expect(thrown).toBeInstanceOf(Fault);
  expect([thrown.code, thrown.message]).toEqual([
    "stopped_waiting",
    "the search of the logs was given up after 0.3 s",
  ]);
  expect(existsSync(starts)).toBe(true);
});

test("one runs at a time; who gives up leaves the turn to the next, and too many of one are refused", async () => {
  const { program, starts } = slowProgram();
  const search = createLogSearch({ clock: systemClock, program, smallBytes: -1 });
  const wanted = { files: [], text: "x", limit: 1 };
  const stops = Array.from({ length: 8 }, () => new AbortController());
  const outcomes = stops.map(({ signal }) =>
    search.find("alice", wanted, signal).then(
      () => "found",
      (thrown) => (thrown instanceof Fault ? thrown.code : "aborted"),
    ),
  );
  const other = new AbortController();
  const others = search.find("bob", wanted, other.signal).catch(() => "aborted");
  await Bun.sleep(0);
  while (!existsSync(starts)) await Bun.sleep(10);
  for (const stop of stops) stop.abort();
  expect(await Promise.all(outcomes)).toEqual([
    ...new Array(5).fill("aborted"),
    ...new Array(3).fill("conflict"),
  ]);
  other.abort();
  expect(await others).toBe("aborted");
  // Alice's first, and bob's when that was given up; those that waited were never begun.
  expect((await Bun.file(starts).text()).split("\n").length - 1).toBeLessThanOrEqual(2);
});

test("what is small starts no process", async () => {
  const files = logs("hit 1\nmiss\n");
  const search = createLogSearch({ clock: systemClock, program: ["/nonexistent"] });
  const [tail] = await search.find("alice", { files, text: "hit", limit: 2 });
  expect(tail?.lines.map(({ text }) => text)).toEqual(["hit 1"]);
  const other = createLogSearch({ clock: systemClock, program: ["/nonexistent"], smallBytes: 0 });
  await expect(other.find("alice", { files, text: "hit", limit: 2 })).rejects.toThrow();
});
