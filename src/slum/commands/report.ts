// How commands show servers, tenants and findings to a person.
import { formatMillis, formatSeconds } from "../../cli/format.ts";
import type { Output } from "../../cli/output.ts";
import { formatTable } from "../../cli/table.ts";
import { systemClock } from "../../platform/time/clock.ts";
import type { ServerView, TenantView } from "../api/shapes.ts";

interface Checked {
  readonly healthy: boolean;
  readonly warnings: readonly string[];
}

const COLOURS = { unknown: "yellow", online: "green", offline: "red" } as const;

export function serverTable(out: Output, servers: readonly ServerView[]): string {
  // Columns with the highest rank go first where a terminal is narrow.
  const right = (heading: string, rank: number) => ({ heading, align: "right" as const, rank });
  const columns = [
    { heading: "SERVER", isName: true },
    { heading: "URL", isName: true, rank: 4 },
    { heading: "REGION", rank: 6 },
    { heading: "STATUS" },
    right("LATENCY", 2),
    right("CHECKED", 7),
    right("SINCE", 3),
    right("TENANTS", 1),
    right("IN FLIGHT", 8),
    { heading: "LAST ERROR", isName: true, rank: 5 },
  ];
  const rows = servers.map((one) => [
    one.id,
    one.url,
    one.region ?? "-",
    out.paint(COLOURS[one.status], one.drained ? `${one.status}, drained` : one.status),
    one.latency_ms === null ? "-" : formatMillis(one.latency_ms),
    one.checked_at === null ? "-" : ago(one.checked_at),
    ago(one.since),
    String(one.tenants),
    String(one.in_flight),
    errorOf(one),
  ]);
  return formatTable(columns, rows, out.paint, out.stdout.size()?.columns);
}

export function tenantTable(out: Output, tenants: readonly TenantView[]): string {
  const columns = ["TENANT", "DOMAIN", "SERVER", "SERVES", "FAILOVER", "WRITES"].map((heading) => ({
    heading,
  }));
  const rows = tenants.map((one) => [
    one.id,
    one.domain,
    one.server,
    targetOf(one),
    one.failover === null ? "all" : one.failover.length === 0 ? "none" : one.failover.join(", "),
    one.writes,
  ]);
  return formatTable(columns, rows, out.paint);
}

/** `api`, or `api:prod`. */
export function targetOf({ service, instance }: Pick<TenantView, "service" | "instance">): string {
  return instance === null ? service : `${service}:${instance}`;
}

/** The same of a check whose result was told: the first warning of one that failed says just that. */
export function warnBesides(out: Output, { healthy, warnings }: Checked): void {
  warn(out, healthy ? warnings : warnings.slice(1));
}

/** What a person ought to know besides the result. */
export function warn(out: Output, warnings: readonly string[]): void {
  for (const text of warnings) out.warn(text);
}

/** `connection refused, 2m 5s ago`. */
function errorOf({ last_error: error, last_error_at: at }: ServerView): string {
  if (error === null) return "-";
  return at === null ? error : `${error}, ${ago(at)} ago`;
}

/** `2m 5s`: how long ago a date was. */
export function ago(date: string): string {
  return formatSeconds((systemClock.now() - Date.parse(date)) / 1000);
}
