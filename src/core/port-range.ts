// Ranges of TCP ports: read, and without the part that the system hands out by itself.
import { Fault } from "./fault.ts";
import { quote } from "./name.ts";

/** Both ends are part of it. */
export interface PortRange {
  readonly low: number;
  readonly high: number;
}

const LOWEST = 1024;
const HIGHEST = 65_535;

/** `20000-29999` read, or a usage fault. Ports below 1024 need privileges and are refused. */
export function parsePortRange(text: string): PortRange {
  const [, low, high] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? [];
  const range = { low: Number(low), high: Number(high) };
  if (range.low >= LOWEST && range.low <= range.high && range.high <= HIGHEST) return range;
  throw new Fault(
    "usage",
    `expected two ports from ${LOWEST} to ${HIGHEST} such as "20000-29999", got ${quote(text)}`,
  );
}

/** What is left of `range` outside `taken`: no, one or two ranges. */
export function outside(range: PortRange, taken: PortRange): PortRange[] {
  const below = { low: range.low, high: Math.min(range.high, taken.low - 1) };
  const above = { low: Math.max(range.low, taken.high + 1), high: range.high };
  return [below, above].filter((part) => part.low <= part.high);
}

export function rangeText(range: PortRange): string {
  return `${range.low}-${range.high}`;
}
