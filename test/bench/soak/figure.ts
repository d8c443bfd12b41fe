// One figure of a soak run: what was measured, what it may be, and the table of them all.
import { type Column, formatTable } from "../../../src/cli/table.ts";

export interface Figure {
  readonly scenario: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** What it may be at most; undefined where it is only to be known. */
  readonly most?: number;
}

export type Measured = Omit<Figure, "scenario">;

/** A scenario: what it is called on the command line, and how it comes to its figures. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  run(): Promise<readonly Measured[]>;
}

export function passes({ value, most }: Figure): boolean {
  return most === undefined || value <= most;
}

const COLUMNS: readonly Column[] = [
  { heading: "SCENARIO" },
  { heading: "FIGURE" },
  { heading: "VALUE", align: "right" },
  { heading: "UNIT" },
  { heading: "AT MOST", align: "right" },
  { heading: "" },
];

export function table(figures: readonly Figure[]): string {
  const lines = figures.map((figure) => [
    figure.scenario,
    figure.what,
    format(figure.value),
    figure.unit,
    figure.most === undefined ? "" : format(figure.most),
    passes(figure) ? "" : "MISSED",
  ]);
  return formatTable(COLUMNS, lines, (_, text) => text);
}

function format(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString("en") : value.toFixed(value < 10 ? 3 : 1);
}
