// Descriptors that visitors cannot take: a supervisor has to see its processes, and start one, when all others are in use.
import { closeSync, openSync } from "node:fs";
import { openFileLimits } from "./rlimit.ts";

/** Always kept for `withKeptBack`. */
const LAST = 16;
/** What all that comes by itself may use: each visitor's connection needs a second one, to an instance. */
const PART = 0.75;

/**
 * Sets our own soft limit, and answers it: three quarters of what there is, or, while no visitor is let in, nearly all.
 * `withKeptBack` reaches what lies above. Infinity where limits cannot be set.
 */
export function limitOwnFiles(to: "part" | "most"): number {
  const limits = openFileLimits();
  const own = limits?.get(0);
  if (!limits || !own) return Number.POSITIVE_INFINITY;
  const hard = Number(own.hard);
  const soft = Math.floor(to === "part" ? hard * PART : Math.max(hard * PART, hard - LAST));
  limits.set(0, BigInt(soft), own.hard);
  return soft;
}

/** Runs `work`, once more with what was kept back when there was no descriptor left for it. It must close what it opens. */
export function withSpareDescriptors<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    const limits = openFileLimits();
    const own = limits?.get(0);
    if (!isShortage(thrown) || !limits || !own) throw thrown;
    limits.set(0, own.hard, own.hard);
    try {
      return work();
    } finally {
      limits.set(0, own.soft, own.hard);
    }
  }
}

/** Something failed because we, or the whole system, have too many files open: it says nothing about what was looked for. */
export function isShortage(thrown: unknown): boolean {
  return ["EMFILE", "ENFILE"].includes(String((thrown as NodeJS.ErrnoException).code));
}

/** Whether nothing can be opened right now. Bun calls it ECONNREFUSED when a socket could not even be made. */
export function isOutOfDescriptors(): boolean {
  try {
    closeSync(openSync("/dev/null", "r"));
    return false;
  } catch (thrown) {
    return isShortage(thrown);
  }
}
