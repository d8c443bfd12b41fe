// The metrics page: instances and their traffic in the Prometheus text exposition format, version 0.0.4.
import { bucketLimitMs, type TargetTraffic } from "../../proxy/traffic-counters.ts";
import type { InstanceView } from "./shapes.ts";

/** Upper limits of the duration histogram, in seconds. */
const LIMITS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly samples: readonly string[];
}

/** `info` is the version of the program. */
export function metricsPage(
  views: readonly InstanceView[],
  traffic: readonly TargetTraffic[],
  info: string,
): string {
  const known = new Map(traffic.map((one) => [one.id, one]));
  const each = (value: (view: InstanceView) => number | null, name: string) =>
    views.flatMap((view) => {
      const found = value(view);
      return found === null ? [] : [`${name}${labels(view)} ${found}`];
    });
  const gauge = (name: string, help: string, value: (view: InstanceView) => number | null): Metric => ({
    name,
    type: "gauge",
    help,
    samples: each(value, name),
  });
  const counter = (name: string, help: string, value: (view: InstanceView) => number | null): Metric => ({
    ...gauge(name, help, value),
    type: "counter",
  });
  const requests = "ten_requests_total";
  const duration = "ten_request_duration_seconds";
  const metrics: Metric[] = [
    {
      name: "ten_build_info",
      type: "gauge",
      help: "The running version.",
      samples: [`ten_build_info{version="${info}"} 1`],
    },
    {
      name: requests,
      type: "counter",
      help: "Answers by instance and status class.",
      samples: views.flatMap((view) =>
        (known.get(view.id)?.statuses ?? []).map(
          (count, at) => `${requests}${labels(view, `code="${at + 1}xx"`)} ${count}`,
        ),
      ),
    },
    counter(
      "ten_request_errors_total",
      "Tries that gave no answer: refused, reset, timed out, garbage.",
      (view) => known.get(view.id)?.failures ?? 0,
    ),
    {
      name: duration,
      type: "histogram",
      help: "Time to the head of the answer.",
      samples: views.flatMap((view) => histogram(duration, view, known.get(view.id))),
    },
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
  ];
  return metrics
    .flatMap(({ name, type, help, samples }) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${type}`,
      ...samples,
      "",
    ])
    .join("\n");
}

/** Ids and versions are checked names, so nothing needs escaping. */
function labels(view: InstanceView, more?: string): string {
  const id = view.id.slice(view.service.length + 1);
  return `{service="${view.service}",instance="${id}",version="${view.version}"${more === undefined ? "" : `,${more}`}}`;
}

function histogram(name: string, view: InstanceView, traffic: TargetTraffic | undefined): string[] {
  const buckets = traffic?.buckets ?? [];
  const below = (limitSecs: number) =>
    buckets.reduce((sum, count, at) => sum + (bucketLimitMs(at) <= limitSecs * 1000 ? count : 0), 0);
  const total = buckets.reduce((sum, count) => sum + count, 0);
  // The middle of a bucket stands for all in it: good to a tenth, and nothing is summed on the hot path.
  const seconds = buckets.reduce(
    (sum, count, at) => sum + (count * (bucketLimitMs(at) + bucketLimitMs(at - 1))) / 2000,
    0,
  );
  return [
    ...LIMITS.map((limit) => `${name}_bucket${labels(view, `le="${limit}"`)} ${below(limit)}`),
    `${name}_bucket${labels(view, 'le="+Inf"')} ${total}`,
    `${name}_sum${labels(view)} ${seconds.toFixed(6)}`,
    `${name}_count${labels(view)} ${total}`,
  ];
}
