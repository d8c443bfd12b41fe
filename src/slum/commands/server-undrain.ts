// `slum server undrain`: sends a server requests again.
import { command } from "../../cli/command.ts";
import { server } from "./arguments.ts";
import { connect } from "./connect.ts";

export default command({
  name: "undrain",
  summary: "Send a server requests again",
  examples: [["slum server undrain iad", "after the maintenance"]],
  args: { server },
  async run(context) {
    const { args, out, signal } = context;
    const sent = { params: { id: args.server }, body: { drained: false } };
    const done = await connect(context).drainServer(sent, { signal });
    out.data(done, () => `${args.server} takes requests again${done.changed ? "" : "; nothing to do"}\n`);
    return 0;
  },
});
