// How a change of traffic is told: what happened, the new split of the service, and the command that undoes it.
import { formatMoment } from "../../cli/format.ts";
import type { Output } from "../../cli/output.ts";
import { formatTable } from "../../cli/table.ts";
import { parseInstance } from "../../core/name.ts";
import type { SplitView } from "../api/shapes.ts";

interface Change {
  readonly service: string;
  readonly changed: boolean;
  readonly message: string;
  readonly split: SplitView;
  readonly maintenance: string | null;
  readonly undo: string | null;
  readonly warnings: readonly string[];
}

export function reportChange(out: Output, change: Change): void {
  reportChanges(out, [change]);
}

/** One change, as of one service, is one object for scripts; several, each of a service, are a list in one. */
export function reportChanges(out: Output, changes: readonly Change[]): void {
  for (const { changed, message, warnings } of changes) {
    if (changed) out.success(message);
    else out.info(message);
    for (const warning of warnings) out.warn(warning);
  }
  const [only] = changes;
  const tables = () => changes.map((change) => splitText(out, change)).join("\n");
  out.data(only && changes.length === 1 ? { ...only } : { changes }, tables);
  for (const { undo } of changes) if (undo !== null) out.hint(`undo with: ${undo}`);
}

/** The split of a service, and what keeps visitors away from it. */
export function splitText(
  out: Output,
  { service, split, maintenance }: Pick<Change, "service" | "split" | "maintenance">,
): string {
  return splitTable(out, split) + (maintenance === null ? "" : maintenanceLine(out, service, maintenance));
}

export function maintenanceLine(out: Output, service: string, since: string): string {
  const what = out.paint("yellow", `${service} is under maintenance`);
  return `${what} since ${formatMoment(since)}: visitors get 503 until: ten maintenance ${service} off\n`;
}

/** What has changed, `v1 90 -> 0, v2 10 -> 100`. */
export function weightsText(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): string {
  return Object.entries(after)
    .filter(([id, weight]) => (before[id] ?? 0) !== weight)
    .map(([id, weight]) => `${id} ${before[id] ?? 0} -> ${weight}`)
    .join(", ");
}

const BAR_WIDTH = 25;

/** One line an instance: its share of the traffic now, its weight where that is another number, and a bar. */
function splitTable(out: Output, split: SplitView): string {
  if (split.length === 0) return "no instance runs\n";
  const hasVersions = split.some(({ id, version }) => parseInstance(id).id !== version);
  const hasWeights = split.some(({ weight, share }) => weight !== share);
  const columns = [
    { heading: "INSTANCE", isName: true },
    ...(hasVersions ? [{ heading: "VERSION", isName: true, rank: 2 }] : []),
    { heading: "STATE" },
    ...(hasWeights ? [{ heading: "WEIGHT", align: "right" as const, rank: 1 }] : []),
    { heading: "SHARE", align: "right" as const },
    { heading: "", rank: 3 },
  ];
  const rows = split.map(({ id, version, state, weight, share }) => [
    id,
    ...(hasVersions ? [version] : []),
    state,
    ...(hasWeights ? [String(weight)] : []),
    `${share} %`,
    out.paint("green", "█".repeat(Math.round((share / 100) * BAR_WIDTH))),
  ]);
  return formatTable(columns, rows, out.paint, out.stdout.size()?.columns);
}
