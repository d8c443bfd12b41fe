// Times in buckets of fixed number: the layout of HdrHistogram (Tene 2012), 32 to a doubling, so that the middle of a bucket is
// never off by more than 1.6 %. Exact below 64 microseconds, up to over half an hour. Merging is adding.

/** Below that each microsecond has a bucket of its own. */
const EXACT = 64;
const EXACT_LOG2 = 6;
const PER_DOUBLING_LOG2 = 5;
const PER_DOUBLING = 1 << PER_DOUBLING_LOG2;
const MOST_MICROS = 0x7fffffff;

export const BUCKET_COUNT = EXACT + (31 - EXACT_LOG2) * PER_DOUBLING;

export function bucketOf(ms: number): number {
  const micros = Math.min(Math.max(ms * 1000, 0), MOST_MICROS) | 0;
  if (micros < EXACT) return micros;
  const exponent = 31 - Math.clz32(micros);
  const part = (micros >> (exponent - PER_DOUBLING_LOG2)) & (PER_DOUBLING - 1);
  return EXACT + ((exponent - EXACT_LOG2) << PER_DOUBLING_LOG2) + part;
}

/** The upper end of a bucket, in milliseconds, exclusive. */
export function bucketLimitMs(bucket: number): number {
  if (bucket < EXACT) return (bucket + 1) / 1000;
  const place = bucket - EXACT;
  const scale = 2 ** ((place >> PER_DOUBLING_LOG2) + EXACT_LOG2 - PER_DOUBLING_LOG2);
  return ((PER_DOUBLING + (place & (PER_DOUBLING - 1)) + 1) * scale) / 1000;
}

/** What stands for all times of a bucket, in milliseconds. */
export function bucketMiddleMs(bucket: number): number {
  return (bucketLimitMs(bucket) + (bucket === 0 ? 0 : bucketLimitMs(bucket - 1))) / 2;
}

/** The time within which the given part (0.95) of the counted answers came, in milliseconds; undefined when there are none. */
export function quantileMs(buckets: ArrayLike<number>, part: number): number | undefined {
  const bucket = quantileBucket(buckets, part);
  return bucket === undefined ? undefined : bucketMiddleMs(bucket);
}

export function quantileBucket(buckets: ArrayLike<number>, part: number): number | undefined {
  let total = 0;
  for (let bucket = 0; bucket < buckets.length; bucket++) total += buckets[bucket] ?? 0;
  if (total === 0) return undefined;
  const rank = Math.max(1, Math.ceil(total * part));
  let seen = 0;
  for (let bucket = 0; bucket < buckets.length; bucket++) {
    seen += buckets[bucket] ?? 0;
    if (seen >= rank) return bucket;
  }
  return undefined;
}
