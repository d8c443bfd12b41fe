// `ten restart`: starts a successor of an instance, which takes over when it is healthy; those of a version or a service one by one.
import { flag } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import type { InstanceView } from "../api/shapes.ts";
import { joinInstance, subject } from "./arguments.ts";
import { connect } from "./connect.ts";
import { instancesOf } from "./selection.ts";

export default command({
  name: "restart",
  summary: "Start an instance afresh, without a gap",
  description:
    "A second process is started beside the one that runs, and takes over when it is healthy; then the first is drained and ended. If it does not get healthy, the first goes on. With --stop-first, and where the service says overlap = false, the first is ended before, and requests wait. The weight stays. A stopped instance is started. Those of a version, or of a service, are restarted one by one; the first that does not get healthy ends it.",
  examples: [
    ["ten restart api:v1", "returns when the new process serves and the old one has ended"],
    ["ten restart api", "all instances of api that run, one by one"],
    ["ten restart api:v1 --stop-first", "for what cannot run twice: a single writer, a lock"],
  ],
  reword: joinInstance,
  args: {
    subject,
    stopFirst: flag("End it before it is started again; requests wait meanwhile"),
  },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const query = args.stopFirst ? { stop_first: "true" as const } : {};
    const restarted: InstanceView[] = [];
    for (const instance of await instancesOf(client, args.subject, signal)) {
      using progress = out.progress(`restarting ${instance}`);
      restarted.push(await client.restart({ params: { instance }, query }, { signal }));
      progress.done();
    }
    const [only] = restarted;
    // One object of one that was named; of a service it is a list, however many there are.
    const isOne = args.subject.id !== undefined && restarted.length === 1;
    out.data(only && isOne ? { ...only } : { instances: restarted }, () =>
      restarted.map(({ id, state, port }) => `${id} is ${state} on port ${port}\n`).join(""),
    );
    return 0;
  },
});
