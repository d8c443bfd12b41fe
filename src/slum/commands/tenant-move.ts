// `slum tenant move`: gives a tenant another home server.
import { command } from "../../cli/command.ts";
import { server, tenant } from "./arguments.ts";
import { connect } from "./connect.ts";
import { warn } from "./report.ts";

export default command({
  name: "move",
  summary: "Give a tenant another home server",
  description:
    "Requests that start afterwards go there. A failover list keeps its length: the old home takes the place of the new one.",
  examples: [["slum tenant move acme fra", "acme's home is fra from now on"]],
  args: { tenant, server },
  async run(context) {
    const { args, out, signal } = context;
    const sent = { params: { id: args.tenant }, body: { server: args.server } };
    const { tenant: moved, warnings } = await connect(context).moveTenant(sent, { signal });
    out.data({ tenant: moved, warnings }, () => `${moved.id} is at home on ${moved.server}\n`);
    warn(out, warnings);
    return 0;
  },
});
