// `slum webhook list`: the receivers, and what waits for them.
import { command } from "../../cli/command.ts";
import { formatTable } from "../../cli/table.ts";
import { connect } from "./connect.ts";

export default command({
  name: "list",
  summary: "Show the receivers, and what waits for them",
  examples: [["slum webhook list", "one line a receiver"]],
  args: {},
  async run(context) {
    const { out, signal } = context;
    const { webhooks } = await connect(context).listWebhooks({}, { signal });
    const columns = ["WEBHOOK", "URL", "TYPES", "STATE", "WAITING", "LAST ERROR"].map((heading) => ({
      heading,
    }));
    const rows = webhooks.map((one) => [
      one.id,
      one.url,
      one.types?.join(", ") ?? "all",
      one.disabled ?? "on",
      String(one.waiting),
      one.last_error ?? "-",
    ]);
    out.data({ webhooks }, () => (rows.length > 0 ? formatTable(columns, rows, out.paint) : "no webhooks\n"));
    return 0;
  },
});
