// `ten why`: what is wrong with an instance, on one screen, the most probable cause first.
import { maybeWord, type Read } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { counted, formatBytes, formatMoment, formatProxyAnswers } from "../../cli/format.ts";
import { hostPage } from "../../cli/host-page.ts";
import { oneScreen } from "../../cli/one-screen.ts";
import type { Output } from "../../cli/output.ts";
import type { Size } from "../../cli/screen.ts";
import { parseDomain } from "../../core/domain.ts";
import { FAULTS } from "../../core/fault.ts";
import { foldRepeats } from "../../core/fold-repeats.ts";
import { parseInstance } from "../../core/name.ts";
import { DEPLOY_FAILED } from "../../core/probable-cause.ts";
import { canonicalServerName } from "../../core/server-name.ts";
import { systemClock } from "../../platform/time/clock.ts";
import type { TenClient } from "../api/contract.ts";
import type { InstanceView, ServiceRate, WhyView } from "../api/shapes.ts";
import { differsText, listeningText, meansWell, scarceDisk } from "../api/why-text.ts";
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
/** Of all instances the worst so many are asked about, and so many at a time: each is a look at a process. */
const LOOKED_AT = 20;
const AT_ONCE = 4;
/** A deploy that failed longer ago is history. */
const DEPLOY_MS = 86_400_000;
const ERRORS_PERCENT = 1;

/** Services have no dots in their names, and hosts no colon. */
const readSubjectOrHost: Read<Subject | { readonly host: string }> = (text, label) =>
  text.includes(".") && !text.includes(":")
    ? { host: canonicalServerName(text) ?? parseDomain(text) }
    : readSubject(text, label);

export default command({
  name: "why",
  summary: "Say what is wrong with an instance or a host, and what to do",
  description:
    "The first line names the most probable cause. Below it: what it went through, its last check, how it ended, what it wrote, where it listens, what differs from the version that worked, what was changed in the last hour, and what to try. Of a service the instance that is worst off; without a word, of everything: the worst in full, the others in a line each. Exits 0 when nothing is wrong, else 5.",
  examples: [
    ["ten why", "of everything, the worst first"],
    ["ten why api:v2", "of one instance"],
    ["ten why api", "of the worst one of a service"],
    ["ten why www.example.com", "of a host: where its name leads to, who answers there, its certificate"],
    ["ten why api:v2 --json", "the same as fields, the cause as a word: out_of_memory, wrong_port, dns ..."],
  ],
  args: {
    subject: maybeWord("The instance, the service, or a host; everything unless given", {
      hint: "service[:id]|HOST",
      read: readSubjectOrHost,
      names: "subject",
    }),
  },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    if (args.subject === undefined) {
      const all = await everything(client, signal);
      out.data({ ...all }, () => everythingPage(out, all, out.stdout.size()));
      return isWell(all) ? 0 : FAULTS.unhealthy.exit;
    }
    if ("host" in args.subject) {
      const report = await client.lookAtName({ params: { name: args.subject.host } }, { signal });
      out.data({ ...report }, () => hostPage(out, report));
      return report.cause === "well" ? 0 : FAULTS.unhealthy.exit;
    }
    const instance = await worstOf(client, args.subject, signal);
    const why = await client.why({ params: { instance } }, { signal });
    out.data({ ...why }, () => whyPage(out, why, out.stdout.size()));
    return meansWell(why) ? 0 : FAULTS.unhealthy.exit;
  },
});

async function worstOf(client: TenClient, { service, id }: Subject, signal: AbortSignal): Promise<string> {
  if (id !== undefined) return `${service}:${id}`;
  const { instances } = await client.listInstances({ query: { service } }, { signal });
  const [worst] = worstFirst(instances);
  // That there is none is the server's to say.
  return worst?.id ?? `${service}:v1`;
}

