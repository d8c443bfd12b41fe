// `slum server set`: changes what is known of a server.
import { option } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { Fault } from "../../core/fault.ts";
import { aboutServer, bodyOf, readUrl, server } from "./arguments.ts";
import { connect } from "./connect.ts";
import { warnBesides } from "./report.ts";

export default command({
  name: "set",
  summary: "Change what is known of a server",
  description:
    "What is not given stays. It is checked at once, and its tenants stay its own: this is how a machine moves to another address.",
  examples: [
    ["slum server set iad --url https://myapp-iad2.fly.dev", "iad has moved"],
    ["slum server set iad --host server", "for a platform that routes by Host"],
  ],
  args: {
    server,
    url: option("http or https, a host, and no path", { hint: "URL", read: readUrl }),
    ...aboutServer,
  },
  async run(context) {
    const { args, out, signal } = context;
    const body = { ...bodyOf(args), ...(args.url !== undefined && { url: args.url }) };
    if (Object.keys(body).length === 0)
      throw new Fault("usage", "nothing is to be changed", "give at least one of the flags");
    using _ = out.progress(`checking ${args.server}`);
    const found = await connect(context).changeServer({ params: { id: args.server }, body }, { signal });
    const verdict = found.healthy ? "it answers" : "it does not answer";
    out.data(found, () => `changed ${args.server}; ${verdict}: ${found.detail}\n`);
    warnBesides(out, found);
    return 0;
  },
});
