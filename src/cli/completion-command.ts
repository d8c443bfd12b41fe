// `completion SHELL`: a script that teaches a shell this program's commands and flags.
import { oneOf, word } from "./argument.ts";
import { command } from "./command.ts";
import { SHELLS, type Shell } from "./completion.ts";

const NAMES = Object.keys(SHELLS) as Shell[];

export default command({
  name: "completion",
  summary: "Print a completion script for bash, zsh or fish",
  description:
    "Completes commands, flags and their values, and names that the running server knows. When none answers within a moment, names are left out.",
  examples: [
    ["{program} completion bash > /etc/bash_completion.d/{program}", "for all users of bash"],
    ["{program} completion zsh > ~/.zfunc/_{program}", "for zsh, with ~/.zfunc in fpath"],
    ["{program} completion fish > ~/.config/fish/completions/{program}.fish", "for fish"],
  ],
  args: { shell: word("The shell", { hint: "bash|zsh|fish", choices: NAMES, read: oneOf(NAMES) }) },
  run({ args, out, program }) {
    const script = SHELLS[args.shell](program.name);
    out.data({ shell: args.shell, script }, () => script);
    return 0;
  },
});
