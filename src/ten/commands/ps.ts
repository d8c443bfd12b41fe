// `ten ps`: what runs, with which part of the traffic, and how it does.
import { flag, maybeWord } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import {
  formatBytes,
  formatMillis,
  formatMoment,
  formatPercent,
  formatProxyAnswers,
  formatSeconds,
} from "../../cli/format.ts";
import type { Output } from "../../cli/output.ts";
import { formatTable } from "../../cli/table.ts";
import { watch } from "../../cli/watch.ts";
import { Fault } from "../../core/fault.ts";
import { parseInstance } from "../../core/name.ts";
import { systemClock } from "../../platform/time/clock.ts";
import type { InstanceView, LastChange, ServiceRate } from "../api/shapes.ts";
import { joinInstance, readSubject } from "./arguments.ts";
import { connect } from "./connect.ts";
import { maintenanceLine } from "./report.ts";

const WATCH_MS = 1_000;
const CHANGES = 5;

export default command({
  name: "ps",
  summary: "Show the instances that run",
  description:
    "By service, the version that was deployed last first. SHARE is the part of the service's traffic that an instance gets right now. A terminal that is too narrow shows fewer columns; a pipe gets all of them.",
  examples: [
    ["ten ps", "what runs now"],
    ["ten ps api", "of one service; ten ps api:v2 of one version"],
    ["ten ps --all", "also stopped and failed ones, with the reason of the last change and the last output"],
    ["ten ps --watch", "again every second"],
  ],
  reword: joinInstance,
  args: {
    subject: maybeWord("The service, the version or the instance; all unless given", {
      hint: "service[:id]",
      read: readSubject,
      names: "subject",
    }),
    all: flag("Also instances that are stopped or failed, and raw weights", { letter: "a" }),
    watch: flag("Show it again every second until interrupted", { letter: "w" }),
  },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const frame = async () => {
      const { service, id } = args.subject ?? {};
      const listed = await client.listInstances({ query: { ...(service && { service }) } }, { signal });
      // A service that there is not is said as everywhere.
      if (service !== undefined && listed.instances.length === 0)
        await client.split({ params: { service } }, { signal });
      const isMeant = (name: string) => service === undefined || parseInstance(name).service === service;
      const instances = listed.instances.filter(
        (one) => id === undefined || one.version === id || one.id === `${service}:${id}`,
      );
      const of = <T extends { readonly service: string }>(some: readonly T[]) =>
        some.filter((one) => service === undefined || one.service === service);
      const [services, maintenance, changes, rollouts, shadows] = [
        of(listed.services),
        of(listed.maintenance),
        of(listed.changes),
        of(listed.rollouts),
        of(listed.shadows),
      ];
      const certificates = args.subject === undefined ? listed.certificates : [];
      const links = listed.links.filter((one) => isMeant(one.id));
      if (id !== undefined && instances.length === 0)
        throw new Fault("not_found", `there is no instance ${service}:${id}`, `see: ten ps --all ${service}`);
      const shown = args.all ? instances : instances.filter(({ state }) => !isHidden(state));
      const text = () =>
        (shown.length > 0 ? table(out, shown, args.all) : empty(instances.length)) +
        shown
          .map(
            (one) =>
              reason(one) +
              nextRun(one) +
              lastOutput(out, one) +
              (args.all ? difference(one) + exposure(one) : ""),
          )
          .join("") +
        (args.all ? "" : hiddenLine(out, instances)) +
        services.map((one) => proxyLine(out, one)).join("") +
        links
          .map(
            ({ id, count, until }) =>
              `${id}: ${count} ${count === 1 ? "link" : "links"}, until ${formatMoment(until)}\n`,
          )
          .join("") +
        rollouts.map(({ service, canary, text }) => `${service}: rollout of ${canary}: ${text}\n`).join("") +
        shadows.map(({ service, to, text }) => `${service}: copies to ${to}: ${text}\n`).join("") +
        maintenance.map(({ service, since }) => maintenanceLine(out, service, since)).join("") +
        changeLines(out, changes) +
        certificates.map((line) => `${out.paint("yellow", line)}\n`).join("");
      return {
        value: { instances: shown, services, maintenance, changes, rollouts, shadows, links, certificates },
        text,
      };
    };
    if (args.watch) await watch({ out, clock: systemClock, periodMs: WATCH_MS, signal }, frame);
    else {
      const { value, text } = await frame();
      out.data(value, text);
    }
    return 0;
  },
});

function isHidden(state: InstanceView["state"]): boolean {
  return state === "stopped" || state === "failed";
}

function empty(hidden: number): string {
  return hidden > 0 ? "nothing runs\n" : "nothing runs; start something: ten deploy SERVICE --version v1\n";
}

/** What the table leaves out: `1 failed, 3 stopped (ten ps --all)`. */
function hiddenLine(out: Output, instances: readonly InstanceView[]): string {
  const count = (state: InstanceView["state"]) => instances.filter((one) => one.state === state).length;
  const [failed, stopped] = [count("failed"), count("stopped")];
  if (failed + stopped === 0) return "";
  const parts = [
    ...(failed > 0 ? [out.paint("red", `${failed} failed`)] : []),
    ...(stopped > 0 ? [`${stopped} stopped`] : []),
  ];
  return `${parts.join(", ")} (ten ps --all)\n`;
}

