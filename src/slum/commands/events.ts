// `slum events`: what happened, and what happens.
import { flag, number, withDefault } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import type { Output } from "../../cli/output.ts";
import type { EventView } from "../api/shapes.ts";
import { connect } from "./connect.ts";

export default command({
  name: "events",
  summary: "Show what happened",
  examples: [
    ["slum events", "the last 100 events"],
    ["slum events -f", "and every further one"],
  ],
  args: {
    follow: flag("Go on with every further event", { letter: "f" }),
    limit: withDefault(number("How many of the last events", { letter: "n", max: 10_000 }), 100),
  },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const query = { limit: args.limit };
    if (!args.follow) {
      const { events } = await client.events({ query }, { signal });
      out.data({ events }, () => events.map((event) => format(out, event)).join(""));
      if (events.length === 0) out.info("nothing has happened yet");
      return 0;
    }
    for await (const event of client.followEvents({ query }, { signal })) {
      out.data({ ...event }, () => format(out, event));
    }
    return 0;
  },
});

function format(out: Output, { at, kind, server, tenant, detail }: EventView): string {
  const subject = [tenant, server].filter((one) => one !== null).join(" ");
  return `${[at, out.paint("cyan", kind), subject, detail].filter((part) => part !== "").join("  ")}\n`;
}
