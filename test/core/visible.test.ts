// What of a foreign text a terminal may act on: colours, and nothing else.
import { expect, test } from "bun:test";
import { visible, visibleOnTerminal } from "../../src/core/visible.ts";

const ESC = "\x1b";

test.each([
  ["a title", `${ESC}]0;owned\x07`, "␛]0;owned␇"],
  ["the clipboard", `${ESC}]52;c;AAAA${ESC}\\`, "␛]52;c;AAAA␛\\"],
  ["a cleared screen", `${ESC}[2J${ESC}[H`, "␛[2J␛[H"],
  ["a line written over", "healthy\rowned", "healthy␍owned"],
  ["a line deleted", "healthy\b\b\bowned\x7f", "healthy␈␈␈owned\\u007f"],
  ["C1 forms of the same", "\x9b2J\x9d0;owned\x9c", "\\u009b2J\\u009d0;owned\\u009c"],
  ["text turned around", "\u202eexe.txt\u2066", "\\u202eexe.txt\\u2066"],
  ["what has no width", "ad\u200bmin\ufeff\u2060", "ad\\u200bmin\\ufeff\\u2060"],
  ["tags, which are invisible", "a\u{e0041}", "a\\udb40\\udc41"],
  ["a colour that is none", `${ESC}[31`, "␛[31"],
  ["a device's answer", `${ESC}[6n${ESC}Z${ESC}P+q${ESC}\\`, "␛[6n␛Z␛P+q␛\\"],
  ["a colour of endless length", `${ESC}[${"1;".repeat(50)}m`, `␛[${"1;".repeat(50)}m`],
])("%s is shown, not done", (_, text, shown) => {
  expect(visibleOnTerminal(text)).toBe(shown);
  expect(visible(text)).toBe(shown);
});

test("colours stay on a terminal, and end with their line", () => {
  expect(visibleOnTerminal(`${ESC}[31mred\n${ESC}[38;5;200mpink${ESC}[0m\nplain\n`)).toBe(
    `${ESC}[31mred${ESC}[0m\n${ESC}[38;5;200mpink${ESC}[0m${ESC}[0m\nplain\n`,
  );
});

test("ends of lines, tabs, and what scripts are written with stay", () => {
  const text = "a\tb\nمی‌خواهم 👩‍💻 日本\n";
  expect(visibleOnTerminal(text)).toBe(text);
  expect(visibleOnTerminal("dos\r\nline\r\n")).toBe("dos\nline\n");
});

test("JSON stays the same JSON", () => {
  const value = { text: "\x9b31m \u202e \u{e0001} \u007f" };
  expect(JSON.parse(visibleOnTerminal(JSON.stringify(value)))).toEqual(value);
});
