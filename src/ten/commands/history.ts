// `ten history`: how a service's traffic was divided before, and who changed it.
import { number, withDefault } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { formatTable } from "../../cli/table.ts";
import { service } from "./arguments.ts";
import { connect } from "./connect.ts";
import { weightsText } from "./report.ts";

export default command({
  name: "history",
  summary: "Show how a service's traffic was divided before, and who changed it",
  examples: [["ten history api", "the last 20 changes, newest first"]],
  args: {
    service,
    limit: withDefault(number("How many changes", { letter: "n", max: 1_000 }), 20),
  },
  async run(context) {
    const { args, out, signal } = context;
    const sent = { params: { service: args.service }, query: { limit: args.limit } };
    const history = await connect(context).history(sent, { signal });
    const columns = ["WHEN", "BY", "COMMAND", "WEIGHTS"].map((heading) => ({ heading }));
    const rows = history.changes.map(({ at, by, command: line, before, after }) => [
      at,
      by ?? "ten",
      line,
      weightsText(before, after),
    ]);
    out.data({ ...history }, () => (rows.length === 0 ? "" : formatTable(columns, rows, out.paint)));
    if (rows.length === 0) out.info(`the traffic of ${args.service} has not been changed yet`);
    return 0;
  },
});
