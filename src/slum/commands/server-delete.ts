// `slum server delete`: forgets a server that no tenant uses.
import { command } from "../../cli/command.ts";
import { server } from "./arguments.ts";
import { connect } from "./connect.ts";

export default command({
  name: "delete",
  summary: "Forget a server that no tenant uses",
  examples: [["slum server delete iad", "refused, with their names, while tenants use it"]],
  args: { server },
  async run(context) {
    const { args, out, signal } = context;
    const done = await connect(context).deleteServer({ params: { id: args.server } }, { signal });
    out.data(done, () => `deleted ${done.id}\n`);
    return 0;
  },
});
