// Aligned tables for people, without borders.
import { visible } from "../core/visible.ts";
import type { Paint } from "./output.ts";

export interface Column {
  readonly heading: string;
  /** Numbers line up on the right. */
  readonly align?: "left" | "right";
  /** Where a terminal is too narrow, the column with the highest rank goes first; without a rank it stays. */
  readonly rank?: number;
  /** Long names are shortened in their middle on a terminal. */
  readonly isName?: boolean;
}

const GAP = "   ";
/** Names are shortened to so much before any column goes, and to so little before they are cut off. */
const NAME_CHARS = 22;
const NAME_MIN_CHARS = 9;
// biome-ignore lint/suspicious/noControlCharactersInRegex: ESC [ ... m is colour.
const COLOUR = /(\x1b\[[\d;]*m)/;

/**
 * Lines of equal columns under their headings. Widths are those of the terminal: colours count nothing, wide
 * characters two. Control characters in a cell would move the cursor, and are made visible. With `width`, that of a terminal,
 * columns are left out and names shortened until a line fits; without it all is shown as it is.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  paint: Paint,
  width = Number.POSITIVE_INFINITY,
): string {
  const cells = rows.map((row) => columns.map((_, index) => clean(row[index] ?? "")));
  const { kept, shown } = fit(columns, cells, width);
  const headings = columns.map(({ heading }) => heading);
  const widths = widthsOf(columns, shown);
  const line = (row: readonly string[]) =>
    kept
      .map((index) => pad(row[index] ?? "", widths[index] ?? 0, columns[index]?.align))
      .join(GAP)
      .trimEnd();
  return [paint("bold", line(headings)), ...shown.map(line)].map((text) => `${text}\n`).join("");
}

function widthsOf(columns: readonly Column[], cells: readonly (readonly string[])[]): number[] {
  return columns.map(({ heading }, index) =>
    Math.max(Bun.stringWidth(heading), ...cells.map((row) => Bun.stringWidth(row[index] ?? ""))),
  );
}

/** First names are shortened to a usual length, then columns go by rank, then names are shortened to what is left. */
function fit(
  columns: readonly Column[],
  cells: readonly (readonly string[])[],
  width: number,
): { readonly kept: readonly number[]; readonly shown: readonly (readonly string[])[] } {
  const all = [...columns.keys()];
  const lineWidth = (kept: readonly number[], shown: readonly (readonly string[])[]) => {
    const widths = widthsOf(columns, shown);
    return kept.reduce((sum, index) => sum + (widths[index] ?? 0), GAP.length * (kept.length - 1));
  };
  if (lineWidth(all, cells) <= width) return { kept: all, shown: cells };
  const shortened = (most: number) =>
    cells.map((row) => row.map((text, index) => (columns[index]?.isName ? shortenMiddle(text, most) : text)));
  let shown = shortened(NAME_CHARS);
  const going = all
    .filter((index) => columns[index]?.rank !== undefined)
    .sort((one, other) => (columns[one]?.rank ?? 0) - (columns[other]?.rank ?? 0));
  let kept = all;
  while (lineWidth(kept, shown) > width && going.length > 0) {
    const goes = going.pop();
    kept = kept.filter((index) => index !== goes);
  }
  for (let most = NAME_CHARS - 1; lineWidth(kept, shown) > width && most >= NAME_MIN_CHARS; most--)
    shown = shortened(most);
  return { kept, shown };
}

/** `api:9f86d081884c…e6a0c3d1`: both ends say more than the middle. */
function shortenMiddle(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = Math.floor((most - 1) / 2);
  return `${text.slice(0, most - 1 - end)}…${text.slice(text.length - end)}`;
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
