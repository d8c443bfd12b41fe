// `ten rm`: removes stopped instances with their directories and logs.
import { flag } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { canAsk, confirm } from "../../cli/confirm.ts";
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { stopped } from "./arguments.ts";
import { connect } from "./connect.ts";

export default command({
  name: "rm",
  summary: "Remove stopped instances with their directories and logs",
  description:
    "When the directory of one of them has something in it, it asks first, and in a pipe it needs --yes: what an app has written is gone for good.",
  examples: [
    ["ten rm api:v1", "after ten stop api:v1"],
    ["ten rm api:v1 --yes", "also with what the app has written into its directory"],
  ],
  args: { instances: stopped, yes: flag("Also when there is something in a directory") },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const instances = args.instances.map(({ service, id }) => instanceName(service, id));
    const remove = (withFiles: boolean) =>
      client.removeAll({ body: { instances, with_files: withFiles } }, { signal });
    const { removed } = await remove(args.yes).catch(async (thrown: unknown) => {
      const directories = thrown instanceof Fault ? thrown.details?.directories : undefined;
      if (!(thrown instanceof Fault) || !Array.isArray(directories) || out.json || !canAsk()) throw thrown;
      for (const directory of directories) out.info(`  ${directory}`);
      if (await confirm(`${thrown.message}. Remove it?`, signal)) return remove(true);
      throw new Fault("conflict", "nothing was removed");
    });
    out.data({ removed }, () => removed.map((name) => `removed ${name}\n`).join(""));
    return 0;
  },
});
