// `ten init`: writes a tenement.toml that works as it is.
import { maybeWord } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { scaffold } from "../config/scaffold.ts";

export default command({
  name: "init",
  summary: "Write a tenement.toml that works as it is",
  description: "Uses the app that the directory holds, or adds a tiny example. Never overwrites a file.",
  examples: [["ten init", "in the directory of your app; then: ten serve"]],
  args: { directory: maybeWord("Where; here unless given", { hint: "directory" }) },
  run({ args, out, env }) {
    const plan = scaffold(args.directory ?? process.cwd(), env.PATH ?? "");
    const { service, command: line, unrecognised } = plan;
    const written = [...plan.files.keys()];
    out.data({ service, command: line, files: written }, () =>
      written.map((file) => `wrote ${file}\n`).join(""),
    );
    if (unrecognised)
      out.warn(
        `no app was recognised here, so ${written[0]} is an example: put your own command into tenement.toml`,
      );
    out.hint(`start it with: ten serve; then open http://${service}.localhost:8080`);
    return 0;
  },
});
