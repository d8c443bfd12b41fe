// What `ten top` draws: services and their versions as lines, as wide as the terminal allows.
import { formatBytes, formatMillis, formatMoment, formatProxyAnswers } from "../../cli/format.ts";
import type { Paint } from "../../cli/output.ts";
import { fit, type Size, sparkline, wrapped } from "../../cli/screen.ts";
import type { InstanceView, LastChange, ServiceRate, TrafficView } from "../api/shapes.ts";
import { beginOf, isFound, remedyOf, troubledFirst } from "../api/trouble.ts";

/** All that is shown, as it was last read. */
export interface Seen {
  readonly instances: readonly InstanceView[];
  /** Services as a whole. */
  readonly rates: ReadonlyMap<string, ServiceRate>;
  readonly traffic: ReadonlyMap<string, TrafficView>;
  /** The last of each service's traffic. */
  readonly changes: ReadonlyMap<string, LastChange>;
  readonly rollouts: ReadonlyMap<string, string>;
}

/** A line that can be chosen: a service, or a version of it. */
export interface Row {
  readonly service: string;
  readonly version: string | undefined;
  readonly instances: readonly InstanceView[];
}

interface Column {
  readonly heading: string;
  readonly width: number;
  /** Left out first where there is no room. */
  readonly rank: number;
  cell(row: Row, seen: Seen): string;
}

const NAME_MIN = 16;
/** Longer names are cut before columns are left out for them. */
const NAME_MOST = 24;
const SPARK = 12;
const MISSING = "-";

const COLUMNS: readonly Column[] = [
  {
    heading: "SHARE",
    width: 7,
    rank: 0,
    cell: (row) => (row.version === undefined ? "" : `${shareOf(row)}%`),
  },
  {
    heading: "REQ/S",
    width: 7,
    rank: 0,
    cell: (row, seen) => round(ratePerSec(row, seen)),
  },
  { heading: "ERR %", width: 7, rank: 0, cell: (row, seen) => errorsOf(row, seen) },
  { heading: "P50", width: 8, rank: 4, cell: (row, seen) => ms(versionOf(row, seen)?.p50_ms) },
  { heading: "P95", width: 8, rank: 0, cell: (row, seen) => ms(versionOf(row, seen)?.now_p95_ms) },
  { heading: "P99", width: 8, rank: 3, cell: (row, seen) => ms(versionOf(row, seen)?.p99_ms) },
  {
    heading: "CPU",
    width: 6,
    rank: 1,
    cell: ({ instances }) => `${Math.round(sum(instances, (one) => one.cpu_percent ?? 0))}%`,
  },
  {
    heading: "MEM",
    width: 7,
    rank: 1,
    cell: ({ instances }) => memoryOf(instances),
  },
];

const SPARK_COLUMN: Column = {
  heading: "15 MIN",
  width: SPARK + 1,
  rank: 2,
  cell: (row, seen) => sparkOf(row, seen),
};

export function rowsOf({ instances, rates }: Seen, filter: string): Row[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = instances.filter((one) => one.state !== "stopped" && isFound(one, rates, words));
  const services = [...Map.groupBy(found, ({ service }) => service)];
  return troubledFirst(services, rates).flatMap(([service, those]) => [
    { service, version: undefined, instances: those },
    ...[...Map.groupBy(those, ({ version }) => version)].map(([version, some]) => ({
      service,
      version,
      instances: some,
    })),
  ]);
}

export function drawTable(
  paint: Paint,
  seen: Seen,
  rows: readonly Row[],
  chosen: number,
  size: Size,
): string[] {
  const longest = Math.max(0, ...rows.map((row) => Bun.stringWidth(nameOf(row))));
  const columns = columnsFor(size.columns, Math.min(NAME_MOST, Math.max(NAME_MIN, longest)));
  const taken = columns.reduce((total, { width }) => total + width + 1, 0);
  const name = Math.max(NAME_MIN, size.columns - taken - 1);
  const heading = [
    fit("SERVICE, VERSION", name),
    ...columns.map((column) => column.heading.padStart(column.width)),
  ].join(" ");
  const lines = rows.map((row, place) => {
    const isChosen = place === chosen;
    const cells = columns.map((column) => {
      const text = column.cell(row, seen).padStart(column.width);
      return isBad(column.heading, row, seen, text) ? paint("red", text) : text;
    });
    const line = [fit(nameOf(row), name), ...cells].join(" ");
    if (isChosen) return paint("inverse", line);
    return row.version === undefined ? paint("bold", line) : colourOf(paint, row, line);
  });
  return [paint("dim", heading), ...lines];
}

function isBad(heading: string, row: Row, { rates }: Seen, text: string): boolean {
  const { worse, trouble } = rates.get(row.service)?.comparison ?? {};
  if (heading === "P95") return trouble === "slow" && row.version === worse;
  return heading === "ERR %" && Number.parseFloat(text) >= 1;
}

