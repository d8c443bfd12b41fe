// Lines of apps as the dashboard shows them: colours kept, everything else that a terminal would obey made harmless.
import { expect, test } from "bun:test";
import { piecesOf } from "../../../src/api/page/ansi.ts";

const plain = (text: string) => [{ text, classes: "" }];

test("colours and styles become classes", () => {
  expect(piecesOf("a \x1b[1;31mred\x1b[22m thin \x1b[92mgreen\x1b[39m none\x1b[4m under\x1b[0m end")).toEqual(
    [
      { text: "a ", classes: "" },
      { text: "red", classes: "bold fg1" },
      { text: " thin ", classes: "fg1" },
      { text: "green", classes: "fg2" },
      { text: " none", classes: "" },
      { text: " under", classes: "underlined" },
      { text: " end", classes: "" },
    ],
  );
});

test.each([
  ["markup stays text", "<script>alert(1)</script>", "<script>alert(1)</script>"],
  ["256 and more colours are left out", "\x1b[38;5;196mx\x1b[48;2;1;2;3my", "xy"],
  ["cursor and screen sequences vanish", "\x1b[2J\x1b[1;1Hx\x1b[?25l\x1b[Ky", "xy"],
  ["titles and links vanish", "\x1b]0;title\x07x\x1b]8;;http://evil.org\x1b\\y\x1b]8;;\x1b\\", "xy"],
  ["device strings vanish", "\x1bPq#0\x1b\\x\x1b(By\x1bc", "xy"],
  ["an unfinished sequence vanishes", "x\x1b[31", "x"],
  ["a string without an end takes only what follows it", "x\x1b]0;never", "x"],
  ["controls are shown", "a\0b\x07c\x7fd", "a␀b␇c\\u007fd"],
  ["what turns text around is shown", "\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"],
  ["tabs stay, a final carriage return goes", "a\tb\r", "a\tb"],
  ["classes cannot be named by an app", "\x1b[fg1 evilmx", "g1 evilmx"],
])("%s", (_, line, text) => {
  const pieces = piecesOf(line);
  expect(pieces.map((piece) => piece.text).join("")).toBe(text);
  for (const { classes } of pieces) expect(classes).toMatch(/^((fg\d|bold|dim|italic|underlined) ?)*$/);
});

test("a line of a megabyte is cut, and quickly", () => {
  expect(piecesOf("x".repeat(1_000_000))).toEqual([
    ...plain("x".repeat(10_000)),
    { text: "… and 990000 more characters", classes: "dim" },
  ]);
  // Of the processor's time, as others may have it meanwhile; what looks at the rest again for each sequence needs minutes.
  const before = process.cpuUsage();
  for (const hostile of ["\x1b[", "\x1b]", "\x1bP", "\x1b[31m", "\x1b[;"]) piecesOf(hostile.repeat(100_000));
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(3_000);
});
