// What the proxy itself has answered in the place of a service's instances, by reason: errors that no instance knows of.
import type { z } from "zod";
import type { Metric, Sample } from "../../api/prometheus.ts";
import type { proxyAnswers } from "../../api/proxy-answers.ts";
import { statusOf } from "../../proxy/answers.ts";
import { ownWindow, readOwnCount } from "../../proxy/own-counts.ts";
import type { TrafficHistory } from "../../proxy/traffic-history.ts";
import type { InstanceRow } from "../registry/registry.ts";
import { comparisonOf } from "./comparison.ts";
import { rateOf } from "./rates.ts";
import type { serviceRate } from "./shapes.ts";

type Answers = z.infer<typeof proxyAnswers>;
type History = Pick<TrafficHistory, "window" | "steps" | "rate" | "ownNames" | "ownTotals">;

/** Of a service in the last minutes. */
export function answersOf(history: History, service: string): Answers {
  const names = [...history.ownNames("lasting")].filter((name) => readOwnCount(name)?.route === service);
  return shown(history, names);
}

function shown(history: History, names: readonly string[]): Answers {
  const { windowSecs, reasons, windows } = ownWindow(names, history.window.bind(history));
  return {
    window_secs: windowSecs,
    reasons: reasons.map(({ reason, status, count }) => ({ reason, status, count })),
    windows: windows.map(({ windowSecs: secs, count }) => ({ window_secs: secs, count })),
  };
}

/** Services as a whole, what the proxy answered itself included. */
export function servicesOf(
  history: History,
  rows: readonly InstanceRow[],
  services: Iterable<string>,
): z.infer<typeof serviceRate>[] {
  const byService = Map.groupBy(rows, ({ service }) => service);
  const byRoute = Map.groupBy(history.ownNames("lasting"), (name) => readOwnCount(name)?.route);
  return Array.from(services, (service) => {
    const rate = rateOf(history, service);
    return {
      service,
      requests_per_sec: rate.requestsPerSec,
      error_percent: rate.errorPercent,
      error_window_secs: rate.windowSecs,
      comparison: comparisonOf(history, service, byService.get(service) ?? []),
      proxy_answers: shown(history, byRoute.get(service) ?? []),
    };
  });
}

/** Since the server began. */
export function proxyAnswersMetric(history: History, isShown: (service: string) => boolean): Metric {
  const counts = new Map<string, { service: string; reason: string; requests: number }>();
  for (const [name, requests] of history.ownTotals()) {
    const own = readOwnCount(name);
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
