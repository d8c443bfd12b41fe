// The metrics of a tenement: instances and their traffic.
import { type CertificateFigures, certificateMetrics } from "../../api/certificate-metrics.ts";
import {
  histogramLines,
  labelText,
  lineOf,
  type Metric,
  prometheusPage,
  type Sample,
} from "../../api/prometheus.ts";
import { BUCKET_COUNT, bucketLimitMs, bucketMiddleMs } from "../../core/latency-histogram.ts";
import { DROPPED_LINES } from "../../proxy/own-counts.ts";
import type { TargetTraffic } from "../../proxy/traffic-counters.ts";
import type { TrafficHistory } from "../../proxy/traffic-history.ts";
import { proxyAnswersMetric } from "./proxy-answers.ts";
import type { RolloutView } from "./shapes.ts";
import type { Standing } from "./view.ts";

/** Upper limits of the duration histogram, in seconds. */
const LIMITS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** `rollouts` are those under way, `version` is the program's. */
export function metricsPage(
  views: readonly Standing[],
  isShown: (service: string) => boolean,
  traffic: readonly TargetTraffic[],
  history: TrafficHistory,
  rollouts: readonly RolloutView[],
  version: string,
  webhooksWaiting: number,
  certificates?: CertificateFigures,
): string {
  const known = new Map(traffic.map((one) => [one.id, one]));
  const shown = views.map((view) => ({ view, labels: labelsOf(view), counts: known.get(view.id) }));
  const lines = (text: (one: (typeof shown)[number]) => string) =>
    shown.reduce((all, one) => all + text(one), "");
  const gauge = (name: string, help: string, value: (view: Standing) => number | null): Metric => ({
    name,
    type: "gauge",
    help,
    lines: lines(({ view, labels }) => {
      const found = value(view);
      return found === null ? "" : lineOf(name, labels, found);
    }),
  });
  const counter = (name: string, help: string, value: (view: Standing) => number | null): Metric => ({
    ...gauge(name, help, value),
    type: "counter",
  });
  const durations: Metric = {
    name: "ten_request_duration_seconds",
    type: "histogram",
    help: "Time to the head of the answer.",
    lines: lines(({ labels, counts }) => durationsOf(labels, counts)),
  };
  return prometheusPage([
    { name: "ten_build_info", type: "gauge", help: "The running version.", samples: [[{ version }, 1]] },
    ...serviceMetrics(views, history),
    {
      name: "ten_requests_total",
      type: "counter",
      help: "Answers by instance and status class.",
      lines: lines(({ labels, counts }) => {
        let text = "";
        for (const [at, count] of counts?.statuses.entries() ?? [])
          text += lineOf("ten_requests_total", `${labels},code="${at + 1}xx"`, count);
        return text;
      }),
    },
    counter(
      "ten_request_errors_total",
      "Tries that gave no answer: refused, reset, timed out, garbage.",
      (view) => known.get(view.id)?.failures ?? 0,
    ),
    durations,
    proxyAnswersMetric(history, isShown),
    {
      name: "ten_access_log_dropped_total",
      type: "counter",
      help: "Lines of the access log that the disk did not take in time.",
      samples: [[{}, history.totals(DROPPED_LINES)?.requests ?? 0]],
    },
    {
      name: "ten_webhooks_waiting",
      type: "gauge",
      help: "Messages that wait for their receivers.",
      samples: [[{}, webhooksWaiting]],
    },
    gauge("ten_requests_in_flight", "Requests and streams under way.", (view) => view.in_flight),
    gauge("ten_instance_up", "1 when the instance is healthy.", (view) => (view.state === "healthy" ? 1 : 0)),
    gauge("ten_instance_failed", "1 when the restart policy has given it up.", (view) =>
      view.state === "failed" ? 1 : 0,
    ),
    gauge("ten_instance_weight_ratio", "Weight, 1 is 100 percent.", (view) => ratio(view.weight)),
    gauge("ten_instance_share_ratio", "Part of its service's traffic right now.", (view) =>
      ratio(view.share),
    ),
    counter("ten_instance_restarts_total", "Restarts since it was spawned.", (view) => view.restarts),
    gauge("ten_instance_memory_bytes", "Resident memory of all its processes.", (view) => view.memory_bytes),
    counter(
      "ten_instance_cpu_seconds_total",
      "Processor time of all its processes since they began.",
      (view) => view.cpu_secs,
    ),
    ...rolloutMetrics(rollouts),
    ...certificateMetrics("ten", certificates),
  ]);
}

