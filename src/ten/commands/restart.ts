// `ten restart`: drains, ends and starts an instance again, and waits until it is healthy; those of a version one by one.
import { command } from "../../cli/command.ts";
import type { InstanceView } from "../api/shapes.ts";
import { instance } from "./arguments.ts";
import { connect } from "./connect.ts";
import { instancesOf } from "./selection.ts";

export default command({
  name: "restart",
  summary: "Drain, end and start an instance again",
  description:
    "Its weight stays. While it is the only one with traffic, requests wait for it. A stopped instance is started. Those of a version with several are restarted one by one; the first that does not get healthy ends it.",
  examples: [["ten restart api:v1", "returns when it is healthy again"]],
  args: { instance },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const restarted: InstanceView[] = [];
    for (const id of await instancesOf(client, args.instance, signal)) {
      using progress = out.progress(`restarting ${id}`);
      restarted.push(await client.restart({ params: { id } }, { signal }));
      progress.done();
    }
    const [only] = restarted;
    out.data(only && restarted.length === 1 ? { ...only } : { instances: restarted }, () =>
      restarted.map(({ id, state, port }) => `${id} is ${state} on port ${port}\n`).join(""),
    );
    return 0;
  },
});
