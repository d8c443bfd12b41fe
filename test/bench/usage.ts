// What processes have used so far, from /proc.
import { readFileSync } from "node:fs";

/** The kernel's clock ticks a second, the same on every Linux. */
const TICKS_PER_SECOND = 100;

/** User and system time of all, in milliseconds. */
export function cpuMs(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return (ticks / TICKS_PER_SECOND) * 1_000;
}

/** Resident memory of all in MB: now, and the highest so far. */
export function memoryMb(pids: readonly number[]): { readonly now: number; readonly peak: number } {
  let now = 0;
  let peak = 0;
  for (const pid of pids) {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    now += kilobytes(status, "VmRSS");
    peak += kilobytes(status, "VmHWM");
  }
  return { now: now / 1_024, peak: peak / 1_024 };
}

function kilobytes(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? Number.NaN);
}

/** A process and those that it has started. */
export function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return [pid, ...(children === "" ? [] : children.split(" ").map(Number))];
}