/** What has traffic, or should have, goes before what has none; then by state, and by errors. */
function worstFirst(all: readonly InstanceView[]): InstanceView[] {
  const trouble = new Map(all.map((one) => [one, troubleOf(one, all)]));
  const of = (one: InstanceView) => trouble.get(one) ?? 0;
  return all.toSorted((a, b) => of(a) - of(b) || b.weight - a.weight || b.error_percent - a.error_percent);
}

/** Below 0: something is wrong with it. */
function troubleOf(one: InstanceView, all: readonly InstanceView[]): number {
  const { state, reason, weight, last_exit: exit } = one;
  if (state === "failed" || state === "unhealthy" || one.error_percent >= ERRORS_PERCENT)
    return RANKS.indexOf(state) - (weight > 0 ? 30 : 20);
  if (state !== "stopped") return RANKS.indexOf(state);
  // Stopped, and by nobody: it has ended by itself, or its deploy has failed and nothing was deployed since.
  const isOver = exit !== null && reason.startsWith(exit);
  const hasFailed = reason === DEPLOY_FAILED && !all.some((other) => isNewer(other, one));
  return RANKS.indexOf(state) - (isOver || hasFailed ? 15 : 0);
}

function isNewer(other: InstanceView, { service, deployed }: InstanceView): boolean {
  return other.service === service && other.deployed > deployed;
}

interface Everything {
  readonly instances: number;
  readonly services: number;
  /** The worst first, each as `ten why INSTANCE` has it. */
  readonly wrong: readonly WhyView[];
  /** So many more are failed or unhealthy. */
  readonly more: number;
  /** Services whose visitors got answers of the proxy itself. */
  readonly proxy_answers: readonly (ServiceRate["proxy_answers"] & { readonly service: string })[];
  readonly certificates: readonly string[];
}

async function everything(client: TenClient, signal: AbortSignal): Promise<Everything> {
  const listed = await client.listInstances({ query: {} }, { signal });
  const { instances } = listed;
  const isMeant = (one: InstanceView) =>
    one.state !== "sleeping" && (one.state !== "stopped" || troubleOf(one, instances) < 0);
  const ranked = worstFirst(instances).filter(isMeant);
  const found: WhyView[] = [];
  for (let at = 0; at < Math.min(ranked.length, LOOKED_AT); at += AT_ONCE) {
    const some = ranked.slice(at, Math.min(at + AT_ONCE, LOOKED_AT));
    found.push(
      ...(await Promise.all(some.map(({ id }) => client.why({ params: { instance: id } }, { signal })))),
    );
  }
  return {
    instances: ranked.length,
    services: new Set(ranked.map(({ service }) => service)).size,
    wrong: found.filter((one) => !meansWell(one) && !isHistory(one)),
    more: ranked.slice(LOOKED_AT).filter((one) => troubleOf(one, instances) < 0).length,
    proxy_answers: listed.services
      .filter(({ proxy_answers: { reasons } }) => reasons.length > 0)
      .map(({ service, proxy_answers: answers }) => ({ service, ...answers })),
    certificates: listed.certificates,
  };
}

/** Of a deploy that failed. */
function isHistory({ state, since }: WhyView): boolean {
  return state === "stopped" && Date.parse(since) < systemClock.now() - DEPLOY_MS;
}

function isWell({ wrong, proxy_answers: answers, certificates }: Everything): boolean {
  const isFailing = answers.some(({ reasons }) => reasons.some(({ status }) => status >= 500));
  return wrong.length === 0 && !isFailing && certificates.length === 0;
}

function everythingPage(out: Pick<Output, "paint">, all: Everything, size: Size | undefined): string {
  const { paint } = out;
  const [worst, ...others] = all.wrong;
  const besides = [
    ...others.map(({ id, cause }) => `${paint("bold", id)}: ${paint("red", cause.text)}`),
    ...(all.more > 0 ? [`and ${all.more} more: ten ps --all`] : []),
    ...all.proxy_answers.map((one) => `${one.service}: ${paint("red", formatProxyAnswers(one) ?? "")}`),
    ...all.certificates.map((line) => paint("yellow", line)),
  ];
  if (worst !== undefined) return whyPage(out, worst, size, besides);
  if (besides.length > 0) return `${besides.join("\n")}\n`;
  if (all.instances === 0) return "nothing runs; start something: ten deploy SERVICE --version v1\n";
  const what = `${counted(all.instances, "instance")} of ${counted(all.services, "service")}`;
  return `${paint("green", `nothing is wrong with ${what}, as far as can be seen from outside`)}\n`;
}

