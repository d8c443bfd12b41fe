// The metrics of a tenement: instances and their traffic.
import { histogram, type Metric, prometheusPage, type Sample } from "../../api/prometheus.ts";
import { bucketLimitMs, type TargetTraffic } from "../../proxy/traffic-counters.ts";
import type { InstanceView, RolloutView } from "./shapes.ts";

/** Upper limits of the duration histogram, in seconds. */
const LIMITS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** `rollouts` are those under way, `version` is the program's. */
export function metricsPage(
  views: readonly InstanceView[],
  traffic: readonly TargetTraffic[],
  rollouts: readonly RolloutView[],
  version: string,
): string {
  const known = new Map(traffic.map((one) => [one.id, one]));
  const each = (value: (view: InstanceView) => number | null) =>
    views.flatMap((view): Sample[] => {
      const found = value(view);
      return found === null ? [] : [[labelsOf(view), found]];
    });
  const gauge = (name: string, help: string, value: (view: InstanceView) => number | null): Metric => ({
    name,
    type: "gauge",
    help,
    samples: each(value),
  });
  const counter = (name: string, help: string, value: (view: InstanceView) => number | null): Metric => ({
    ...gauge(name, help, value),
    type: "counter",
  });
  const answers: Metric = {
    name: "ten_requests_total",
    type: "counter",
    help: "Answers by instance and status class.",
    samples: views.flatMap((view) =>
      (known.get(view.id)?.statuses ?? []).map(
        (count, at): Sample => [{ ...labelsOf(view), code: `${at + 1}xx` }, count],
      ),
    ),
  };
  const durations: Metric = {
    name: "ten_request_duration_seconds",
    type: "histogram",
    help: "Time to the head of the answer.",
    samples: views.flatMap((view) => durationsOf(view, known.get(view.id))),
  };
  return prometheusPage([
    { name: "ten_build_info", type: "gauge", help: "The running version.", samples: [[{ version }, 1]] },
    answers,
    counter(
      "ten_request_errors_total",
      "Tries that gave no answer: refused, reset, timed out, garbage.",
      (view) => known.get(view.id)?.failures ?? 0,
    ),
    durations,
    gauge("ten_requests_in_flight", "Requests and streams under way.", (view) => view.in_flight),
    gauge("ten_instance_up", "1 when the instance is healthy.", (view) => (view.state === "healthy" ? 1 : 0)),
    gauge("ten_instance_weight", "Weight in percent.", (view) => view.weight),
    gauge("ten_instance_share", "Percentage of its service's traffic right now.", (view) => view.share),
    counter("ten_instance_restarts_total", "Restarts since it was spawned.", (view) => view.restarts),
    gauge("ten_instance_memory_bytes", "Resident memory of all its processes.", (view) => view.memory_bytes),
    gauge(
      "ten_instance_cpu_percent",
      "Processor time of all its processes, 100 is one core.",
      (view) => view.cpu_percent,
    ),
    ...rolloutMetrics(rollouts),
  ]);
}

function rolloutMetrics(rollouts: readonly RolloutView[]): Metric[] {
  const labels = ({ service, canary }: RolloutView) => ({ service, version: canary });
  const charges = ["errors", "slow", "stalls", "rejections"] as const;
  return [
    {
      name: "ten_rollout_share",
      type: "gauge",
      help: "Percentage of the traffic that a canary has by its plan.",
      samples: rollouts.map((one): Sample => [labels(one), one.share]),
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

function labelsOf({ id, service, version }: InstanceView) {
  return { service, instance: id.slice(service.length + 1), version };
}

function durationsOf(view: InstanceView, traffic: TargetTraffic | undefined): Sample[] {
  const buckets = traffic?.buckets ?? [];
  return histogram(labelsOf(view), LIMITS, {
    below: (limitSecs) =>
      buckets.reduce((sum, count, at) => sum + (bucketLimitMs(at) <= limitSecs * 1000 ? count : 0), 0),
    total: buckets.reduce((sum, count) => sum + count, 0),
    // The middle of a bucket stands for all in it: good to a tenth, and nothing is summed on the hot path.
    sum: buckets.reduce(
      (sum, count, at) => sum + (count * (bucketLimitMs(at) + bucketLimitMs(at - 1))) / 2000,
      0,
    ),
  });
}
