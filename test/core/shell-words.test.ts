import { describe, expect, test } from "bun:test";
import { Fault } from "../../src/core/fault.ts";
import { shellWord, splitWords } from "../../src/core/shell-words.ts";

/** What `sh` itself makes of the line: the words of `set -- line`, told apart by NUL. */
function wordsOfSh(line: string): string[] {
  const { stdout } = Bun.spawnSync(["sh", "-c", `printf '%s\\0' ${line}`]);
  return stdout.toString().split("\0").slice(0, -1);
}

describe("a command is split as sh splits it", () => {
  const lines = [
    "./server --port 80",
    "  a   b\t c  ",
    "a 'b c' d",
    "a 'b\"c' \"d'e\"",
    'a "b \\" c" "d\\\\e" "f\\g"',
    "a f\\ g \\'h",
    'a""b "" \'\'',
    "a b\\\n c",
    "a \\\n b",
    'a "x\\\ny"',
    "a \\ ",
    "a \\$HOME '$HOME' \"\\$HOME\"",
    "a b$ c$/ --re=^x$",
    "a b#c --home=x",
    "a '{\"k\":[1,2]}' {port}",
    "é 'ü' \\ñ",
    "a --list=1,2 b=c",
    "a\n",
  ];
  test.each(lines)("%j", (line) => {
    expect(splitWords(line)).toEqual(wordsOfSh(line));
  });
});

test("a script in double quotes keeps its variables for the sh that runs it", () => {
  expect(splitWords('sh -c "exec ./server $PORT"')).toEqual(["sh", "-c", "exec ./server $PORT"]);
});

const NO_SHELL = "no shell runs the command; where one is needed, write sh -c '...'";

describe("what only a shell could carry out is refused with a hint", () => {
  const refused: [line: string, message: string, hint: string][] = [
    ["", "the command is empty", "write the program first"],
    ["./server --port $PORT", "$PORT is not expanded", "write {port}"],
    [`./server --port=\${PORT}`, `\${PORT} is not expanded`, "write {port}"],
    ['./server --port "$PORT"', "$PORT is not expanded", "write {port}"],
    ["./server $HOME/x", "$HOME is not expanded", NO_SHELL],
    ["./server $(date)", "$( is not expanded", NO_SHELL],
    ["./server `date`", "` is not expanded", NO_SHELL],
    ["a && b", "the shell operator && is not quoted", NO_SHELL],
    ["a || b", "the shell operator || is not quoted", NO_SHELL],
    ["a|b", "the shell operator | is not quoted", NO_SHELL],
    ["a; b", "the shell operator ; is not quoted", NO_SHELL],
    ["a >> log", "the shell operator >> is not quoted", NO_SHELL],
    ["a 2>&1", "the shell operator > is not quoted", NO_SHELL],
    ["a &", "the shell operator & is not quoted", NO_SHELL],
    ["(a)", "the shell operator ( is not quoted", NO_SHELL],
    ["a\nb", "the command has more than one line", "end a line with \\ to go on"],
    ["a 'b", "the quote ' at character 3 is never closed", "close it, or escape it with \\"],
    ['a b"c\\"', 'the quote " at character 4 is never closed', "close it, or escape it with \\"],
    ["a \\", "the command ends with a lone \\", "remove it, or write \\\\"],
    ["a #b", "an unquoted # starts a comment in a shell", "quote it"],
    ["~/bin/a", "~ is not expanded", "write the whole path"],
    ["DEBUG=1 ./a", "DEBUG= before the program sets a variable in a shell", "set it in env"],
    ["a \0", "the command contains a NUL character", "remove it"],
  ];
  test.each(refused)("%j", (line, message, hint) => {
    expect(() => splitWords(line)).toThrow(new Fault("usage", message, hint));
    try {
      splitWords(line);
    } catch (fault) {
      expect(fault).toMatchObject({ code: "usage", message, hint });
    }
  });
});

test.each(["plain", "/a b/ten", "it's", "", 'a"b\\c', "$HOME", "é", "{port}", "a\nb"])(
  "%j is written as one word, for a shell and for us",
  (word) => {
    expect(wordsOfSh(shellWord(word))).toEqual([word]);
    expect(splitWords(shellWord(word))).toEqual([word]);
  },
);
