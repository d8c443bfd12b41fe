// `ten abort`: takes a canary back.
import { command } from "../../cli/command.ts";
import { service } from "./arguments.ts";
import { connect } from "./connect.ts";

export default command({
  name: "abort",
  summary: "Take a canary back now, and stop it",
  description:
    "The old version gets the weights back that it had, in one step; then the canary drains and is stopped. Its row, directory and logs stay.",
  examples: [["ten abort api", "back to the version before"]],
  args: { service },
  async run(context) {
    const { args, out, signal } = context;
    const sent = { params: { service: args.service }, body: {} };
    const done = await connect(context).abortRollout(sent, { signal });
    out.data({ ...done }, () => `${done.message}\n`);
    return 0;
  },
});
