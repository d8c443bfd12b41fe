// `slum events`: what happened, and what happens.
import { flag, number, option, withDefault } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import type { Output } from "../../cli/output.ts";
import { parseSince } from "../../core/since.ts";
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
    follow: flag("Go on with every further event", { letter: "f" }),
    limit: withDefault(number("How many of the last events", { letter: "n", max: 10_000 }), 100),
    since: option("Only what happened since then, such as 2h or 2026-01-31T12:00:00Z", {
      hint: "TIME",
      read: readSince,
    }),
    kind: option("Only this kind, such as server.offline or tenant.moved", { hint: "KIND" }),
    by: option("Only what this token or user did", { hint: "NAME" }),
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
    const filters = Object.keys(query).length - 1;
    if (!args.follow) {
      const { events } = await client.events({ query }, { signal });
      out.data({ events }, () => events.map((event) => format(out, event)).join(""));
      if (events.length === 0)
        out.info(`nothing ${filters > 0 ? "of that has happened" : "has happened yet"}`);
      return 0;
    }
    for await (const event of client.followEvents({ query }, { signal })) {
      out.data({ ...event }, () => format(out, event));
    }
    return 0;
  },
});

/** Checked here and kept as written: the server's clock is the one that counts. */
function readSince(text: string): string {
  parseSince(text);
  return text;
}

function format(out: Output, { at, kind, server, tenant, detail, by, from }: EventView): string {
  const who = by === null ? "" : out.paint("yellow", from === null ? by : `${by} (${from})`);
  const subject = [tenant, server].filter((one) => one !== null).join(" ");
  return `${[at, who, out.paint("cyan", kind), subject, detail].filter((part) => part !== "").join("  ")}\n`;
}