/** By status class. */
const NOTHING = [0, 0, 0, 0, 0];

/** Of versions, those too whose instances are gone: what a canary is compared by. */
function serviceMetrics(views: readonly Standing[], history: TrafficHistory): Metric[] {
  const services = new Set(views.map(({ service }) => service));
  // Those too that nothing was asked of yet: what begins at 0 is counted from its first request on.
  const names = new Set([
    ...views.map(({ service, version }) => `${service}/${version}`),
    ...history.names(),
  ]);
  const versions = [...names].flatMap((name) => {
    const at = name.indexOf("/");
    const service = name.slice(0, at);
    return at > 0 && services.has(service)
      ? [{ name, labels: { service, version: name.slice(at + 1) } }]
      : [];
  });
  return [
    {
      name: "ten_version_requests_total",
      type: "counter",
      help: "Answers by version and status class.",
      samples: versions.flatMap(({ name, labels }) =>
        (history.totals(name)?.statuses ?? NOTHING).map(
          (count, at): Sample => [{ ...labels, code: `${at + 1}xx` }, count],
        ),
      ),
    },
    {
      name: "ten_version_errors_total",
      type: "counter",
      help: "Tries of a version that gave no answer.",
      samples: versions.map(({ name, labels }): Sample => [labels, history.totals(name)?.failures ?? 0]),
    },
  ];
}

function ratio(percent: number): number {
  return Math.round(percent * 100) / 10_000;
}

function rolloutMetrics(rollouts: readonly RolloutView[]): Metric[] {
  const labels = ({ service, canary }: RolloutView) => ({ service, version: canary });
  const charges = ["errors", "slow", "stalls", "rejections"] as const;
  return [
    {
      name: "ten_rollout_share_ratio",
      type: "gauge",
      help: "Part of the traffic that a canary has by its plan.",
      samples: rollouts.map((one): Sample => [labels(one), ratio(one.share)]),
    },
    {
      name: "ten_rollout_held",
      type: "gauge",
      help: "1 when a rollout waits for somebody to decide.",
      samples: rollouts.map((one): Sample => [labels(one), one.held === null ? 0 : 1]),
    },
    {
      name: "ten_rollout_odds",
      type: "gauge",
      help: "What the bets against a canary stand at, as so much to 1; at 1000 it is taken back.",
      samples: rollouts.flatMap((one) => charges.map((by): Sample => [{ ...labels(one), by }, one.odds[by]])),
    },
  ];
}

/** `instance` is Prometheus's own, of what it scrapes. */
function labelsOf({ id, service, version }: Standing): string {
  return labelText({ service, ten_instance: id.slice(service.length + 1), version });
}

/** The number of the first limit that all times of a bucket are below, by bucket. */
const LIMIT_OF = Array.from({ length: BUCKET_COUNT }, (_, bucket) => {
  const at = LIMITS.findIndex((limit) => bucketLimitMs(bucket) <= limit * 1000);
  return at === -1 ? LIMITS.length : at;
});
/** The middle of a bucket stands for all in it: good to 2 %, and nothing is summed on the hot path. */
const SECS_OF = Array.from({ length: BUCKET_COUNT }, (_, bucket) => bucketMiddleMs(bucket) / 1000);

function durationsOf(labels: string, traffic: TargetTraffic | undefined): string {
  const buckets = traffic?.buckets ?? [];
  const below = new Array<number>(LIMITS.length + 1).fill(0);
  let sum = 0;
  for (let bucket = 0; bucket < buckets.length; bucket++) {
    const count = buckets[bucket] ?? 0;
    if (count === 0) continue;
    const limit = LIMIT_OF[bucket] ?? 0;
    below[limit] = (below[limit] ?? 0) + count;
    sum += count * (SECS_OF[bucket] ?? 0);
  }
  let total = 0;
  for (let at = 0; at < below.length; at++) below[at] = total += below[at] ?? 0;
  return histogramLines("ten_request_duration_seconds", labels, LIMITS, { below, total, sum });
}
