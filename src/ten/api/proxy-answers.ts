// What the proxy itself has answered in the place of a service's instances, by reason: errors that no instance knows of.
import type { z } from "zod";
import type { Metric, Sample } from "../../api/prometheus.ts";
import { statusOf } from "../../proxy/answers.ts";
import { readOwnCount } from "../../proxy/own-counts.ts";
import type { TargetTraffic } from "../../proxy/traffic-counters.ts";
import type { TrafficHistory } from "../../proxy/traffic-history.ts";
import { rateOf } from "./rates.ts";
import type { proxyAnswers, serviceRate } from "./shapes.ts";

type Reasons = z.infer<typeof proxyAnswers>;

const WINDOW_SECS = 300;

interface Seen {
  readonly traffic: readonly TargetTraffic[];
  readonly history: Pick<TrafficHistory, "window" | "rate">;
}

/** Of the last five minutes, the most frequent first. */
export function reasonsOf({ traffic, history }: Seen, service: string): Reasons {
  const counts = new Map<string, number>();
  for (const { id } of traffic) {
    const own = readOwnCount(id);
    if (own?.route !== service) continue;
    const count = history.window(id, WINDOW_SECS * 1000)?.requests ?? 0;
    if (count > 0) counts.set(own.reason, (counts.get(own.reason) ?? 0) + count);
  }
  const found = Array.from(counts, ([reason, count]) => ({ reason, status: statusOf(reason), count }));
  return { window_secs: WINDOW_SECS, reasons: found.sort((a, b) => b.count - a.count) };
}

/** Services as a whole, what the proxy answered itself included. */
export function servicesOf(seen: Seen, services: Iterable<string>): z.infer<typeof serviceRate>[] {
  return Array.from(services, (service) => {
    const rate = rateOf(seen.history as TrafficHistory, service);
    return {
      service,
      requests_per_sec: rate.requestsPerSec,
      error_percent: rate.errorPercent,
      error_window_secs: rate.windowSecs,
      proxy_answers: reasonsOf(seen, service),
    };
  });
}

/** Since the server began; with workers since they did. */
export function proxyAnswersMetric(
  traffic: readonly TargetTraffic[],
  isShown: (service: string) => boolean,
): Metric {
  const counts = new Map<string, { service: string; reason: string; requests: number }>();
  for (const { id, requests } of traffic) {
    const own = readOwnCount(id);
    if (own === undefined || own.route === "" || !isShown(own.route)) continue;
    const { route: service, reason } = own;
    const key = `${service} ${reason}`;
    counts.set(key, { service, reason, requests: (counts.get(key)?.requests ?? 0) + requests });
  }
  return {
    name: "ten_proxy_answers_total",
    type: "counter",
    help: "Requests that the proxy answered itself, by reason.",
    samples: Array.from(
      counts.values(),
      ({ service, reason, requests }): Sample => [
        { service, reason, code: String(statusOf(reason)) },
        requests,
      ],
    ),
  };
}
