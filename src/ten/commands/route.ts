// `ten route`: sends a service's traffic, or one instance's part of it, to another instance, in one step.
import { flag, option, words } from "../../cli/argument.ts";
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
    ["ten route api v1 v2", "the same as --from v1 --to v2"],
    ["ten route api --to v2 --wait", "wait for a v2 that still starts"],
  ],
  args: {
    service,
    ids: words(
      "The instance that gets the traffic, or first the one that loses it, without --from and --to",
      {
        hint: "ID",
        read: readLabel,
        names: "id",
      },
    ),
    from: option("The instance that loses its traffic", { hint: "ID", read: readLabel, names: "id" }),
    to: option("The instance that gets it", { hint: "ID", read: readLabel, names: "id" }),
    wait: flag("Wait for a target that starts or sleeps"),
    timeout,
    force,
  },
  async run(context) {
    const { args, out, signal } = context;
    const { from, to } = way(args);
    using _ = out.progress(`routing ${args.service} to ${to}`);
    const wait = args.wait ? (args.timeout ?? DEFAULT_WAIT_SECS) : 0;
    const body = {
      service: args.service,
      to,
      force: args.force,
      wait,
      ...(from !== undefined && { from }),
    };
    reportChange(out, await connect(context).route({ body }, { signal }));
    return 0;
  },
});

interface Way {
  readonly service: string;
  readonly ids: readonly string[];
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** `api v1 v2` is `api --from v1 --to v2`, and `api v2` is `api --to v2`. */
function way({ service: name, ids, from, to }: Way): { from: string | undefined; to: string } {
  const [last, before, ...rest] = [...ids].reverse();
  if (last === undefined) {
    if (to === undefined)
      throw new Fault("usage", "--to is missing", `for example: ten route ${name} --to v2`);
    return { from, to };
  }
  if (to !== undefined || from !== undefined || rest.length > 0) {
    const line = `ten route ${name} --from ${before ?? from ?? "v1"} --to ${to ?? last}`;
    throw new Fault("usage", `${ids.join(" ")}: one too many of where from and where to`, `write ${line}`);
  }
  return { from: before, to: last };
}
