// `ten shadow`: copies some requests to a version that takes no traffic, and tells in what it answers otherwise.
import { flag, maybeWord, oneOf, option, type Read } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import type { Output } from "../../cli/output.ts";
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import type { ShadowView } from "../api/shapes.ts";
import { readLabel, service } from "./arguments.ts";
import { connect } from "./connect.ts";

const SWITCH = ["off"] as const;
/** Kinds of paths that are shown unless all are asked for. */
const SHOWN = 10;

const readSample: Read<number> = (text, label) => {
  const percent = Number(/^(\d+(?:\.\d+)?)\s*%?$/.exec(text)?.[1]);
  if (percent >= 0.01 && percent <= 100) return percent;
  throw new Fault(
    "usage",
    `${label} is ${quote(text)}`,
    `write a part of the requests from 0.01% to 100%: ${label} 10%`,
  );
};

export default command({
  name: "shadow",
  summary: "Copy requests to a version without traffic, and compare its answers",
  description:
    "When a visitor has its answer, a copy of its GET or HEAD goes to the version and one to those that take the traffic, in random order; their answers are compared by status, type, JSON shape, size and time, and thrown away. Copies carry X-Ten-Shadow: 1, and neither Cookie nor Authorization unless shadow_cookies = true. What is copied must change nothing: apps whose GETs do are not for it. Without --to it tells what the copies led to.",
  examples: [
    ["ten shadow api --to v2 --sample 10%", "one request of ten, from now on"],
    ["ten shadow api", "in what v2 answers otherwise, by kind of path"],
    ["ten shadow api --report --json", "the same, all of it, for a program"],
    ["ten shadow api off", "no more copies; what was counted is kept"],
    ["ten deploy api --version v2 --canary --shadow-first 200", "a rollout that begins with copies"],
  ],
  args: {
    service,
    state: maybeWord("off ends it", { hint: "off", read: oneOf(SWITCH), choices: SWITCH }),
    to: option("The version that gets copies; it has to run", { hint: "V", read: readLabel }),
    sample: option("How many of the requests; 10% unless given", { hint: "N%", read: readSample }),
    report: flag("Tell all kinds of paths, also those that are answered alike"),
  },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const params = { service: args.service };
    if (args.state === "off") {
      refuse(args.to !== undefined || args.sample !== undefined || args.report, "off");
      const done = await client.endShadow({ params }, { signal });
      out.data({ ...done }, () => `${done.message}\n`);
      return 0;
    }
    if (args.to !== undefined) {
      refuse(args.report, "--to");
      const body = { to: args.to, ...(args.sample !== undefined && { sample: args.sample }) };
      const done = await client.beginShadow({ params, body }, { signal });
      out.data({ ...done }, () => `${done.message}\n`);
      out.hint(`see: ten shadow ${args.service}; end it: ten shadow ${args.service} off`);
      return 0;
    }
    if (args.sample !== undefined)
      throw new Fault(
        "usage",
        "--sample needs --to",
        `ten shadow ${args.service} --to V --sample ${args.sample}%`,
      );
    const { shadow } = await client.shadow({ params }, { signal });
    if (shadow === null)
      throw new Fault(
        "not_found",
        `no requests of ${args.service} have been copied`,
        `begin: ten shadow ${args.service} --to V`,
      );
    out.data({ ...shadow }, () => reportText(out, shadow, args.report));
    return 0;
  },
});

function refuse(isWrong: boolean, what: string): void {
  if (isWrong) throw new Fault("usage", `${what} goes with none of the others here`, "give one of them");
}

function reportText(out: Output, view: ShadowView, isWhole: boolean): string {
  const { service, to, from, sample, text, ended_at: endedAt } = view;
  const state = endedAt === null ? `${sample} % of GET and HEAD are copied` : "no more copies are made";
  const lines = [
    out.paint("bold", `${service}: ${to} beside ${from}, ${state}`),
    out.paint(view.differing > 0 ? "yellow" : "reset", text),
  ];
  if (view.skipped > 0)
    lines.push(`${view.skipped} more were drawn and not copied, as too many copies were under way`);
  const told = isWhole
    ? view.patterns
    : view.patterns.filter(({ differing }) => differing > 0).slice(0, SHOWN);
  for (const { pattern, copies, differing, ms, differences } of told) {
    const times = `${ms.stable} ms -> ${ms.canary} ms`;
    lines.push("", `${out.paint("bold", pattern)}   ${differing} of ${copies} differ, ${times} on average`);
    for (const { difference, count } of differences)
      lines.push(`  ${String(count).padStart(5)}  ${difference}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}
