// `ten why`: what is wrong with an instance, on one screen, the most probable cause first.
import { type Read, word } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { formatBytes, formatMoment } from "../../cli/format.ts";
import { hostPage } from "../../cli/host-page.ts";
import type { Output } from "../../cli/output.ts";
import { parseDomain } from "../../core/domain.ts";
import { FAULTS } from "../../core/fault.ts";
import { canonicalServerName } from "../../core/server-name.ts";
import type { TenClient } from "../api/contract.ts";
import type { InstanceView, WhyView } from "../api/shapes.ts";
import { differsText, listeningText, meansWell, reasonsText } from "../api/why-text.ts";
import { readSubject, type Subject } from "./arguments.ts";
import { connect } from "./connect.ts";

/** The worst first. */
const RANKS: readonly InstanceView["state"][] = [
  "failed",
  "unhealthy",
  "starting",
  "draining",
  "healthy",
  "sleeping",
  "stopped",
];

/** Services have no dots in their names, and hosts no colon. */
const readSubjectOrHost: Read<Subject | { readonly host: string }> = (text, label) =>
  text.includes(".") && !text.includes(":")
    ? { host: canonicalServerName(text) ?? parseDomain(text) }
    : readSubject(text, label);

export default command({
  name: "why",
  summary: "Say what is wrong with an instance or a host, and what to do",
  description:
    "The first line names the most probable cause. Below it: what it went through, its last check, how it ended, what it wrote, where it listens, what differs from the version that worked, what was changed in the last hour, and what to try. Of a service the instance that is worst off. Exits 0 when nothing is wrong, else 5.",
  examples: [
    ["ten why api:v2", "of one instance"],
    ["ten why api", "of the worst one of a service"],
    ["ten why www.example.com", "of a host: where its name leads to, who answers there, its certificate"],
    ["ten why api:v2 --json", "the same as fields, the cause as a word: out_of_memory, wrong_port, dns ..."],
  ],
  args: {
    subject: word("The instance, the service, or a host", {
      hint: "service[:id]|HOST",
      read: readSubjectOrHost,
      names: "subject",
    }),
  },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    if ("host" in args.subject) {
      const report = await client.lookAtName({ params: { name: args.subject.host } }, { signal });
      out.data({ ...report }, () => hostPage(out, report));
      return report.cause === "well" ? 0 : FAULTS.unhealthy.exit;
    }
    const instance = await worstOf(client, args.subject, signal);
    const why = await client.why({ params: { instance } }, { signal });
    out.data({ ...why }, () => whyPage(out, why));
    return meansWell(why) ? 0 : FAULTS.unhealthy.exit;
  },
});

async function worstOf(client: TenClient, { service, id }: Subject, signal: AbortSignal): Promise<string> {
  if (id !== undefined) return `${service}:${id}`;
  const { instances } = await client.listInstances({ query: { service } }, { signal });
  const rank = ({ state, error_percent: errors }: InstanceView) => RANKS.indexOf(state) - errors / 1_000;
  const [worst] = instances.toSorted((a, b) => rank(a) - rank(b));
  // That there is none is the server's to say.
  return worst?.id ?? `${service}:v1`;
}

/** The whole of it as a screen. */
export function whyPage(out: Pick<Output, "paint">, why: WhyView): string {
  const { paint } = out;
  const isWell = meansWell(why);
  const first = `${paint("bold", why.id)}: ${paint(isWell ? "green" : "red", why.cause.text)}`;
  const rest = [
    why.cause.evidence === null ? "" : `  ${paint("yellow", why.cause.evidence)}`,
    `  ${paint("dim", "what to do:")} ${why.cause.hint}`,
    "",
    ...facts(why).map(([name, value]) => `${paint("dim", name.padEnd(13))}${value}`),
    ...section(out, "What it went through", why.states.map(happened)),
    ...section(out, "Changed in the last hour", why.changes.map(happened)),
    ...section(out, "Its last output", why.output),
    ...section(out, "Try", why.commands),
  ];
  return `${[first, ...rest.filter((line, place) => line !== "" || place > 0)].join("\n")}\n`;
}

function facts(why: WhyView): [string, string][] {
  const { port, memory_limit_bytes: limit, memory_bytes: memory } = why;
  const of = limit === null ? "" : ` of ${formatBytes(limit)}`;
  const all: [string, string | null][] = [
    ["state", `${why.state}: ${why.reason}, since ${formatMoment(why.since)}`],
    ["version", why.version],
    ["last check", why.last_check],
    ["answers", why.answer && `${why.answer.status} ${why.answer.body}`],
    ["last exit", why.last_exit],
    ...why.certificates.map(({ text }): [string, string] => ["https", text]),
    ["port", port === null ? null : `given ${port}${listeningText(why)}`],
    ["memory", memory === null ? null : `${formatBytes(memory)}${of}`],
    ["disk free", why.disk_free_bytes === null ? null : formatBytes(why.disk_free_bytes)],
    [
      "errors",
      why.error_percent === 0 ? null : `${why.error_percent} % in the last ${why.error_window_secs} s`,
    ],
    ["visitors", reasonsText(why.proxy_answers) ?? null],
    ["restarts", why.restarts === 0 ? null : String(why.restarts)],
    ["differs", differsText(why)],
    [
      "file",
      why.differs_from_file.length > 0
        ? `tenement.toml has changed since: ${why.differs_from_file.join(", ")}`
        : null,
    ],
  ];
  return all.filter((one): one is [string, string] => one[1] !== null);
}

function happened({ at, kind, id, text, by }: WhyView["states"][number]): string {
  const who = by === null ? "" : ` by ${by}`;
  return `${formatMoment(at)}  ${id === null ? "" : `${id} `}${kind}  ${text}${who}`;
}

function section({ paint }: Pick<Output, "paint">, title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${paint("bold", title)}`, ...lines.map((line) => `  ${line}`)];
}
