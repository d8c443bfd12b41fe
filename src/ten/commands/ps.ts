// `ten ps`: what runs, with which part of the traffic, and how it does.
import { flag } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { formatBytes, formatMillis, formatPercent, formatSeconds } from "../../cli/format.ts";
import type { Output } from "../../cli/output.ts";
import { formatTable } from "../../cli/table.ts";
import { watch } from "../../cli/watch.ts";
import { systemClock } from "../../platform/time/clock.ts";
import type { InstanceView, LastChange } from "../api/shapes.ts";
import { connect } from "./connect.ts";
import { maintenanceLine } from "./report.ts";

const WATCH_MS = 1_000;

export default command({
  name: "ps",
  summary: "Show the instances that run",
  examples: [
    ["ten ps", "what runs now"],
    ["ten ps --all", "also stopped and failed ones, with the reason of the last change and the last output"],
    ["ten ps --watch", "again every second"],
  ],
  args: {
    all: flag("Also instances that are stopped or failed", { letter: "a" }),
    watch: flag("Show it again every second until interrupted", { letter: "w" }),
  },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const frame = async () => {
      const { instances, maintenance, changes, rollouts, links } = await client.listInstances({}, { signal });
      const shown = args.all
        ? instances
        : instances.filter(({ state }) => state !== "stopped" && state !== "failed");
      const hidden = instances.length - shown.length;
      const text = () =>
        (shown.length > 0 ? table(out, shown) : empty(hidden)) +
        shown.map((one) => reason(one) + lastOutput(out, one) + (args.all ? difference(one) : "")).join("") +
        links
          .map(
            ({ id, count, until }) => `${id}: ${count} ${count === 1 ? "link" : "links"}, until ${until}\n`,
          )
          .join("") +
        rollouts.map(({ service, canary, text }) => `${service}: rollout of ${canary}: ${text}\n`).join("") +
        maintenance.map(({ service, since }) => maintenanceLine(out, service, since)).join("") +
        changes.map((change) => changeLine(out, change)).join("");
      return { value: { instances: shown, maintenance, changes, rollouts, links }, text };
    };
    if (args.watch) await watch({ out, clock: systemClock, periodMs: WATCH_MS, signal }, frame);
    else {
      const { value, text } = await frame();
      out.data(value, text);
    }
    return 0;
  },
});

function empty(hidden: number): string {
  return hidden > 0
    ? `nothing runs; ${hidden} stopped or failed (ten ps --all)\n`
    : "nothing runs; start something: ten deploy SERVICE --version v1\n";
}

function table(out: Output, instances: readonly InstanceView[]): string {
  const right = (heading: string) => ({ heading, align: "right" as const });
  const columns = [
    { heading: "INSTANCE" },
    { heading: "VERSION" },
    { heading: "STATE" },
    ...["WEIGHT", "SHARE", "REQ/S", "ERR %", "P95", "CPU", "MEM", "UPTIME", "RESTARTS"].map(right),
  ];
  const rows = instances.map((one) => [
    one.id,
    one.version,
    out.paint(COLOURS[one.state], one.state),
    String(one.weight),
    `${one.share} %`,
    String(one.requests_per_sec),
    String(one.error_percent),
    one.p95_ms === null ? "-" : formatMillis(one.p95_ms),
    one.cpu_percent === null ? "-" : formatPercent(one.cpu_percent),
    one.memory_bytes === null ? "-" : formatBytes(one.memory_bytes),
    one.uptime_secs === null ? "-" : formatSeconds(one.uptime_secs),
    String(one.restarts),
  ]);
  return formatTable(columns, rows, out.paint);
}

/** Below the table, which would be wider than a terminal with it; who is well needs none. */
function reason({ id, state, reason: why }: InstanceView): string {
  return state === "healthy" ? "" : `${id}: ${why}\n`;
}

/** What runs keeps what it was deployed with. */
function difference({ id, version, service, differs }: InstanceView): string {
  if (differs.length === 0) return "";
  const apply = `ten deploy ${service} --version ${version} --replace`;
  return `${id}: not as tenement.toml has it now (${differs.join(", ")}); to apply that: ${apply}\n`;
}

/** Who has moved traffic last. */
function changeLine(out: Output, { service, at, by, command: line }: LastChange): string {
  return out.paint("gray", `${service}: ${line}, by ${by ?? "ten"} at ${at}\n`);
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
