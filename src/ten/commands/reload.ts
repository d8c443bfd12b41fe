// `ten reload`: the running server reads its configuration again.
import { flag } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { connect } from "./connect.ts";

export default command({
  name: "reload",
  summary: "Make the running server read tenement.toml again",
  description:
    "The file is checked whole before anything changes; SIGHUP to the server does the same. Routes, domains, timeouts and policies take effect at once. Instances keep the command, environment, health check and limits that they were deployed with, unless --restart-changed.",
  examples: [
    ["ten reload", "put the file into force and show what changed"],
    ["ten reload --restart-changed", "then restart what was deployed with something else, one by one"],
  ],
  args: {
    restartChanged: flag("Restart instances that were deployed with something else, with that, one by one"),
  },
  async run(context) {
    const { args, out, signal } = context;
    using progress = out.progress("reading the configuration");
    const onProgress = ({ message }: { readonly message: string }) => progress.update(message);
    const body = { restart_changed: args.restartChanged };
    const done = await connect(context).reload({ body }, { signal, onProgress });
    progress.done();
    const lines = done.differences.map(
      ({ key, before, after }) => `${key}: ${before ?? "-"} -> ${after ?? "-"}\n`,
    );
    out.data({ ...done }, () => lines.join("") || "nothing changed\n");
    if (done.restarted.length > 0) out.success(`restarted ${done.restarted.join(", ")}`);
    if (done.later.length > 0)
      out.warn(`takes effect when the server is restarted: ${done.later.join(", ")}`);
    if (done.orphaned.length > 0) {
      const names = done.orphaned.join(" ");
      out.warn(`without a service in tenement.toml, running on without traffic: ${names}`);
      out.hint(`put the service back, or: ten stop ${names}`);
    }
    if (done.stale.length > 0) {
      out.hint(
        `as they were deployed: ${done.stale.join(", ")}; restart them with: ten reload --restart-changed`,
      );
    }
    return 0;
  },
});
