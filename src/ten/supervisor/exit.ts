// How a process ended, and what happens next, in words.
import type { Exit } from "../../platform/process/process.ts";

/** Reads on after "it": `it exited with code 1`. */
export function describeExit(exit: Exit): string {
  if (exit.signal !== undefined) return `was killed by ${exit.signal}`;
  if (exit.code !== undefined) return `exited with code ${exit.code}`;
  return "exited, its code is unknown";
}

export function describeNextTry(delayMs: number | undefined): string {
  if (delayMs === undefined) return "";
  return delayMs === 0 ? ", restarting" : `, next try in ${Math.ceil(delayMs / 1000)} s`;
}
