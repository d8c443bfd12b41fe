// `ten chown`: gives the files of a service to the user that it is configured to run as.
import { command } from "../../cli/command.ts";
import { service } from "./arguments.ts";
import { connect } from "./connect.ts";

export default command({
  name: "chown",
  summary: "Give a service's files to the user that it runs as",
  description:
    "For a service that is to run as another user from now on: its shared directory and the directories of its instances, with all that is in them, are given to the user of tenement.toml. The server has to run as root.",
  examples: [["ten chown api", "then deploy it: ten deploy api --version v2"]],
  args: { service },
  async run(context) {
    const { args, out, signal } = context;
    const done = await connect(context).chown({ params: { service: args.service } }, { signal });
    out.data({ ...done }, () => "");
    out.success(`${done.files} files and directories of ${done.service} belong to ${done.owner}`);
    return 0;
  },
});
