// What each service answered in the last ten minutes: what a plan is chosen by, and what a canary's times are compared with.
import { LATENCY_BUCKETS, latencyBucketOf } from "../../../core/judge/latency-buckets.ts";
import type { Measured } from "../../../core/judge/plan.ts";
import { bucketMiddleMs } from "../../../core/latency-histogram.ts";
import { instanceName, parseInstance } from "../../../core/name.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import type { TargetTraffic } from "../../../proxy/traffic-counters.ts";

export interface RecentTraffic extends Disposable {
  /** The mean of the last ten minutes, or of as long as there is something to tell of. */
  of(service: string): Measured;
  /** Of these instances, all answers by the judge's latency buckets. */
  history(service: string, ids: readonly string[]): readonly number[];
}

interface Sum {
  readonly done: number;
  readonly errors: number;
}

/** Of a service, and since when it has been asked for anything. */
interface Service extends Sum {
  readonly sinceMs: number;
}

const READ_EVERY_MS = 1_000;
const KEEP_EVERY_MS = 10_000;
const KEPT = 60;
const NOTHING: Sum = { done: 0, errors: 0 };

export function createRecentTraffic(clock: Clock, traffic: () => readonly TargetTraffic[]): RecentTraffic {
  const known = new Map<string, Sum>();
  const sums = new Map<string, Service>();
  /** Whatever is new at a reading has come since the one before. */
  let readAtMs = clock.monotonic();
  const readings: { readonly atMs: number; readonly sums: ReadonlyMap<string, Service> }[] = [];

  /** Adds what each target has had since it was last read: a target that is gone takes nothing with it. */
  function read(): void {
    for (const target of traffic()) {
      const now = sumOf(target);
      const before = known.get(target.id) ?? NOTHING;
      known.set(target.id, now);
      const { service } = parseInstance(target.id);
      if (now.done === before.done) continue;
      const sum = sums.get(service) ?? { ...NOTHING, sinceMs: readAtMs };
      sums.set(service, {
        sinceMs: sum.sinceMs,
        done: sum.done + Math.max(0, now.done - before.done),
        errors: sum.errors + Math.max(0, now.errors - before.errors),
      });
    }
    readAtMs = clock.monotonic();
  }

  function keep(): void {
    read();
    readings.push({ atMs: clock.monotonic(), sums: new Map(sums) });
    if (readings.length > KEPT) readings.shift();
  }

  keep();
  const stops = [clock.every(READ_EVERY_MS, read), clock.every(KEEP_EVERY_MS, keep)];
  return {
    of(service) {
      read();
      const [oldest] = readings;
      const now = sums.get(service) ?? { ...NOTHING, sinceMs: 0 };
      const then = oldest?.sums.get(service) ?? NOTHING;
      const fromMs = Math.max(oldest?.atMs ?? 0, now.sinceMs);
      const seconds = Math.max(1, (clock.monotonic() - fromMs) / 1000);
      const done = now.done - then.done;
      return { perSecond: done / seconds, errorShare: done === 0 ? 0 : (now.errors - then.errors) / done };
    },
    history(service, ids) {
      const names = new Set(ids.map((id) => instanceName(service, id)));
      const sum = new Array<number>(LATENCY_BUCKETS).fill(0);
      for (const { id, buckets } of traffic())
        if (names.has(id))
          for (const [at, count] of buckets.entries()) {
            const bucket = count > 0 ? latencyBucketOf(bucketMiddleMs(at)) : 0;
            if (count > 0) sum[bucket] = (sum[bucket] ?? 0) + count;
          }
      return sum;
    },
    [Symbol.dispose]() {
      for (const stop of stops) stop();
    },
  };
}

function sumOf({ statuses, failures }: TargetTraffic): Sum {
  return {
    done: statuses.reduce((sum, count) => sum + count, failures),
    errors: failures + (statuses[4] ?? 0),
  };
}
