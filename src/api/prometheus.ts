// Metrics in the text format of Prometheus, version 0.0.4.

export interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly samples: readonly Sample[];
}

type Labels = Readonly<Record<string, string>>;

/** `suffix` is what a histogram's samples have behind the name. */
export type Sample = readonly [labels: Labels, value: number | string, suffix?: string];

/** One page, each metric with its help; the names are what dashboards are built on, so they are stable. */
export function prometheusPage(metrics: readonly Metric[]): string {
  return `${metrics.flatMap(linesOf).join("\n")}\n`;
}

function linesOf({ name, type, help, samples }: Metric): string[] {
  const lines = samples.map(
    ([labels, value, suffix = ""]) => `${name}${suffix}${labelText(labels)} ${value}`,
  );
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines];
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}=${JSON.stringify(text)}`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** A histogram's samples: how many were at most each of `limits` (`below`, in their order), all of them, and their sum. */
export function histogram(
  labels: Labels,
  limits: readonly number[],
  { below, total, sum }: { readonly below: readonly number[]; readonly total: number; readonly sum: number },
): Sample[] {
  return [
    ...limits.map((limit, at): Sample => [{ ...labels, le: String(limit) }, below[at] ?? 0, "_bucket"]),
    [{ ...labels, le: "+Inf" }, total, "_bucket"],
    [labels, sum.toFixed(6), "_sum"],
    [labels, total, "_count"],
  ];
}
