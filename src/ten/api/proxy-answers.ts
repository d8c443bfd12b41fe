// What the proxy itself has answered in the place of a service's instances, by reason: errors that no instance knows of.
import type { z } from "zod";
import type { Metric, Sample } from "../../api/prometheus.ts";
import { type AnswerName, statusOf } from "../../proxy/answers.ts";
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

interface Own {
  readonly id: string;
  readonly route: string;
  readonly reason: AnswerName;
}

/** Of the last five minutes, the most frequent first. */
export function reasonsOf({ traffic, history }: Seen, service: string): Reasons {
  return countedIn(
    history,
    ownIn(traffic).filter(({ route }) => route === service),
  );
}

function ownIn(traffic: readonly TargetTraffic[]): Own[] {
  return traffic.flatMap(({ id }) => {
    const own = readOwnCount(id);
    return own === undefined ? [] : { id, route: own.route, reason: own.reason };
  });
}

function countedIn(history: Seen["history"], own: readonly Own[]): Reasons {
  const counts = new Map<AnswerName, number>();
  for (const { id, reason } of own) {
    const count = history.window(id, WINDOW_SECS * 1000)?.requests ?? 0;
    if (count > 0) counts.set(reason, (counts.get(reason) ?? 0) + count);
  }
  const found = Array.from(counts, ([reason, count]) => ({ reason, status: statusOf(reason), count }));
  return { window_secs: WINDOW_SECS, reasons: found.sort((a, b) => b.count - a.count) };
}

/** Services as a whole, what the proxy answered itself included. */
export function servicesOf(
  { traffic, history }: Seen,
  services: Iterable<string>,
): z.infer<typeof serviceRate>[] {
  const byRoute = Map.groupBy(ownIn(traffic), ({ route }) => route);
  return Array.from(services, (service) => {
    const rate = rateOf(history, service);
    return {
      service,
      requests_per_sec: rate.requestsPerSec,
      error_percent: rate.errorPercent,
      error_window_secs: rate.windowSecs,
      proxy_answers: countedIn(history, byRoute.get(service) ?? []),
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
