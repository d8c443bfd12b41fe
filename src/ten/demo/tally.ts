// What visitors met, counted: who answered them, what failed, how long it took.

/** One request and its end: the version that answered, or what went wrong. */
export interface Visit {
  readonly version?: string;
  readonly failure?: string;
  /** The proxy tried more than once. */
  readonly retried?: boolean;
  readonly ms: number;
}

/** Percentages by version. */
export type Split = Readonly<Record<string, number>>;

export interface Tally {
  add(visit: Visit): void;
  readonly requests: number;
  readonly failed: number;
  readonly retried: number;
  /** How often each thing went wrong. */
  readonly failures: ReadonlyMap<string, number>;
  served(version: string): number;
  /** In milliseconds; `part` is 0 to 1, and 1 the longest. 0 when there was no request. */
  latency(part: number): number;
  /** Whether all requests were answered, by each version to the request as many as its percentage says. */
  isExactly(split: Split): boolean;
}

export function createTally(): Tally {
  const served = new Map<string, number>();
  const failures = new Map<string, number>();
  const times: number[] = [];
  let failed = 0;
  let retries = 0;
  const increment = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1);

  return {
    add({ version, failure = "no version", retried, ms }) {
      times.push(ms);
      if (retried) retries++;
      if (version !== undefined) return void increment(served, version);
      failed++;
      increment(failures, failure);
    },
    get requests() {
      return times.length;
    },
    get failed() {
      return failed;
    },
    get retried() {
      return retries;
    },
    failures,
    served: (version) => served.get(version) ?? 0,
    latency(part) {
      const sorted = Float64Array.from(times).sort();
      return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
    },
    isExactly(split) {
      const versions = new Set([...Object.keys(split), ...served.keys()]);
      const fits = (version: string) =>
        (served.get(version) ?? 0) * 100 === (split[version] ?? 0) * times.length;
      return times.length > 0 && failed === 0 && [...versions].every(fits);
    },
  };
}
