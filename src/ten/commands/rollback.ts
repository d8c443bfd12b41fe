// `ten rollback`: takes all traffic from the newest version and restores what the others had before it got any.
import { flag, option } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { readLabel, service } from "./arguments.ts";
import { connect } from "./connect.ts";
import { reportChange } from "./report.ts";

export default command({
  name: "rollback",
  summary: "Give the traffic back to the older versions",
  description:
    "Restores the weights that the others had before the newest version with traffic first got any, in one step. Stopped instances that it needs are started and waited for first. A deploy under way is aborted.",
  examples: [
    ["ten rollback api", "away from the newest version"],
    ["ten rollback api --last", "undo only the last change of weights"],
    ["ten rollback api --to v1", "to a version, also one of which only its build is kept: ten releases api"],
    ["ten rollback api --dry-run", "the split that it would lead to"],
  ],
  reword: (words) => {
    const [service = "", version, ...rest] = words;
    if (version === undefined) return words;
    const hint = `to give ${version} all of it: ten rollback ${service} --to ${version}, or, if it runs, ten route ${service} --to ${version}; back to what was: ten rollback ${service}`;
    throw new Fault(
      "usage",
      `a rollback restores what was before, and ${quote([version, ...rest].join(" "))} is one too many`,
      hint,
    );
  },
  args: {
    service,
    last: flag("Undo only the last change"),
    to: option("All traffic to this version, which is started if it has to be", {
      hint: "V",
      read: readLabel,
    }),
    dryRun: flag("Change nothing, and show the split as it would be"),
  },
  async run(context) {
    const { args, out, signal } = context;
    const { to } = args;
    if (args.last && to !== undefined)
      throw new Fault("usage", "--last and --to exclude each other", "give one of them");
    using _ = args.dryRun ? undefined : out.progress(`rolling back ${args.service}`);
    const body = { service: args.service, last: args.last, dry_run: args.dryRun, ...(to && { to }) };
    reportChange(out, await connect(context).rollback({ body }, { signal }));
    return 0;
  },
});
