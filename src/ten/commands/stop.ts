// `ten stop`: takes instances out of traffic, drains and ends them.
import { command } from "../../cli/command.ts";
import { instanceName } from "../../core/name.ts";
import { force, instances } from "../arguments.ts";
import { connect } from "../connect.ts";
import { reportChange } from "../report.ts";

export default command({
  name: "stop",
  summary: "Take instances out of traffic, drain and end them",
  description:
    "Requests in flight finish, up to drain_timeout; then SIGTERM, and SIGKILL after stop_grace_period_secs. The row, the directory and the logs stay until rm or prune. Refused when it would leave a running service without traffic.",
  examples: [
    ["ten stop api:v1", "stop one"],
    ["ten stop api:v1 api:v2", "stop several, side by side"],
    ["ten stop api:v1 --force", "also when it is the only one that takes traffic"],
  ],
  args: { instances, force },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const instances = args.instances.map(({ service, id }) => instanceName(service, id));
    using _ = out.progress(`draining and stopping ${instances.join(", ")}`);
    const { changes } = await client.stopAll({ body: { instances, force: args.force } }, { signal });
    for (const change of changes) reportChange(out, change);
    return 0;
  },
});
