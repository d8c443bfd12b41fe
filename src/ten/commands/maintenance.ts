// `ten maintenance`: closes a service to visitors, and opens it again.
import { maybeWord, oneOf } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { service } from "./arguments.ts";
import { connect } from "./connect.ts";
import { maintenanceLine } from "./report.ts";

const SWITCH = ["on", "off"] as const;

export default command({
  name: "maintenance",
  summary: "Close a service to visitors while its instances run on",
  description:
    "Visitors get 503 with the service's error_page and Retry-After. Its health path is still answered by the app, and direct hosts (v2.api.example.com) still reach every instance, so that it can be tested. It survives restarts of the server.",
  examples: [
    ["ten maintenance api on", "visitors get the maintenance page"],
    ["ten maintenance api off", "back to normal"],
    ["ten maintenance api", "which of the two it is"],
  ],
  reword: (words) => (/^(on|off)$/.test(words[0] ?? "") ? words.toReversed() : words),
  args: {
    service,
    state: maybeWord("on or off; shows which it is when left out", {
      hint: SWITCH.join("|"),
      read: oneOf(SWITCH),
      choices: SWITCH,
    }),
  },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const params = { service: args.service };
    if (args.state === undefined) {
      const { service: name, maintenance } = await client.split({ params }, { signal });
      out.data({ service: name, maintenance }, () =>
        maintenance === null ? `${name} is not under maintenance\n` : maintenanceLine(out, name, maintenance),
      );
      return 0;
    }
    const on = args.state === "on";
    const done = await client.maintenance({ params, body: { on } }, { signal });
    out.data({ ...done }, () => `${done.message}\n`);
    if (done.changed) out.hint(`undo with: ten maintenance ${args.service} ${on ? "off" : "on"}`);
    return 0;
  },
});
