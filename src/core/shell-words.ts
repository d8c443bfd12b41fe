// Splits a command line into words as a POSIX shell does, and refuses what only a shell could carry out; and writes words for one.
import { Fault } from "./fault.ts";

/**
 * One piece of a word, tried at one place: blanks, '...', "...", \x, or plain characters. What no group takes
 * (an operator, a variable, a line break, a quote never closed) is refused by `refuse`.
 * A `$` that starts no expansion stays itself, as in a shell.
 */
const PIECE =
  /(?<blank>[ \t]+|\s+$)|'(?<single>[^']*)'|"(?<double>(?:[^"\\]|\\[\s\S])*)"|\\(?<escaped>\r?\n|[\s\S])|(?<plain>(?:[^\s'"\\$`;&|<>()]|\$(?![\w{(@*#?$!'"-]))+)/y;
const EXPANSION = /\$(?:\{\w*\}?|\w+|\(|.)|`/;
const ASSIGNMENT = /^[A-Za-z_]\w*=/;
const SHELL_HINT = "no shell runs the command; where one is needed, write sh -c '...'";

/**
 * The words of `line` (POSIX shell, 2.2 Quoting and 2.3 Token Recognition). Nothing is expanded: unquoted variables,
 * operators, comments, `~` and leading assignments are usage faults with a hint, so that no part of the line is
 * silently taken for something else than a shell would. In double quotes a variable is left as text when the word
 * holds blanks too, because it is then a script for `sh -c`; alone it is refused like an unquoted one.
 */
export function splitWords(line: string): string[] {
  const text = line.trimStart();
  if (text === "") throw new Fault("usage", "the command is empty", "write the program first");
  if (text.includes("\0")) throw new Fault("usage", "the command contains a NUL character", "remove it");
  const words: string[] = [];
  let word: string | undefined;
  PIECE.lastIndex = 0;
  for (let at = 0; at < text.length; at = PIECE.lastIndex) {
    const piece = PIECE.exec(text)?.groups;
    if (piece === undefined) throw refuse(text, at);
    if (piece.blank !== undefined) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      if (piece.plain !== undefined && word === undefined) refuseStart(piece.plain, words.length === 0);
      const value = textOf(piece);
      if (value !== undefined) word = (word ?? "") + value;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** What a piece adds to its word; undefined for a line continuation, which adds nothing and starts no word. */
function textOf(piece: Record<string, string | undefined>): string | undefined {
  if (piece.double !== undefined) {
    const value = piece.double.replace(/\\(?:\r?\n|([$`"\\]))/g, "$1");
    const variable = /(?<!\\)\$(?:\w+|\{\w+\})/.exec(piece.double)?.[0];
    if (variable !== undefined && !/\s/.test(value)) throw notExpanded(variable);
    return value;
  }
  if (piece.escaped !== undefined) return piece.escaped.endsWith("\n") ? undefined : piece.escaped;
  return piece.single ?? piece.plain;
}

/** Why no piece starts at `at`. */
function refuse(text: string, at: number): Fault {
  const here = text.charAt(at);
  if (here === "'" || here === '"') {
    return new Fault(
      "usage",
      `the quote ${here} at character ${at + 1} is never closed`,
      "close it, or escape it with \\",
    );
  }
  if (here === "\\") return new Fault("usage", "the command ends with a lone \\", "remove it, or write \\\\");
  if (/\s/.test(here))
    return new Fault("usage", "the command has more than one line", "end a line with \\ to go on");
  const expansion = EXPANSION.exec(text.slice(at));
  if (expansion?.index === 0) return notExpanded(expansion[0]);
  const operator = /^(?:&&|\|\||>>|<<|.)/.exec(text.slice(at))?.[0] ?? here;
  return new Fault("usage", `the shell operator ${operator} is not quoted`, SHELL_HINT);
}

function notExpanded(variable: string): Fault {
  const hint = /^\$\{?PORT\}?$/.test(variable) ? "write {port}" : SHELL_HINT;
  return new Fault("usage", `${variable} is not expanded`, hint);
}

/** Refuses what a shell gives a meaning to at the start of a word. */
function refuseStart(plain: string, first: boolean): void {
  if (plain.startsWith("#"))
    throw new Fault("usage", "an unquoted # starts a comment in a shell", "quote it");
  if (/^~(?:\/|$)/.test(plain)) throw new Fault("usage", "~ is not expanded", "write the whole path");
  if (first && ASSIGNMENT.test(plain)) {
    throw new Fault(
      "usage",
      `${plain.split("=", 1)[0]}= before the program sets a variable in a shell`,
      "set it in env",
    );
  }
}

/** `word` so that a shell, and splitWords, read it as that one word: as it is where nothing in it is special, else in single quotes. */
export function shellWord(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