/** The whole of it, and what is wrong `besides`; on a terminal of a size as much as fits there. */
export function whyPage(
  out: Pick<Output, "paint">,
  why: WhyView,
  size?: Size,
  besides: readonly string[] = [],
): string {
  const { paint } = out;
  const isWell = meansWell(why);
  const label = (text: string) => `  ${paint("dim", text.padEnd(12))}`;
  const head = [
    `${paint("bold", why.id)}: ${paint(isWell ? "green" : "red", why.cause.text)}`,
    ...(why.cause.evidence === null ? [] : [`  ${paint("yellow", why.cause.evidence)}`]),
    `${label("what to do:")}${why.cause.hint}`,
    ...why.commands.map((line, place) => `${label(place === 0 ? "try:" : "")}${line}`),
    "",
    ...facts(why).map(([name, value]) => `${paint("dim", name.padEnd(13))}${value}`),
  ];
  const sections = [
    // The worst first: of these the first lines say most.
    { title: "Also", lines: besides, isWorstFirst: true },
    { title: "What it went through", lines: happened(why.states) },
    { title: "Its last output", lines: withoutRepeats(why.output) },
    { title: "Changed in the last hour", lines: happened(why.changes) },
  ];
  return oneScreen(out, head, sections, size);
}

function idOf({ id }: WhyView): string {
  return parseInstance(id).id;
}

function facts(why: WhyView): [string, string][] {
  const { port, memory_limit_bytes: limit, memory_bytes: memory } = why;
  const of = limit === null ? "" : ` of ${formatBytes(limit)}`;
  const all: [string, string | null][] = [
    ["state", `${why.state}: ${why.reason}, since ${formatMoment(why.since)}`],
    ["version", why.version === idOf(why) ? null : why.version],
    ["last check", why.last_check],
    ["answers", why.answer && `${why.answer.status} ${why.answer.body}`],
    ["last exit", why.last_exit !== null && why.reason.includes(why.last_exit) ? null : why.last_exit],
    ...why.certificates.map(({ text }): [string, string] => ["https", text]),
    ["port", port === null ? null : `given ${port}${listeningText(why)}`],
    ["memory", memory === null ? null : `${formatBytes(memory)}${of}`],
    ["disk free", scarceDisk(why)],
    [
      "errors",
      why.error_percent === 0 ? null : `${why.error_percent} % in the last ${why.error_window_secs} s`,
    ],
    ["visitors", formatProxyAnswers(why.proxy_answers) ?? null],
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

/** What is written twice or more in a row stands once. */
function withoutRepeats(output: readonly string[]): string[] {
  const lines: { text: string; count: number }[] = [];
  for (const text of output) {
    const last = lines.at(-1);
    if (last?.text === text) last.count += 1;
    else lines.push({ text, count: 1 });
  }
  return lines.map(({ text, count }) => (count > 1 ? `${text} (×${count})` : text));
}

/** A line each, oldest first; repeats are one line, as a crash loop is nothing but these. */
function happened(events: WhyView["states"]): string[] {
  const newestFirst = events.toReversed().map((one) => ({ ...one, detail: one.text }));
  return foldRepeats(newestFirst, ({ id }) => id ?? "")
    .toReversed()
    .map(({ event: { at, kind, id, text, by }, count, since }) => {
      const who = by === null ? "" : ` · by ${by}`;
      const often = count > 1 ? ` ×${count} since ${formatMoment(since)}` : "";
      return `${formatMoment(at)}  ${id === null ? "" : `${id} `}${kind}${often}  ${text}${who}`;
    });
}
