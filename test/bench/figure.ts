// One measured figure, as a line of a table.
import { formatTable } from "../../src/cli/table.ts";

export interface Figure {
  readonly what: string;
  readonly value: string;
  readonly note: string;
}

export function figureTable(figures: readonly Figure[]): string {
  const columns = [{ heading: "FIGURE" }, { heading: "VALUE", align: "right" as const }, { heading: "NOTE" }];
  const lines = figures.map(({ what, value, note }) => [what, value, note]);
  return formatTable(columns, lines, (_, text) => text);
}

/** How long some work takes, in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

export const ms = (value: number) => `${value.toFixed(0)} ms`;
