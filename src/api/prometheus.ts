// Metrics in the text format of Prometheus, version 0.0.4.

interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
}

/** `lines` are whole ones, for what has so many that an object for each costs more than what is said. */
export type Metric = Family & ({ readonly samples: readonly Sample[] } | { readonly lines: string });

type Labels = Readonly<Record<string, string>>;

export type Sample = readonly [labels: Labels, value: number];

/** One page, each metric with its help; the names are what dashboards are built on, so they are stable. */
export function prometheusPage(metrics: readonly Metric[]): string {
  let page = "";
  for (const metric of metrics) {
    const { name, type, help } = metric;
    page += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    if ("lines" in metric) page += metric.lines;
    else for (const [labels, value] of metric.samples) page += lineOf(name, labelText(labels), value);
  }
  return page;
}

/** One sample; `labels` as `labelText` makes them, "" for none. */
export function lineOf(name: string, labels: string, value: number | string): string {
  return labels === "" ? `${name} ${value}\n` : `${name}{${labels}} ${value}\n`;
}

/** What stands between the braces: made once for all samples that have them. */
export function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([label, text]) => `${label}="${text.replace(/[\\"\n]/g, escaped)}"`)
    .join(",");
}

/** The three that the format knows; another escape is an error in it, and any other character stands as it is. */
function escaped(char: string): string {
  return char === "\n" ? "\\n" : `\\${char}`;
}

/** A histogram's samples: how many were at most each of `limits` (`below`, in their order), all of them, and their sum. */
export function histogramLines(
  name: string,
  labels: string,
  limits: readonly number[],
  { below, total, sum }: { readonly below: readonly number[]; readonly total: number; readonly sum: number },
): string {
  let lines = "";
  for (const [at, limit] of limits.entries())
    lines += `${name}_bucket{${labels},le="${limit}"} ${below[at] ?? 0}\n`;
  return `${lines}${name}_bucket{${labels},le="+Inf"} ${total}\n${name}_sum{${labels}} ${sum.toFixed(6)}\n${name}_count{${labels}} ${total}\n`;
}
