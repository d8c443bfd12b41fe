// `ten promote`: everything to the canary, whatever the judge has said so far.
import { command } from "../../cli/command.ts";
import { force, service } from "./arguments.ts";
import { connect } from "./connect.ts";

export default command({
  name: "promote",
  summary: "Give a canary everything now, or end its bake",
  description:
    "The old version stays warm for the bake, in which the new one is still taken back when it fails. Promoted once more, the bake ends.",
  examples: [["ten promote api", "all traffic to the version that is being rolled out"]],
  args: { service, force },
  async run(context) {
    const { args, out, signal } = context;
    const sent = { params: { service: args.service }, body: { force: args.force } };
    const done = await connect(context).promoteRollout(sent, { signal });
    out.data({ ...done }, () => `${done.message}\n`);
    if (done.rollout?.outcome === null) out.hint(`undo with: ten abort ${args.service}`);
    return 0;
  },
});
