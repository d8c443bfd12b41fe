// Random numbers that are the same in every run.

/** Mulberry32: integers below 2^32. */
export function integersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** From 0 to below 1. */
export function fractionsFrom(seed: number): () => number {
  const next = integersFrom(seed);
  return () => next() / 2 ** 32;
}
