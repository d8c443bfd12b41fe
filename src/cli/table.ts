// Aligned tables for people, without borders.
import { visible } from "../core/visible.ts";
import type { Paint } from "./output.ts";

export interface Column {
  readonly heading: string;
  /** Numbers line up on the right. */
  readonly align?: "left" | "right";
}

const GAP = "   ";
// biome-ignore lint/suspicious/noControlCharactersInRegex: ESC [ ... m is colour.
const COLOUR = /(\x1b\[[\d;]*m)/;

/**
 * Lines of equal columns under their headings. Widths are those of the terminal: colours count nothing, wide
 * characters two. Control characters in a cell would move the cursor, and are made visible.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  paint: Paint,
): string {
  const cells = rows.map((row) => columns.map((_, index) => clean(row[index] ?? "")));
  const headings = columns.map(({ heading }) => heading);
  const widths = columns.map((_, index) =>
    Math.max(...[headings, ...cells].map((row) => Bun.stringWidth(row[index] ?? ""))),
  );
  const line = (row: readonly string[]) =>
    row
      .map((text, index) => pad(text, widths[index] ?? 0, columns[index]?.align))
      .join(GAP)
      .trimEnd();
  return [paint("bold", line(headings)), ...cells.map(line)].map((text) => `${text}\n`).join("");
}

function pad(text: string, width: number, align: Column["align"]): string {
  const spaces = " ".repeat(Math.max(0, width - Bun.stringWidth(text)));
  return align === "right" ? spaces + text : text + spaces;
}

/** Colours are the caller's own. */
function clean(text: string): string {
  return text
    .split(COLOUR)
    .map((piece, place) => (place % 2 === 0 ? visible(piece.replaceAll("\t", " ")) : piece))
    .join("");
}
