// `slum tenant list`: all tenants, or those of one server.
import { option } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { readLabel } from "./arguments.ts";
import { connect, listAllTenants } from "./connect.ts";
import { tenantTable } from "./report.ts";

export default command({
  name: "list",
  summary: "Show the tenants with their domains and servers",
  examples: [
    ["slum tenant list", "all of them"],
    ["slum tenant list --home iad", "those whose home server is iad"],
  ],
  args: {
    home: option("Only those of this home server", { hint: "SERVER", read: readLabel, names: "server" }),
  },
  async run(context) {
    const { args, out, signal } = context;
    const tenants = await listAllTenants(connect(context), signal, args.home);
    out.data({ tenants }, () => (tenants.length > 0 ? tenantTable(out, tenants) : "no tenants\n"));
    return 0;
  },
});
