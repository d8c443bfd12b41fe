// `slum events`: what happened, and what happens.

import { option } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { actorText, eventsOptions, showEvents } from "../../cli/events.ts";
import { formatMoment } from "../../cli/format.ts";
import type { Output } from "../../cli/output.ts";
import type { EventView } from "../api/shapes.ts";
import { readLabel } from "./arguments.ts";
import { connect } from "./connect.ts";

export default command({
  name: "events",
  summary: "Show what happened",
  examples: [
    ["slum events", "the last 100 events"],
    ["slum events -f", "and every further one"],
    ["slum events --since 2h --by ops", "what a token or a user did lately"],
  ],
  args: {
    ...eventsOptions("server.offline or tenant.moved"),
    server: option("Only what is about this server", { hint: "SERVER", read: readLabel, names: "server" }),
    tenant: option("Only what is about this tenant", { hint: "TENANT", read: readLabel, names: "tenant" }),
  },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const { since, kind, by, server, tenant } = args;
    const query = {
      limit: args.limit,
      ...(since !== undefined && { since }),
      ...(kind !== undefined && { kind }),
      ...(by !== undefined && { by }),
      ...(server !== undefined && { server }),
      ...(tenant !== undefined && { tenant }),
    };
    const source = {
      last: () => client.events({ query }, { signal }),
      follow: () => client.followEvents({ query }, { signal }),
    };
    return showEvents(context, args.follow, query, source, (event) => format(out, event));
  },
});

function format(out: Output, event: EventView): string {
  const { at, kind, server, tenant, detail } = event;
  const subject = [tenant, server].filter((one) => one !== null).join(" ");
  const parts = [formatMoment(at), actorText(out, event), out.paint("cyan", kind), subject, detail];
  return `${parts.filter((part) => part !== "").join("  ")}\n`;
}
