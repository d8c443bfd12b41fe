// `slum webhook rotate`: makes a new signing secret; the old one signs too for a day.
import { command } from "../../cli/command.ts";
import { webhook } from "./arguments.ts";
import { connect } from "./connect.ts";

export default command({
  name: "rotate",
  summary: "Make a new signing secret; the old one signs too for a day",
  examples: [["slum webhook rotate ops", "then give the receiver the new secret"]],
  args: { webhook },
  async run(context) {
    const { args, out, signal } = context;
    const made = await connect(context).rotateWebhook({ params: { id: args.webhook } }, { signal });
    out.data(made, () => `New signing secret of ${args.webhook} (shown once):\n\n  ${made.secret}\n`);
    return 0;
  },
});
