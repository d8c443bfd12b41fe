// `ten events`: what happened, what happens, and on whose behalf.
import { flag, maybeWord, number, option, withDefault } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import type { Output } from "../../cli/output.ts";
import { parseSince } from "../../core/since.ts";
import type { EventView } from "../api/shapes.ts";
import { readService } from "./arguments.ts";
import { connect } from "./connect.ts";
import { weightsText } from "./report.ts";

export default command({
  name: "events",
  summary: "Show what happened, and who did it",
  description:
    "Commands with the token or the user that gave them, refusals, starts, exits, changes of state and of traffic. Kept for 90 days, and the newest 100,000.",
  examples: [
    ["ten events", "the last 100"],
    ["ten events -f", "and every further one"],
    ["ten events api --since 2h", "of one service, of the last two hours"],
    ["ten events --by ci --kind traffic", "how the token ci has moved traffic"],
  ],
  args: {
    subject: maybeWord("The service; all unless given", {
      hint: "SERVICE",
      read: readService,
      names: "service",
    }),
    service: option("The service, as above", { hint: "SERVICE", read: readService, names: "service" }),
    follow: flag("Go on with every further event", { letter: "f" }),
    limit: withDefault(number("How many of the last events", { letter: "n", max: 10_000 }), 100),
    since: option("Only what happened since then, such as 2h or 2026-01-31T12:00:00Z", {
      hint: "TIME",
      read: readSince,
    }),
    kind: option("Only this kind, such as traffic, stop or refused", { hint: "KIND" }),
    by: option("Only what this token or user did", { hint: "NAME" }),
  },
  async run(context) {
    const { args, out, signal } = context;
    const { since, kind, by } = args;
    const service = args.service ?? args.subject;
    const query = {
      limit: args.limit,
      ...(service !== undefined && { service }),
      ...(since !== undefined && { since }),
      ...(kind !== undefined && { kind }),
      ...(by !== undefined && { by }),
    };
    const client = connect(context);
    const filters = Object.keys(query).length - 1;
    if (!args.follow) {
      const { events } = await client.events({ query }, { signal });
      out.data({ events }, () => events.map((event) => format(out, event)).join(""));
      if (events.length === 0)
        out.info(`nothing ${filters > 0 ? "of that has happened" : "has happened yet"}`);
      return 0;
    }
    for await (const event of client.followEvents({ query }, { signal }))
      out.data({ ...event }, () => format(out, event));
    return 0;
  },
});

/** Checked here and kept as written: the server's clock is the one that counts. */
function readSince(text: string): string {
  parseSince(text);
  return text;
}

function format({ paint }: Output, event: EventView): string {
  const { at, kind, service, instance, detail, by, from, before, after } = event;
  const who = by === null ? "" : paint("yellow", from === null ? by : `${by} (${from})`);
  const change = before && after ? weightsText(before, after) : "";
  // What was found out about a failure has many lines.
  const [first = "", ...more] = detail.split("\n");
  const parts = [at, who, paint("cyan", kind), instance ?? service, first, change];
  const line = parts.filter((part) => part !== "").join("  ");
  return `${[line, ...more.map((one) => `    ${paint("dim", one)}`)].join("\n")}\n`;
}
