// What copies of requests led to, as plain numbers: by route, and by the pattern of their paths.

/** One number of each version. */
export interface Both {
  readonly canary: number;
  readonly stable: number;
}

/** Of one method and kind of path. */
export interface ShadowPattern {
  readonly pattern: string;
  readonly pairs: number;
  /** Of them those that differ in anything. */
  readonly differing: number;
  /** Sums over all pairs: milliseconds to the head of the answer, and bytes of bodies. */
  readonly ms: Both;
  readonly bytes: Both;
  /** How often each difference was seen. */
  readonly differences: readonly (readonly [difference: string, count: number])[];
}

/** Counted since it was last taken. */
export interface ShadowCounts {
  readonly route: string;
  /** The run of copies that they belong to: see Shadow. */
  readonly run: string;
  readonly pairs: number;
  /** Requests that were drawn and not copied, as too many copies were under way. */
  readonly skipped: number;
  /** Pairs in which only this one gave no answer or a 5xx; only this one a 4xx. */
  readonly failed: Both;
  readonly rejected: Both;
  readonly patterns: readonly ShadowPattern[];
}

/** Patterns of one run that are told apart, and differences of one pattern; the rest are told together. */
const MOST_PATTERNS = 100;
const MOST_DIFFERENCES = 12;
const OTHERS = "others";
const NONE: Both = { canary: 0, stable: 0 };

/** The sum of what was counted in two spans of time, or by two workers, of the same run. */
export function addShadows(one: ShadowCounts, other: ShadowCounts): ShadowCounts {
  const patterns = new Map(one.patterns.map((pattern) => [pattern.pattern, pattern]));
  for (const pattern of other.patterns) {
    const name = patterns.has(pattern.pattern) || patterns.size < MOST_PATTERNS ? pattern.pattern : OTHERS;
    const known = patterns.get(name);
    patterns.set(name, known === undefined ? { ...pattern, pattern: name } : addPatterns(known, pattern));
  }
  return {
    route: one.route,
    run: one.run,
    pairs: one.pairs + other.pairs,
    skipped: one.skipped + other.skipped,
    failed: addBoth(one.failed, other.failed),
    rejected: addBoth(one.rejected, other.rejected),
    patterns: [...patterns.values()],
  };
}

function addPatterns(one: ShadowPattern, other: ShadowPattern): ShadowPattern {
  const differences = new Map(one.differences);
  for (const [difference, count] of other.differences) {
    const name = differences.has(difference) || differences.size < MOST_DIFFERENCES ? difference : OTHERS;
    differences.set(name, (differences.get(name) ?? 0) + count);
  }
  return {
    pattern: one.pattern,
    pairs: one.pairs + other.pairs,
    differing: one.differing + other.differing,
    ms: addBoth(one.ms, other.ms),
    bytes: addBoth(one.bytes, other.bytes),
    differences: [...differences],
  };
}

function addBoth(one: Both, other: Both): Both {
  return { canary: one.canary + other.canary, stable: one.stable + other.stable };
}

export function noShadows(route: string, run: string): ShadowCounts {
  return { route, run, pairs: 0, skipped: 0, failed: NONE, rejected: NONE, patterns: [] };
}
