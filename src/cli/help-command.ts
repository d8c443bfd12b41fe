// `help [COMMAND]`: the same as `COMMAND --help`, for those who look for it there.
import { words } from "./argument.ts";
import { command } from "./command.ts";
import { find } from "./find.ts";
import { helpFor } from "./help.ts";

export default command({
  name: "help",
  summary: "Explain a command",
  examples: [["{program} help completion", "how completion is used, with examples"]],
  args: { command: words("The command to explain; none for the list of all", { hint: "COMMAND" }) },
  async run({ args, out, program }) {
    const help = await helpFor(program, await find(program, args.command), out.paint);
    out.data({ help }, () => help);
    return 0;
  },
});