/** Errors that no instance knows of, as none was there to ask. */
function proxyLine(out: Output, { service, proxy_answers: answers, ...rate }: ServiceRate): string {
  const text = formatProxyAnswers(answers);
  if (text === undefined) return "";
  const now = `(${rate.requests_per_sec} req/s, ${rate.error_percent} % errors in all)`;
  const isBad = answers.reasons.some(({ status }) => status >= 500);
  return `${out.paint(isBad ? "red" : "yellow", `${service}: ${text}`)} ${now}\n`;
}

/** Columns with the highest rank go first where a terminal is narrow. */
function table(out: Output, instances: readonly InstanceView[], isAll: boolean): string {
  const right = (heading: string, rank?: number) => ({
    heading,
    align: "right" as const,
    ...(rank !== undefined && { rank }),
  });
  const hasVersions = instances.some(({ id, version }) => parseInstance(id).id !== version);
  const columns = [
    { heading: "INSTANCE", isName: true },
    ...(hasVersions ? [{ heading: "VERSION", isName: true, rank: 6 }] : []),
    { heading: "STATE" },
    ...(isAll ? [right("WEIGHT", 3)] : []),
    right("SHARE"),
    right("REQ/S", 2),
    right("ERR %", 1),
    right("P95", 4),
    right("CPU", 9),
    right("MEM", 8),
    right("UPTIME", 7),
    right("RESTARTS", 5),
  ];
  const rows = [...instances]
    .sort(byServiceNewestFirst)
    .map((one) => [
      one.id,
      ...(hasVersions ? [one.version] : []),
      out.paint(COLOURS[one.state], one.state),
      ...(isAll ? [String(one.weight)] : []),
      `${one.share} %`,
      String(one.requests_per_sec),
      String(one.error_percent),
      one.p95_ms === null ? "-" : formatMillis(one.p95_ms),
      one.cpu_percent === null ? "-" : formatPercent(one.cpu_percent),
      one.memory_bytes === null ? "-" : formatBytes(one.memory_bytes),
      one.uptime_secs === null ? "-" : formatSeconds(one.uptime_secs),
      String(one.restarts),
    ]);
  return formatTable(columns, rows, out.paint, out.stdout.size()?.columns);
}

/** Instances of one deploy by their names, with numbers as numbers. */
function byServiceNewestFirst(one: InstanceView, other: InstanceView): number {
  return (
    one.service.localeCompare(other.service) ||
    other.deployed - one.deployed ||
    one.id.localeCompare(other.id, "en", { numeric: true })
  );
}

/** Below the table, which would be wider than a terminal with it; who is well needs none. */
function reason({ id, state, reason: why }: InstanceView): string {
  return state === "healthy" ? "" : `${id}: ${why}\n`;
}

function nextRun({ id, next_run: at, pid }: InstanceView): string {
  if (at === null) return "";
  return `${id}: ${pid === null ? "" : "runs now; "}next run at ${formatMoment(at)}\n`;
}

/** What runs keeps what it was deployed with. */
function difference({ id, version, service, differs }: InstanceView): string {
  if (differs.length === 0) return "";
  const apply = `ten deploy ${service} --version ${version} --replace`;
  return `${id}: not as tenement.toml has it now (${differs.join(", ")}); to apply that: ${apply}\n`;
}

/** Who listens everywhere is reached past the proxy. */
function exposure({ id, exposed }: InstanceView): string {
  if (exposed === null) return "";
  return `${id}: listens on all interfaces (${exposed}), so visitors may go round the proxy; listen on the HOST of the environment\n`;
}

/** The newest of all services; what is older is no news, and a table of many services is not to be pushed off by it. */
function changeLines(out: Output, changes: readonly LastChange[]): string {
  const newest = changes.toSorted((a, b) => b.at.localeCompare(a.at)).slice(0, CHANGES);
  const lines = changes.filter((one) => newest.includes(one)).map((one) => changeLine(out, one));
  const more = changes.length - lines.length;
  const rest = more === 0 ? "" : out.paint("gray", `and ${more} older: ten history SERVICE\n`);
  return lines.join("") + rest;
}

/** Who has moved traffic last. */
function changeLine(out: Output, { service, at, by, command: line }: LastChange): string {
  return out.paint("gray", `${service}: ${line}, by ${by ?? "ten"} at ${formatMoment(at)}\n`);
}

function lastOutput(out: Output, { id, last_output = [] }: InstanceView): string {
  const lines = last_output.map((line) => `  ${line}\n`).join("");
  return lines && `${out.paint("red", `${id} wrote last:`)}\n${lines}`;
}

const COLOURS = {
  starting: "yellow",
  healthy: "green",
  unhealthy: "red",
  draining: "yellow",
  sleeping: "blue",
  stopped: "gray",
  failed: "red",
} as const;