/** One line a service about what is worse, and about its rollout. */
export function notesOf(paint: Paint, seen: Seen, width = Number.MAX_SAFE_INTEGER): string[] {
  const services = Map.groupBy(seen.instances, ({ service }) => service);
  const rates = troubledFirst(
    [...seen.rates].map(([service, rate]) => [service, services.get(service) ?? [], rate] as const),
    seen.rates,
  );
  return rates.flatMap(([service, , rate]) => {
    const rollout = seen.rollouts.get(service);
    const own = formatProxyAnswers(rate.proxy_answers);
    return [
      ...(own === undefined ? [] : wrapped(`${service}: ${own}`, width).map((line) => paint("red", line))),
      ...verdictOf(seen, rate).flatMap((text) => wrapped(text, width).map((line) => paint("red", line))),
      ...(rollout === undefined
        ? []
        : wrapped(`${service}: rollout: ${rollout}`, width).map((line) => paint("yellow", line))),
    ];
  });
}

/** What is wrong, and below it since when and what to do. */
function verdictOf({ instances, changes }: Seen, rate: ServiceRate): string[] {
  const { service, comparison } = rate;
  if (comparison.trouble === null) return [];
  const begin = beginOf(comparison, changes.get(service));
  const remedy = remedyOf(
    rate,
    instances.filter((one) => one.service === service),
  );
  const since = begin && `since ${formatMoment(new Date(begin.sinceMs).toISOString())}`;
  const all = [since, begin?.change && `with ${begin.change.command}`].filter(Boolean).join(", ");
  const more = [all, remedy && `what to do: ${remedy.command}`].filter(Boolean).join("; ");
  return [`${service}: ${comparison.text}`, ...(more === "" ? [] : [`  ${more}`])];
}

function columnsFor(width: number, name: number): Column[] {
  const chosen = [...COLUMNS, SPARK_COLUMN];
  const total = () => chosen.reduce((sum, column) => sum + column.width + 1, name + 1);
  while (total() > width) {
    const least = chosen.reduce((a, b) => (b.rank > a.rank ? b : a));
    if (least.rank === 0) break;
    chosen.splice(chosen.indexOf(least), 1);
  }
  return chosen;
}

function nameOf({ service, version, instances }: Row): string {
  const bad = instances.filter(({ state }) => state !== "healthy");
  const states = [...new Set(bad.map(({ state }) => state))].join(", ");
  const count = instances.length > 1 ? ` (${instances.length})` : "";
  if (version === undefined) return service;
  return `  ${version}${count}${states === "" ? "" : ` ${states}`}`;
}

function colourOf(paint: Paint, { instances }: Row, line: string): string {
  const is = (state: InstanceView["state"]) => instances.some((one) => one.state === state);
  if (is("failed") || is("unhealthy")) return paint("red", line);
  return is("starting") || is("draining") ? paint("yellow", line) : line;
}

/** A service as a whole has no times of its own: those of its versions are below. */
function versionOf({ service, version }: Row, seen: Seen): TrafficView["versions"][number] | undefined {
  return seen.traffic.get(service)?.versions.find((one) => one.version === version);
}

/** Of a service also what the proxy answered itself. */
function ratePerSec({ service, version, instances }: Row, { rates }: Seen): number {
  const whole = version === undefined ? rates.get(service) : undefined;
  return whole?.requests_per_sec ?? sum(instances, (one) => one.requests_per_sec);
}

function errorsOf(row: Row, seen: Seen): string {
  if (row.version === undefined) return round(seen.rates.get(row.service)?.error_percent ?? 0);
  const version = versionOf(row, seen);
  return version ? round(version.error_percent) : MISSING;
}

function sparkOf(row: Row, seen: Seen): string {
  const traffic = seen.traffic.get(row.service);
  const counts = row.version === undefined ? traffic?.total.requests : versionOf(row, seen)?.requests;
  return sparkline(grouped(counts ?? [], SPARK), SPARK);
}

/** As many sums as there is room for. */
function grouped(values: readonly number[], count: number): number[] {
  const size = Math.max(1, Math.ceil(values.length / count));
  return Array.from({ length: Math.ceil(values.length / size) }, (_, at) =>
    values.slice(at * size, (at + 1) * size).reduce((total, value) => total + value, 0),
  );
}

function shareOf({ instances }: Row): string {
  return round(sum(instances, ({ share }) => share));
}

function memoryOf(instances: readonly InstanceView[]): string {
  const bytes = sum(instances, (one) => one.memory_bytes ?? 0);
  return bytes === 0 ? MISSING : formatBytes(bytes).replace(" ", "");
}

function sum(instances: readonly InstanceView[], value: (one: InstanceView) => number): number {
  return instances.reduce((total, one) => total + value(one), 0);
}

function round(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Math.round(value * 100) / 100);
}

function ms(value: number | null | undefined): string {
  if (value === undefined) return "";
  return value === null ? MISSING : formatMillis(value).replace(" ", "");
}
