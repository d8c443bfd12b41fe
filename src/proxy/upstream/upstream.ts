// The proxy's HTTP/1.1 client: one pool of connections per origin, and one timer that keeps all deadlines.
import type { Clock } from "../../platform/time/clock.ts";
import { type Origin, type Upstream, UpstreamFailure, type UpstreamResponse } from "../http-client.ts";
import { Attempt, type AttemptContext } from "./attempt.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { Pool } from "./pool.ts";
import { encodeHead } from "./request.ts";
import { openStaleCheck } from "./stale.ts";

const SCRATCH_BYTES = 65_536;

export interface UpstreamOptions {
  readonly clock: Clock;
  readonly limits?: Partial<Limits>;
}

/** The client, and the connections that it has: a proxy uses those without promises and streams in between. */
export interface PooledUpstream extends Upstream {
  /** The connections to one origin. Found quickly for an object that was asked for before. */
  poolOf(origin: Origin): Pool;
  /** Closes at most so many connections that have been idle for a while; how many it did. */
  closeIdle(most: number): number;
  /** Monotonic milliseconds without those in which this process stood still: what deadlines are kept by. */
  activeMs(): number;
}

/** A sweep that comes later than this was kept from running, and nobody's deadline may have passed meanwhile. */
const STANDSTILL_MS = 100;

/** The client. Disposing it ends every exchange with `aborted` and closes every connection. */
export function createUpstream({ clock, limits: given }: UpstreamOptions): PooledUpstream {
  const limits: Limits = { ...defaultLimits, ...given };
  const now = () => clock.monotonic();
  let standstillMs = 0;
  let sweptAtMs = 0;
  const activeMs = () => now() - standstillMs;
  const context: AttemptContext = {
    clock,
    activeMs,
    scratch: Buffer.allocUnsafeSlow(SCRATCH_BYTES),
    limits,
  };
  const byOrigin = new Map<string, Pool>();
  /** The same pools by the very objects that name their origins: found without making a key. */
  let known = new WeakMap<Origin, Pool>();
  /** Also those that have been retired and still have requests in flight. */
  const pools = new Set<Pool>();
  const isStale = openStaleCheck();
  let stopSweeping: (() => void) | undefined;
  let isClosed = false;

  function poolOf(origin: Origin): Pool {
    const seen = known.get(origin);
    if (seen !== undefined) return seen;
    const key = keyOf(origin);
    const pool = byOrigin.get(key) ?? open(key, origin);
    known.set(origin, pool);
    return pool;
  }

  function open(key: string, origin: Origin): Pool {
    const pool = new Pool(origin, limits, now, isStale);
    if (isClosed) {
      pool.abandon();
      return pool;
    }
    byOrigin.set(key, pool);
    pools.add(pool);
    if (stopSweeping === undefined) sweptAtMs = now();
    stopSweeping ??= clock.every(limits.sweepMs, sweep);
    return pool;
  }

  function forget(key: string): void {
    byOrigin.delete(key);
    known = new WeakMap();
  }

  function sweep(): void {
    const nowMs = now();
    const lateMs = nowMs - sweptAtMs - limits.sweepMs;
    sweptAtMs = nowMs;
    if (lateMs > STANDSTILL_MS) {
      // What has come meanwhile is read first.
      standstillMs += lateMs;
      return;
    }
    for (const pool of pools) pool.sweep(activeMs());
    for (const [key, pool] of byOrigin) if (pool.isEmpty) forget(key);
    for (const pool of pools) if (pool.isEmpty) pools.delete(pool);
    if (pools.size === 0) stop();
  }

  function stop(): void {
    stopSweeping?.();
    stopSweeping = undefined;
  }

  return {
    poolOf,
    activeMs,
    closeIdle(most) {
      let closed = 0;
      for (const pool of pools) if (closed < most) closed += pool.closeIdle(most - closed);
      return closed;
    },
    send(origin, request, options) {
      return new Promise<UpstreamResponse>((resolve, reject) => {
        const refuse = (failure: UpstreamFailure) => {
          options.onEnd(failure);
          reject(failure);
        };
        if (isClosed)
          return refuse(new UpstreamFailure("aborted", "the HTTP client is closed", false, false));
        let head: string;
        try {
          head = encodeHead(request);
        } catch (thrown) {
          return refuse(thrown as UpstreamFailure);
        }
        const pool = poolOf(origin);
        pool.submit(new Attempt(context, pool, request, head, options, resolve, reject));
      });
    },
    retain(origins) {
      const kept = new Set(origins.map(keyOf));
      for (const [key, pool] of byOrigin) {
        if (kept.has(key)) continue;
        forget(key);
        pool.retire();
      }
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      stop();
      for (const pool of pools) pool.abandon();
      pools.clear();
      byOrigin.clear();
    },
  };
}

/** Connections are shared only where the address, the name and the trust are the same. */
function keyOf({ host, port, unix, tls, holder }: Origin): string {
  const address = `${unix ?? `${host}:${port}`}${holder === undefined ? "" : `|${holder.pid}.${holder.startTime}`}`;
  return tls === undefined ? address : `${address}|${tls.serverName}|${tls.ca ?? ""}`;
}
