// `ten prune`: removes the stopped instances of a service but the newest ones.
import { flag, number, withDefault } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { service } from "./arguments.ts";
import { connect } from "./connect.ts";

export default command({
  name: "prune",
  summary: "Remove a service's stopped instances but the newest",
  description:
    "Running instances are never touched. Directories and logs of the removed ones go too (one with something in its directory stays, unless --yes), and then builds that were shipped and that no instance is of any more, but the newest (keep_releases). A deploy removes what older ones have left by itself: see keep in tenement.toml.",
  examples: [["ten prune api --keep 3", "keep the three newest stopped ones, for a rollback"]],
  args: {
    service,
    keep: withDefault(number("How many stopped instances stay", { max: 10_000 }), 5),
    yes: flag("Also those with something in their directories"),
  },
  async run(context) {
    const { args, out, signal } = context;
    const done = await connect(context).prune(
      { body: { service: args.service, keep: args.keep, with_files: args.yes } },
      { signal },
    );
    const lines = [
      ...done.removed.map((id) => `removed ${done.service}:${id}\n`),
      ...done.releases.map((version) => `removed the build of ${done.service} ${version}\n`),
    ];
    out.data({ ...done }, () => lines.join("") || "nothing to remove\n");
    if (done.filled.length > 0) {
      const names = done.filled.map((id) => `${done.service}:${id}`).join(", ");
      out.hint(`${names} stayed, as there is something in the directory; --yes removes that as well`);
    }
    return 0;
  },
});
