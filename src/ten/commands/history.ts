// `ten history`: how a service's traffic was divided before, who changed it, and what became of it.
import { number, withDefault } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { formatMoment, formatSeconds } from "../../cli/format.ts";
import type { Output } from "../../cli/output.ts";
import { formatTable } from "../../cli/table.ts";
import { systemClock } from "../../platform/time/clock.ts";
import type { RolloutView } from "../api/shapes.ts";
import { service } from "./arguments.ts";
import { connect } from "./connect.ts";
import { weightsText } from "./report.ts";

export default command({
  name: "history",
  summary: "Show how a service's traffic was divided before, who changed it, and which deploys failed",
  examples: [["ten history api", "the last 20 changes, failed deploys and rollouts, newest first"]],
  args: {
    service,
    limit: withDefault(number("How many changes", { letter: "n", max: 1_000 }), 20),
  },
  async run(context) {
    const { args, out, signal } = context;
    const sent = { params: { service: args.service }, query: { limit: args.limit } };
    const history = await connect(context).history(sent, { signal });
    const columns = [
      { heading: "WHEN" },
      { heading: "BY", isName: true, rank: 1 },
      { heading: "COMMAND", isName: true },
      { heading: "OUTCOME" },
    ];
    const changes = history.changes.map(({ at, by, command: line, before, after }) => ({
      at,
      cells: [by ?? "ten", line, weightsText(before, after)],
    }));
    const failed = history.failed_deploys.map(({ at, by, version, text }) => ({
      at,
      cells: [by ?? "ten", `deploy ${args.service}:${version}`, out.paint("red", `failed: ${text}`)],
    }));
    const rows = [...changes, ...failed]
      .toSorted((a, b) => b.at.localeCompare(a.at))
      .slice(0, args.limit)
      .map(({ at, cells }) => [formatMoment(at), ...cells]);
    out.data({ ...history }, () => {
      const table =
        rows.length === 0 ? "" : formatTable(columns, rows, out.paint, out.stdout.size()?.columns);
      return table + rolloutsTable(out, history.rollouts);
    });
    if (rows.length === 0) out.info(`the traffic of ${args.service} has not been changed yet`);
    return 0;
  },
});

const OUTCOMES = {
  promoted: ["promoted", "green"],
  rolled_back: ["rolled back", "red"],
  taken_over: ["taken over", "yellow"],
  replaced: ["replaced", "yellow"],
} as const;

function rolloutsTable(out: Output, rollouts: readonly RolloutView[]): string {
  if (rollouts.length === 0) return "";
  const columns = [
    { heading: "VERSION" },
    { heading: "BESIDE" },
    { heading: "WHEN" },
    { heading: "TOOK", align: "right" as const },
    { heading: "OUTCOME" },
    { heading: "" },
  ];
  const rows = rollouts.map((one) => {
    const began = Date.parse(one.started_at);
    const ended = one.ended_at === null ? systemClock.now() : Date.parse(one.ended_at);
    const [outcome, colour] = one.outcome === null ? (["under way", "blue"] as const) : OUTCOMES[one.outcome];
    return [
      one.canary,
      one.stable,
      `${formatSeconds((systemClock.now() - began) / 1000)} ago`,
      formatSeconds((ended - began) / 1000),
      out.paint(colour, outcome),
      one.text.replace(/^(rolled back|promoted): /, ""),
    ];
  });
  return `\n${formatTable(columns, rows, out.paint)}`;
}
