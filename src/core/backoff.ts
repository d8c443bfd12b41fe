// Exponential backoff: how long to wait before the next try, and how waits are spread so that they do not coincide.

/** Doubles with each further failure, from `base` (after none) to `most`. */
export function backoff(base: number, most: number, failures: number): number {
  return Math.min(most, base * 2 ** Math.min(failures, 40));
}

/** Moved by at most `part` of it either way; `chance` is 0 up to 1. */
export function jittered(value: number, part: number, chance: number): number {
  return value * (1 + part * (2 * chance - 1));
}
