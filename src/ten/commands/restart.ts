// `ten restart`: drains, ends and starts an instance again, and waits until it is healthy.
import { command } from "../../cli/command.ts";
import { instanceName } from "../../core/name.ts";
import { instance } from "../arguments.ts";
import { connect } from "../connect.ts";

export default command({
  name: "restart",
  summary: "Drain, end and start an instance again",
  description:
    "Its weight stays. While it is the only one with traffic, requests wait for it. A stopped instance is started.",
  examples: [["ten restart api:v1", "returns when it is healthy again"]],
  args: { instance },
  async run(context) {
    const { args, out, signal } = context;
    const name = instanceName(args.instance.service, args.instance.id);
    using progress = out.progress(`restarting ${name}`);
    const found = await connect(context).restart({ params: { id: name } }, { signal });
    progress.done();
    out.data({ ...found }, () => `${name} is ${found.state} on port ${found.port}\n`);
    return 0;
  },
});
