// A report that fits a terminal: what comes first is whole, and of each list below it the newest as far as there is room.
import type { Output } from "./output.ts";
import { type Size, wrapped } from "./screen.ts";

export interface Section {
  readonly title: string;
  /** The newest last, and those are kept. */
  readonly lines: readonly string[];
  /** The first are kept instead. */
  readonly isWorstFirst?: boolean;
}

/** `size` undefined: not a terminal, and nothing is left out. */
export function oneScreen(
  { paint }: Pick<Output, "paint">,
  head: readonly string[],
  sections: readonly Section[],
  size: Size | undefined,
): string {
  const top = size ? head.flatMap((line) => wrapped(line, size.columns)) : head;
  const some = sections.filter(({ lines }) => lines.length > 0);
  // What does not fit with a single line is left out, the last first: the first line of all is never pushed off.
  const most = size ? Math.max(0, Math.floor((size.rows - 1 - top.length) / 2)) : some.length;
  const filled = some.slice(0, most);
  const counts = size ? countsFor(top, filled, size) : filled.map(({ lines }) => lines.length);
  const shown = filled.flatMap(({ title, lines, isWorstFirst = false }, place) => {
    const count = counts[place] ?? 0;
    const which = isWorstFirst ? "first" : "last";
    const left = count < lines.length ? paint("dim", `, the ${which} ${count} of ${lines.length}`) : "";
    const kept = isWorstFirst ? lines.slice(0, count) : lines.slice(-count);
    return [
      `${paint("bold", title)}${left}`,
      ...kept.map((line) => `  ${size ? cut(line, size.columns - 2) : line}`),
    ];
  });
  return `${[...top, ...shown].join("\n")}\n`;
}

/** How many lines of each: the same of all, as long as they have them. One of each there always is. */
function countsFor(head: readonly string[], sections: readonly Section[], size: Size): number[] {
  // The prompt that comes after it has a row too.
  let room = size.rows - 1 - head.length - 2 * sections.length;
  const counts = sections.map(() => 1);
  for (let isGrowing = true; isGrowing && room > 0; ) {
    isGrowing = false;
    for (const [place, { lines }] of sections.entries()) {
      if (room === 0 || (counts[place] ?? 0) >= lines.length) continue;
      counts[place] = (counts[place] ?? 0) + 1;
      room -= 1;
      isGrowing = true;
    }
  }
  return counts;
}

function cut(line: string, width: number): string {
  return Bun.stringWidth(line) <= width ? line : `${Bun.sliceAnsi(line, 0, width - 1)}…`;
}
