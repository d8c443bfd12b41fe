// `ten rm`: removes stopped instances with their directories and logs.
import { command } from "../../cli/command.ts";
import { instanceName } from "../../core/name.ts";
import { stopped } from "./arguments.ts";
import { connect } from "./connect.ts";

export default command({
  name: "rm",
  summary: "Remove stopped instances with their directories and logs",
  examples: [["ten rm api:v1", "after ten stop api:v1"]],
  args: { instances: stopped },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const instances = args.instances.map(({ service, id }) => instanceName(service, id));
    const { removed } = await client.removeAll({ body: { instances } }, { signal });
    out.data({ removed }, () => removed.map((name) => `removed ${name}\n`).join(""));
    return 0;
  },
});
