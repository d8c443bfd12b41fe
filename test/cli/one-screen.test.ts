// A report on a terminal of so many rows: what it leaves out, and that it says so.
import { expect, test } from "bun:test";
import { oneScreen } from "../../src/cli/one-screen.ts";

const out = { paint: (_: string, text: string) => text } as Parameters<typeof oneScreen>[0];
const lines = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name} ${n}`);
const HEAD = ["v2: crashed", "", "state  failed"];

test("without a terminal nothing is left out", () => {
  const text = oneScreen(out, HEAD, [{ title: "States", lines: lines("state", 50) }], undefined);
  expect(text.split("\n")).toHaveLength(3 + 1 + 50 + 1);
});

test("on one it fits with its prompt, every list has its newest, and what is cut is counted", () => {
  const sections = [
    { title: "States", lines: lines("state", 3) },
    { title: "Output", lines: lines(`output ${"x".repeat(100)}`, 50) },
    { title: "Nothing", lines: [] },
    { title: "Changes", lines: lines("change", 50) },
  ];
  const shown = oneScreen(out, HEAD, sections, { columns: 80, rows: 24 }).trimEnd().split("\n");
  expect(shown).toHaveLength(23);
  expect(shown.every((line) => line.length <= 80)).toBe(true);
  expect(shown).toContain("States");
  expect(shown).toContain("Output, the last 7 of 50");
  expect(shown.at(-1)).toBe("  change 49");
  expect(shown.join()).not.toContain("Nothing");
});

test("a long head counts with all its rows, and a list for which no line is left goes, so that the first line stays", () => {
  const head = [...HEAD, "y".repeat(800)];
  const shown = (rows: number) =>
    oneScreen(out, head, [{ title: "States", lines: lines("state", 9) }], { columns: 80, rows });
  expect(shown(17)).toContain("States, the last 1 of 9\n  state 8\n");
  expect(shown(14)).not.toContain("States");
  for (const rows of [17, 24, 60]) expect(shown(rows).trimEnd().split("\n").length).toBeLessThan(rows);
});

test("lines of the head are broken between words", () => {
  const text = oneScreen(out, ["what to do: give it more memory, or less to do"], [], {
    columns: 30,
    rows: 9,
  });
  expect(text).toBe("what to do: give it more \n  memory, or less to do\n");
});
