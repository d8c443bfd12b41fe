// A tally as people see it: a bar for each version, and a line of numbers below.
import { formatMillis } from "../../cli/format.ts";
import type { Paint, Style } from "../../cli/output.ts";
import type { Split, Tally } from "./tally.ts";

/** The same colours as the pages have. */
const STYLES: readonly Style[] = ["blue", "green"];
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
/** What stands beside a bar. */
const BESIDE_COLUMNS = 22;

/** `verdict` is said at the end of the line of numbers; indented by `indent`. */
export function barLines(
  tally: Tally,
  split: Split,
  verdict: string,
  { paint, columns, indent }: { paint: Paint; columns: number; indent: string },
): string[] {
  const width = Math.max(10, columns - indent.length - BESIDE_COLUMNS);
  const bars = Object.keys(split).map((version, index) => {
    const served = tally.served(version);
    const share = tally.requests === 0 ? 0 : served / tally.requests;
    const bar = barOf(share * width);
    const gap = " ".repeat(width - Bun.stringWidth(bar));
    const percent = `${(share * 100).toFixed(1)} %`.padStart(8);
    return `${version}  ${paint(STYLES[index % STYLES.length] ?? "reset", bar)}${gap}${percent}${formatCount(served).padStart(8)}`;
  });
  const failed = `${formatCount(tally.failed)} failed`;
  const numbers = [
    `${formatCount(tally.requests)} requests`,
    tally.failed > 0 ? paint("red", failed) : failed,
    `p50 ${formatMillis(tally.latency(0.5))}`,
    `p95 ${formatMillis(tally.latency(0.95))}`,
  ];
  return [...bars, `${paint("dim", numbers.join("  "))}  ${verdict}`].map((line) => `${indent}${line}`);
}

export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** Blocks of so many columns, to the eighth. */
function barOf(length: number): string {
  const eighths = Math.round(length * 8);
  return "█".repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? "");
}
