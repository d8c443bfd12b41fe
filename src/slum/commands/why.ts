// `slum why`: what is wrong with a domain or a server, on one screen, the most probable cause first.
import { maybeWord, type Read } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { counted, formatMillis, formatMoment, formatProxyAnswers } from "../../cli/format.ts";
import { hostFacts } from "../../cli/host-page.ts";
import { oneScreen } from "../../cli/one-screen.ts";
import type { Output } from "../../cli/output.ts";
import type { Size } from "../../cli/screen.ts";
import { FAULTS } from "../../core/fault.ts";
import type { SlumClient } from "../api/contract.ts";
import { describeStatus } from "../api/describe-status.ts";
import type { ServerView, WhyView } from "../api/shapes.ts";
import { connect } from "./connect.ts";
import { ago } from "./report.ts";

/** Of all servers the worst so many are asked about: each is a look at its name, its certificate and its answer. */
const LOOKED_AT = 10;

/** A mistake in it is told by the server, which knows both. */
const readSubject: Read<string> = (text) => text;

export default command({
  name: "why",
  summary: "Say what is wrong with a domain or a server, and what to do",
  description:
    "The first line names the most probable cause. Below it: which servers are asked, what each answered, what DNS says, whose certificate it is and how many days it is good, and what happened lately. Without a word, of everything: the worst server in full, the others in a line each. Exits 0 when nothing is wrong, else 5.",
  examples: [
    ["slum why", "of everything, the worst first"],
    ["slum why acme.example.com", "a tenant's way to its servers"],
    ["slum why iad", "one server"],
  ],
  args: {
    subject: maybeWord("A tenant's domain, or a server's id; everything unless given", {
      hint: "DOMAIN|SERVER",
      read: readSubject,
    }),
  },
  async run(context) {
    const { args, out, signal } = context;
    if (args.subject === undefined) {
      const all = await everything(connect(context), signal);
      out.data({ ...all }, () => everythingPage(out, all, out.stdout.size()));
      return all.wrong.length + all.troubles.length === 0 ? 0 : FAULTS.unhealthy.exit;
    }
    const why = await connect(context).why({ query: { subject: args.subject } }, { signal });
    out.data({ ...why }, () => whyPage(out, why, out.stdout.size()));
    return why.cause === "well" ? 0 : FAULTS.unhealthy.exit;
  },
});

interface Everything {
  readonly servers: number;
  readonly tenants: number;
  /** The worst first, each as `slum why SERVER` has it. */
  readonly wrong: readonly WhyView[];
  /** So many more are offline or drained. */
  readonly more: number;
  /** What else is wrong, a sentence each. */
  readonly troubles: readonly string[];
}

/** Offline before drained, and of those the one that is home to most tenants first. */
async function everything(client: SlumClient, signal: AbortSignal): Promise<Everything> {
  const status = await client.status({}, { signal });
  const rank = (one: ServerView) => (one.status === "offline" ? 0 : one.drained ? 1 : 2);
  const ranked = status.servers.toSorted((a, b) => rank(a) - rank(b) || b.tenants - a.tenants);
  const found = await Promise.all(
    ranked.slice(0, LOOKED_AT).map(({ id }) => client.why({ query: { subject: id } }, { signal })),
  );
  return {
    servers: status.servers.length,
    tenants: status.tenants,
    wrong: found.filter(({ cause }) => cause !== "well"),
    more: ranked.slice(LOOKED_AT).filter((one) => rank(one) < 2).length,
    troubles: describeStatus(status),
  };
}

function everythingPage(out: Pick<Output, "paint">, all: Everything, size: Size | undefined): string {
  const { paint } = out;
  const [worst, ...others] = all.wrong;
  const besides = [
    ...others.map(({ subject, text }) => `${paint("bold", subject)}: ${paint("red", text)}`),
    ...(all.more > 0 ? [`and ${all.more} more: slum ps`] : []),
    ...all.troubles.map((line) => paint("yellow", line)),
  ];
  if (worst !== undefined) return whyPage(out, worst, size, besides);
  if (besides.length > 0) return `${besides.join("\n")}\n`;
  if (all.servers === 0) return "no servers; add one: slum server add ID https://...\n";
  const what = `${counted(all.servers, "server")} and ${counted(all.tenants, "tenant")}`;
  return `${paint("green", `nothing is wrong with ${what}, as far as can be seen from here`)}\n`;
}

/** The whole of it, and what is wrong `besides`; on a terminal of a size as much as fits there. */
export function whyPage(
  { paint }: Pick<Output, "paint">,
  why: WhyView,
  size?: Size,
  besides: readonly string[] = [],
): string {
  const colour = why.cause === "well" ? "green" : "red";
  const servers = why.servers.flatMap((one) => [
    `${paint("bold", one.id)}  ${one.url}  ${one.drained ? "drained" : one.status} since ${formatMoment(one.since)}`,
    ...serverFacts(one).map(([name, value]) => `  ${paint("dim", name.padEnd(12))}${value}`),
  ]);
  const fact = (name: string, value: string) => `${paint("dim", name.padEnd(14))}${value}`;
  const own = formatProxyAnswers(why.proxy_answers, "slum");
  const events = why.events.map(({ at, kind, server, tenant, detail, by }) => {
    const who = by === null ? "" : ` by ${by}`;
    return `${formatMoment(at)}  ${tenant ?? server ?? ""} ${kind}  ${detail.split("\n")[0]}${who}`;
  });
  const head = [
    `${paint("bold", why.subject)}: ${paint(colour, why.text)}`,
    `  ${paint("dim", "what to do:")} ${why.hint}`,
    ...(why.route
      ? [
          "",
          `${paint("dim", "asked in order")} ${why.route.candidates.map(({ server, note }) => `${server} (${note})`).join(", ")}`,
        ]
      : []),
    ...(own === undefined ? [] : ["", `${paint("dim", "visitors".padEnd(14))}${own}`]),
    "",
    ...(why.https ? [...hostFacts(why.https).map(([name, value]) => fact(name, value)), ""] : []),
    ...servers,
  ];
  const sections = [
    { title: "Also", lines: besides, isWorstFirst: true },
    { title: "What happened lately", lines: events },
  ];
  return oneScreen({ paint }, head, sections, size);
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
    ["latency", one.latency_ms === null || one.status === "offline" ? null : formatMillis(one.latency_ms)],
    ["DNS", dns.error === null ? dns.addresses.join(", ") : dns.error],
    [
      "certificate",
      tls &&
        `${tls.issuer === null ? "" : `by ${tls.issuer}`}${days}${tls.error === null ? "" : `; ${tls.error}`}`,
    ],
  ];
  return all.filter((pair): pair is [string, string] => pair[1] !== null && pair[1] !== "");
}
