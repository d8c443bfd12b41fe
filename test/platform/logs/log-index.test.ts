// The times at which lines arrived are noted beside their log, survive crashes, and stay bounded.
import { afterEach, describe, expect, test } from "bun:test";
import { appendFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { createLogIndexer, readLogTimes } from "../../../src/platform/logs/log-index.ts";
import { type Clock, systemClock } from "../../../src/platform/time/clock.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

const HOUR_MS = 3_600_000;

/** A log whose writes happen at times of our choice. */
function setup(maxMarks?: number) {
  const directory = createTempDir();
  cleanups.push(() => directory[Symbol.dispose]());
  const path = directory.file("stdout.log");
  const start = Date.now() - HOUR_MS;
  const write = (text: string, atMs: number) => {
    appendFileSync(path, text);
    utimesSync(path, atMs / 1000, atMs / 1000);
  };
  const times = () => readLogTimes(path);
  return { path, start, write, times, indexer: createLogIndexer(systemClock, maxMarks) };
}

describe("the index of a log", () => {
  test("has the time of the last write before each look", () => {
    const { path, start, write, times, indexer } = setup();
    write("one\n", start);
    expect(indexer.look(path)).toBe(4);
    write("two\n", start + 100);
    write("three\n", start + 150);
    expect(indexer.look(path)).toBe(14);
    expect([1, 4, 5, 8, 14].map((end) => times().at(end))).toEqual(
      [0, 0, 150, 150, 150].map((after) => start + after),
    );
    expect(times().at(15)).toBeUndefined();
  });

  test("says behind which offset everything since a time lies", () => {
    const { path, start, write, times, indexer } = setup();
    for (const [at, text] of ["one\n", "two\n", "three\n"].entries()) {
      write(text, start + at * 1000);
      indexer.look(path);
    }
    expect([-1, 0, 1, 1000, 1001, 2000, 2001].map((after) => times().since(start + after))).toEqual([
      0, 0, 4, 4, 8, 8, 14,
    ]);
  });

  test("grows only when the log does", () => {
    const { path, write, start, indexer } = setup();
    write("one\n", start);
    for (let look = 0; look < 100; look++) indexer.look(path);
    expect(statSync(`${path}.index`).size).toBe(16);
  });

  test("goes on after a crash, with the gap's lines at the time of the last one, and a record cut short taken off", () => {
    const { path, start, write, times, indexer } = setup();
    write("one\n", start);
    indexer.look(path);
    appendFileSync(`${path}.index`, "torn");
    write("two\n", start + 5_000);
    const next = createLogIndexer(systemClock);
    next.look(path);
    write("six\n", start + 9_000);
    next.look(path);
    expect([4, 8, 12].map((end) => times().at(end))).toEqual([start, start + 5_000, start + 9_000]);
    expect(statSync(`${path}.index`).size).toBe(48);
  });

  test("begins anew with a log that was truncated or replaced, and damage costs only what it touches", () => {
    const { path, start, write, times, indexer } = setup();
    write("a long line\n", start);
    indexer.look(path);
    truncateSync(path);
    write("new\n", start + 1000);
    indexer.look(path);
    expect(times().at(4)).toBe(start + 1000);
    rmSync(path);
    writeFileSync(path, "");
    write("another\n", start + 2000);
    indexer.look(path);
    expect(times().at(2)).toBe(start + 2000);
    writeFileSync(`${path}.index`, new Float64Array([5, start, Number.NaN, 7, 3, 1, 8, start + 7]));
    expect([5, 8].map((end) => times().at(end))).toEqual([start, start + 7]);
    rmSync(`${path}.index`);
    expect(times().at(1)).toBeUndefined();
  });

  test("is bounded: old times get coarser, none gets earlier than the line, recent ones stay exact", () => {
    const { path, start, write, times, indexer } = setup(64);
    for (let line = 0; line < 500; line++) {
      write("12345678\n", start + line);
      indexer.look(path);
      expect(statSync(`${path}.index`).size).toBeLessThanOrEqual(64 * 16);
    }
    const seen = Array.from({ length: 500 }, (_, line) => (times().at((line + 1) * 9) ?? 0) - start - line);
    expect(Math.min(...seen)).toBe(0);
    expect(seen.slice(-16)).toEqual(seen.slice(-16).fill(0));
    expect(Math.max(...seen)).toBeLessThan(500);
  });

  test("never has times that are yet to come", () => {
    const { path, write, times } = setup();
    const clock: Clock = { ...systemClock, now: () => 1000 };
    write("one\n", Date.now());
    createLogIndexer(clock).look(path);
    expect(times().at(4)).toBe(1000);
  });

  test("a log that is not there has size 0, and one whose index cannot be written is no trouble", () => {
    const { path, write, start, indexer } = setup();
    expect(indexer.look(path)).toBe(0);
    write("one\n", start);
    expect(indexer.look(path)).toBe(4);
    expect(indexer.look("/proc/self/status")).toBe(0);
  });
});
