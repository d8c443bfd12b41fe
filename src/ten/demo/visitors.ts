// Visitors of the shop: real requests through the proxy, a few at a time, at an even pace.
import { messageOf } from "../../core/fault.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import { versionOn } from "./shop.ts";
import type { Visit } from "./tally.ts";

export interface Visitors {
  /**
   * Sends requests, one every `everyMs` as long as `more` says so of the number sent. Resolves when the last of them has
   * its answer, so that what follows cannot be mixed up with them.
   */
  send(everyMs: number, more: (sent: number) => boolean, onVisit: (visit: Visit) => void): Promise<void>;
}

interface VisitorsOptions {
  readonly url: URL;
  readonly host: string;
  readonly clock: Clock;
  /** Ends everything, answers or not. */
  readonly signal: AbortSignal;
}

const AT_ONCE = 8;
/** Much longer than a restart takes: who waits for one is no failure. */
const PATIENCE_MS = 10_000;

export function createVisitors({ url, host, clock, signal }: VisitorsOptions): Visitors {
  async function visit(): Promise<Visit> {
    const startMs = clock.monotonic();
    const took = () => clock.monotonic() - startMs;
    try {
      const response = await fetch(url, {
        headers: { host },
        redirect: "manual",
        proxy: false,
        signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
      } as RequestInit);
      const version = versionOn(await response.text());
      const retried = response.headers.has("x-ten-attempts");
      if (response.status === 200 && version !== undefined) return { version, retried, ms: took() };
      const failure = response.status === 200 ? "a page of somebody else" : `status ${response.status}`;
      return { failure, ms: took() };
    } catch (error) {
      return { failure: messageOf(error), ms: took() };
    }
  }

  return {
    async send(everyMs, more, onVisit) {
      const startMs = clock.monotonic();
      let sent = 0;
      const visitor = async () => {
        while (!signal.aborted && more(sent)) {
          const early = startMs + sent++ * everyMs - clock.monotonic();
          if (early > 0) await sleep(clock, early);
          const done = await visit();
          if (!signal.aborted) onVisit(done);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, visitor));
    },
  };
}
