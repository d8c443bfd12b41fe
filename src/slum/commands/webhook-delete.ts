// `slum webhook delete`: removes a receiver with all that waits for it.
import { command } from "../../cli/command.ts";
import { webhook } from "./arguments.ts";
import { connect } from "./connect.ts";

export default command({
  name: "delete",
  summary: "Remove a receiver with all that waits for it",
  examples: [["slum webhook delete ops", "messages that it has not taken are dropped"]],
  args: { webhook },
  async run(context) {
    const { args, out, signal } = context;
    const done = await connect(context).deleteWebhook({ params: { id: args.webhook } }, { signal });
    out.data(done, () => `deleted ${done.id}\n`);
    return 0;
  },
});
