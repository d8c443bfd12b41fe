// `ten route`: sends a service's traffic, or one instance's part of it, to another instance, in one step.
import { flag, option } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { Fault } from "../../core/fault.ts";
import { force, readLabel, service, timeout } from "./arguments.ts";
import { connect } from "./connect.ts";
import { reportChange } from "./report.ts";

const DEFAULT_WAIT_SECS = 30;

export default command({
  name: "route",
  summary: "Send traffic from one instance to another, atomically",
  description:
    "With --from, the target gets that instance's weight on top of its own; without it, all traffic of the service. A target that is not healthy is refused unless --force.",
  examples: [
    ["ten route api --from v1 --to v2", "blue/green: v2 takes over what v1 has"],
    ["ten route api --to v2", "v2 takes everything"],
    ["ten route api --to v2 --wait", "wait for a v2 that still starts"],
  ],
  args: {
    service,
    from: option("The instance that loses its traffic", { hint: "ID", read: readLabel, names: "id" }),
    to: option("The instance that gets it", { hint: "ID", read: readLabel, names: "id" }),
    wait: flag("Wait for a target that starts or sleeps"),
    timeout,
    force,
  },
  async run(context) {
    const { args, out, signal } = context;
    if (args.to === undefined)
      throw new Fault("usage", "--to is missing", `for example: ten route ${args.service} --to v2`);
    using _ = out.progress(`routing ${args.service} to ${args.to}`);
    const wait = args.wait ? (args.timeout ?? DEFAULT_WAIT_SECS) : 0;
    const body = {
      service: args.service,
      to: args.to,
      force: args.force,
      wait,
      ...(args.from && { from: args.from }),
    };
    reportChange(out, await connect(context).route({ body }, { signal }));
    return 0;
  },
});
