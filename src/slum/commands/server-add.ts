// `slum server add`: registers a tenement by its URL, and says what the first check found.
import { word } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { formatMillis } from "../../cli/format.ts";
import { aboutServer, bodyOf, readLabel, readUrl } from "./arguments.ts";
import { connect } from "./connect.ts";
import { warnBesides } from "./report.ts";

export default command({
  name: "add",
  summary: "Register a tenement by its URL",
  description:
    "It is checked at once, and registered whether it answers or not. A tenement heeds only those of whom it is told: the command says what to add to its trusted_proxies and selector_from.",
  examples: [
    ["slum server add iad https://myapp-iad.fly.dev", "a server with the id iad"],
    ["slum server add fra http://10.0.0.7:8080 --region eu", "with a region, which webhooks tell"],
  ],
  args: {
    id: word("The id that it gets", { hint: "SERVER", read: readLabel }),
    url: word("http or https, a host, and no path", { hint: "URL", read: readUrl }),
    ...aboutServer,
  },
  async run(context) {
    const { args, out, signal } = context;
    const { id, url } = args;
    using _ = out.progress(`checking ${url}`);
    const body = { id, url, ...bodyOf(args) };
    const found = await connect(context).addServer({ body }, { signal });
    const latency = found.server.latency_ms === null ? "" : ` in ${formatMillis(found.server.latency_ms)}`;
    const text = found.healthy
      ? `it answers: ${found.detail}${latency}`
      : `it does not answer: ${found.detail}`;
    out.data(found, () => `added ${id} ${url}; ${text}\n`);
    warnBesides(out, found);
    return 0;
  },
});
