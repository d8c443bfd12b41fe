// `slum why`: what is wrong with a domain or a server, on one screen, the most probable cause first.
import { type Read, word } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { formatMillis, formatMoment } from "../../cli/format.ts";
import { hostFacts } from "../../cli/host-page.ts";
import type { Output } from "../../cli/output.ts";
import { FAULTS } from "../../core/fault.ts";
import type { WhyView } from "../api/shapes.ts";
import { connect } from "./connect.ts";
import { ago } from "./report.ts";

/** A mistake in it is told by the server, which knows both. */
const readSubject: Read<string> = (text) => text;

export default command({
  name: "why",
  summary: "Say what is wrong with a domain or a server, and what to do",
  description:
    "The first line names the most probable cause. Below it: which servers are asked, what each answered, what DNS says, whose certificate it is and how many days it is good, and what happened lately. Exits 0 when nothing is wrong, else 5.",
  examples: [
    ["slum why acme.example.com", "a tenant's way to its servers"],
    ["slum why iad", "one server"],
  ],
  args: {
    subject: word("A tenant's domain, or a server's id", { hint: "DOMAIN|SERVER", read: readSubject }),
  },
  async run(context) {
    const { args, out, signal } = context;
    const why = await connect(context).why({ query: { subject: args.subject } }, { signal });
    out.data({ ...why }, () => whyPage(out, why));
    return why.cause === "well" ? 0 : FAULTS.unhealthy.exit;
  },
});

/** The whole of it as a screen. */
export function whyPage({ paint }: Pick<Output, "paint">, why: WhyView): string {
  const colour = why.cause === "well" ? "green" : "red";
  const servers = why.servers.flatMap((one) => [
    `${paint("bold", one.id)}  ${one.url}  ${one.drained ? "drained" : one.status} since ${formatMoment(one.since)}`,
    ...serverFacts(one).map(([name, value]) => `  ${paint("dim", name.padEnd(12))}${value}`),
  ]);
  const fact = (name: string, value: string) => `${paint("dim", name.padEnd(14))}${value}`;
  const events = why.events.map(({ at, kind, server, tenant, detail, by }) => {
    const who = by === null ? "" : ` by ${by}`;
    return `  ${formatMoment(at)}  ${tenant ?? server ?? ""} ${kind}  ${detail.split("\n")[0]}${who}`;
  });
  return `${[
    `${paint("bold", why.subject)}: ${paint(colour, why.text)}`,
    `  ${paint("dim", "what to do:")} ${why.hint}`,
    ...(why.route
      ? [
          "",
          `${paint("dim", "asked in order")} ${why.route.candidates.map(({ server, note }) => `${server} (${note})`).join(", ")}`,
        ]
      : []),
    "",
    ...(why.https ? [...hostFacts(why.https).map(([name, value]) => fact(name, value)), ""] : []),
    ...servers,
    ...(events.length > 0 ? ["", paint("bold", "What happened lately"), ...events] : []),
  ].join("\n")}\n`;
}

function serverFacts(one: WhyView["servers"][number]): [string, string][] {
  const { dns, tls } = one;
  const days = tls === null || tls.days_left === null ? "" : `, good for ${tls.days_left} days`;
  const all: [string, string | null][] = [
    ["last check", one.last_check],
    [
      "last error",
      one.last_error_at === null ? one.last_error : `${one.last_error}, ${ago(one.last_error_at)} ago`,
    ],
    ["latency", one.latency_ms === null ? null : formatMillis(one.latency_ms)],
    ["DNS", dns.error === null ? dns.addresses.join(", ") : dns.error],
    [
      "certificate",
      tls &&
        `${tls.issuer === null ? "" : `by ${tls.issuer}`}${days}${tls.error === null ? "" : `; ${tls.error}`}`,
    ],
  ];
  return all.filter((pair): pair is [string, string] => pair[1] !== null && pair[1] !== "");
}
