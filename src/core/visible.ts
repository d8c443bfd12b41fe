// What apps write, as it may be shown: whatever would act on a terminal, hide, or turn text around is made visible.
// biome-ignore-all lint/suspicious/noControlCharactersInRegex: control characters are what this is about

/**
 * Controls of both sets, line separators, what changes the direction of text, and what has no width. The joiners (U+200C, U+200D) stay:
 * Persian and emoji are written with them.
 */
const ACTIVE =
  /[\0-\x08\x0a-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
/** Select Graphic Rendition, which only colours; or a single active character. */
const COLOUR_OR_ACTIVE = new RegExp(`\\x1b\\[[\\d;:]{0,64}m|${ACTIVE.source}`, "gu");
const RESET = "\x1b[0m";

/** Every active character as a picture or an escape, ends of lines too; tabs stay. */
export function visible(text: string): string {
  return text.replace(ACTIVE, picture);
}

/** The same for a terminal: ends of lines and colours stay, and no colour outlives its line. */
export function visibleOnTerminal(text: string): string {
  return text
    .split("\n")
    .map((line) => {
      let isColoured = false;
      const shown = line.replace(/\r$/, "").replace(COLOUR_OR_ACTIVE, (match) => {
        if (match.length <= 2) return picture(match);
        isColoured = true;
        return match;
      });
      return isColoured ? shown + RESET : shown;
    })
    .join("\n");
}

/** U+2400 and on for C0; else as JSON and JavaScript would write it, so that JSON stays what it was. */
function picture(char: string): string {
  const code = char.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return char
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");
}
