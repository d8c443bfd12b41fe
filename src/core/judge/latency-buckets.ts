// The judge's latency buckets: four to a doubling, from 4 microseconds to over half an hour.

export const LATENCY_BUCKETS = 128;

export function latencyBucketOf(ms: number): number {
  const micros = Math.min(Math.max(ms * 1000, 4), 0x7fffffff) | 0;
  const exponent = 31 - Math.clz32(micros);
  return (exponent << 2) | ((micros >> (exponent - 2)) & 3);
}

/** The upper end of a bucket, in milliseconds, exclusive. */
export function latencyLimitMs(bucket: number): number {
  return ((4 + (bucket & 3) + 1) * 2 ** ((bucket >> 2) - 2)) / 1000;
}
