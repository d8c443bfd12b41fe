// The results as a table for people: medians of the rounds, and what one request costs `ten` compared with each of the others.
import { type Column, formatTable } from "../../src/cli/table.ts";
import type { Turn } from "./measure.ts";

/** One contender in one cell. */
export interface Row {
  readonly cell: string;
  readonly proxy: string;
  readonly cpuMicros: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssMb: number;
  readonly failed: number;
  /** The median over the rounds of ten's CPU time a request divided by this proxy's; null for ten itself, or without it. */
  readonly tenRatio: number | null;
  readonly rounds: readonly Turn[];
}

/** One row for each contender of a cell. */
export function summarise(cell: string, turns: ReadonlyMap<string, readonly Turn[]>): Row[] {
  const ten = turns.get("ten");
  return Array.from(turns, ([proxy, rounds]) => ({
    cell,
    proxy,
    cpuMicros: median(rounds.map((one) => one.cpuMicros)),
    perSecond: median(rounds.map((one) => one.perSecond)),
    p50Ms: median(rounds.map((one) => one.p50Ms)),
    p99Ms: median(rounds.map((one) => one.p99Ms)),
    rssMb: Math.max(...rounds.map((one) => one.rssMb)),
    failed: rounds.reduce((sum, one) => sum + one.failed, 0),
    tenRatio: ten === undefined || proxy === "ten" ? null : ratio(ten, rounds),
    rounds,
  }));
}

function ratio(ten: readonly Turn[], other: readonly Turn[]): number {
  return median(ten.map(({ cpuMicros }, round) => cpuMicros / (other[round]?.cpuMicros ?? Number.NaN)));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

const COLUMNS: readonly Column[] = [
  { heading: "CELL" },
  { heading: "PROXY" },
  { heading: "CPU µs/req", align: "right" },
  { heading: "ten / it", align: "right" },
  { heading: "REQ/S", align: "right" },
  { heading: "P50 ms", align: "right" },
  { heading: "P99 ms", align: "right" },
  { heading: "RSS MB", align: "right" },
  { heading: "FAILED", align: "right" },
];

export function table(rows: readonly Row[]): string {
  let above = "";
  const lines = rows.map((row) => {
    const cell = row.cell === above ? "" : row.cell;
    above = row.cell;
    return [
      cell,
      row.proxy,
      row.cpuMicros.toFixed(row.cpuMicros < 1_000 ? 1 : 0),
      row.tenRatio === null ? "" : row.tenRatio.toFixed(2),
      row.perSecond.toFixed(row.perSecond < 1_000 ? 1 : 0),
      row.p50Ms.toFixed(2),
      row.p99Ms.toFixed(2),
      row.rssMb.toFixed(0),
      String(row.failed),
    ];
  });
  return formatTable(COLUMNS, lines, (_, text) => text);
}
