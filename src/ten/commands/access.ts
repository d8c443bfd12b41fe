// `ten access`: which requests came, what they were answered, by whom, and how long it took.
import { flag, maybeWord, number, option, type Read, withDefault } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { formatBytes, formatMillis } from "../../cli/format.ts";
import type { Output } from "../../cli/output.ts";
import { durationMs } from "../../core/duration.ts";
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import type { AccessView } from "../api/access-operations.ts";
import { readService } from "./arguments.ts";
import { connect } from "./connect.ts";

const readStatus: Read<string> = (text, label) => {
  if (/^[1-5](?:xx|\d\d)$/i.test(text)) return text.toLowerCase();
  throw new Fault(
    "usage",
    `${label} is ${quote(text)}`,
    "write a status such as 404, or 5xx for all of a class",
  );
};

const readSlow: Read<number> = (text, label) => {
  const ms = durationMs(text);
  if (ms !== undefined) return ms;
  throw new Fault("usage", `${label} is ${quote(text)}`, "write a time such as 500ms or 2s");
};

export default command({
  name: "access",
  summary: "Show requests: what they were answered, by whom, and how long it took",
  description:
    'Of services with access_log = "errors", "all" or "sample:0.01" in tenement.toml. STATUS 0 is a request that ended before it was answered; a word behind the time says why the proxy answered itself, or why the answer is not whole.',
  examples: [
    ["ten access api", "the last 100 of a service"],
    ["ten access -f --status 5xx", "what fails, as it comes"],
    ["ten access api --slow 500ms -n 20", "the last 20 that took half a second or more"],
    ["ten access api -f --json", "one JSON object a line, as it is in the file"],
  ],
  args: {
    service: maybeWord("The service; all unless given", {
      hint: "SERVICE",
      read: readService,
      names: "service",
    }),
    follow: flag("Go on with every further request", { letter: "f" }),
    status: option("Only this status, or all of a class", { hint: "5xx", read: readStatus }),
    slow: option("Only what took at least so long", { hint: "TIME", read: readSlow }),
    limit: withDefault(number("How many of the last requests", { letter: "n", max: 10_000 }), 100),
  },
  async run(context) {
    const { args, out, signal } = context;
    const { service, status, slow } = args;
    const query = {
      limit: args.limit,
      ...(service !== undefined && { service }),
      ...(status !== undefined && { status }),
      ...(slow !== undefined && { slow_ms: slow }),
    };
    const client = connect(context);
    if (args.follow) {
      for await (const one of client.followAccess({ query }, { signal }))
        out.data({ ...one }, () => line(out, one));
      return 0;
    }
    const { requests } = await client.access({ query }, { signal });
    out.data({ requests }, () => requests.map((one) => line(out, one)).join(""));
    if (requests.length === 0) out.info("no such request is in the access log");
    return 0;
  },
});

function line({ paint }: Pick<Output, "paint">, one: AccessView): string {
  const { time, status, method, host, path, instance, service, ms, bytes, client, reason, attempts } = one;
  const colour = status >= 500 || status === 0 ? "red" : status >= 400 ? "yellow" : "green";
  const parts = [
    time,
    paint(colour, String(status).padStart(3)),
    `${method} ${host}${path}`,
    paint("cyan", instance ?? service),
    formatMillis(ms),
    formatBytes(bytes),
    client,
    ...(attempts > 1 ? [`${attempts} tries`] : []),
    ...(reason === null ? [] : [paint("red", reason)]),
  ];
  return `${parts.join("  ")}\n`;
}
