// `slum tenant delete`: forgets a tenant; its domain is nobody's then.
import { command } from "../../cli/command.ts";
import { tenant } from "./arguments.ts";
import { connect } from "./connect.ts";

export default command({
  name: "delete",
  summary: "Forget a tenant; its domain is answered 404 then",
  examples: [["slum tenant delete acme", "nothing on the servers changes"]],
  args: { tenant },
  async run(context) {
    const { args, out, signal } = context;
    const done = await connect(context).deleteTenant({ params: { id: args.tenant } }, { signal });
    out.data(done, () => `deleted ${done.id}\n`);
    return 0;
  },
});
