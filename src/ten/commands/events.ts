// `ten events`: what happened, what happens, and on whose behalf.

import { maybeWord, option } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { actorText, eventsOptions, showEvents } from "../../cli/events.ts";
import { formatMoment } from "../../cli/format.ts";
import type { Output } from "../../cli/output.ts";
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
    ...eventsOptions("traffic, stop or refused"),
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
    const source = {
      last: () => client.events({ query }, { signal }),
      follow: () => client.followEvents({ query }, { signal }),
    };
    return showEvents(context, args.follow, query, source, (event) => format(out, event));
  },
});

function format(out: Output, event: EventView): string {
  const { paint } = out;
  const { at, kind, service, instance, detail, before, after } = event;
  const change = before && after ? weightsText(before, after) : "";
  // What was found out about a failure has many lines.
  const [first = "", ...more] = detail.split("\n");
  const parts = [
    formatMoment(at),
    actorText(out, event),
    paint("cyan", kind),
    instance ?? service,
    first,
    change,
  ];
  const line = parts.filter((part) => part !== "").join("  ");
  return `${[line, ...more.map((one) => `    ${paint("dim", one)}`)].join("\n")}\n`;
}
