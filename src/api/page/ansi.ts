// What apps write as it may be shown: colours as classes, every other control sequence gone, what is invisible made visible.
// biome-ignore-all lint/suspicious/noControlCharactersInRegex: control characters are what this is about

import { visible } from "../../core/visible.ts";

/** A run of text of one look; the classes are `fg1`, `bold` and the like. */
export interface Piece {
  readonly text: string;
  readonly classes: string;
}

/** Longer lines are cut; all of it is in the file. */
const LINE_MAX = 10_000;
/** An escape sequence: CSI with its parameters and final byte, OSC and other strings, or two characters; or a lone escape. */
const SEQUENCE =
  /\x1b(?:\[([0-?]*)([ -/]*[@-~])?|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])?/g;

export function piecesOf(line: string): Piece[] {
  const text = line.slice(0, LINE_MAX);
  const pieces: Piece[] = [];
  let looks: readonly string[] = [];
  let from = 0;
  const add = (part: string) => {
    if (part !== "") pieces.push({ text: visible(part), classes: looks.join(" ") });
  };
  for (const match of text.matchAll(SEQUENCE)) {
    add(text.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[2] === "m") looks = restyled(looks, (match[1] ?? "").split(/[;:]/).map(Number));
  }
  // A carriage return at the end is only how the line ended.
  add(text.slice(from).replace(/\r$/, ""));
  const rest = line.length - LINE_MAX;
  if (rest > 0) pieces.push({ text: `… and ${rest} more characters`, classes: "dim" });
  return pieces;
}

/** Select Graphic Rendition, by its codes; those of 256 and more colours are left out. */
function restyled(before: readonly string[], codes: readonly number[]): readonly string[] {
  let looks = before;
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at] ?? 0;
    if (code === 38 || code === 48) at += codes[at + 1] === 5 ? 2 : 4;
    else looks = lookAfter(looks, code);
  }
  return looks;
}

function lookAfter(looks: readonly string[], code: number): readonly string[] {
  const word = WORDS[code];
  if (code === 0) return [];
  if (code === 22) return looks.filter((look) => look !== "bold" && look !== "dim");
  if (word !== undefined) return looks.includes(word) ? looks : [...looks, word];
  const isColour = (code >= 30 && code <= 37) || (code >= 90 && code <= 97);
  if (!isColour && code !== 39) return looks;
  const others = looks.filter((look) => !look.startsWith("fg"));
  return isColour ? [...others, `fg${code % 10}`] : others;
}

const WORDS: Readonly<Record<number, string>> = { 1: "bold", 2: "dim", 3: "italic", 4: "underlined" };
