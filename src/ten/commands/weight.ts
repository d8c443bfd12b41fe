// `ten weight`: shows or sets how a service's traffic is divided.
import { words } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { quote } from "../../core/quote.ts";
import { force, joinInstance, readInstance, readSubject, readWeight } from "./arguments.ts";
import { connect } from "./connect.ts";
import { reportChange, splitText } from "./report.ts";

export default command({
  name: "weight",
  summary: "Show or set how a service's traffic is divided",
  description:
    "An instance and a number give it exactly that percentage; its siblings are scaled to the rest. Several instance=number set raw weights in one step. A service alone shows its split.",
  examples: [
    ["ten weight api:v2 10", "a canary: 10 % to v2, the rest in proportion to the others"],
    ["ten weight api:v2 100", "all of it"],
    ["ten weight api:v1=50 api:v2=50", "raw weights, set together"],
    ["ten weight api", "show the split"],
  ],
  // `api v2 50` is `api:v2 50`, and `10 %` is `10`.
  reword(written) {
    const words = written.filter((word, at) => at === 0 || word !== "%");
    return words.length === 3 && !words.join("").includes("=") ? joinInstance(words) : words;
  },
  args: {
    words: words("service, or service:id N, or service:id=N ...", {
      hint: "service[:id[=N]]",
      names: "running",
      required: true,
    }),
    force,
  },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const [first = "", second, ...rest] = args.words;
    if (args.words.some((text) => text.includes("="))) {
      const { service, weights } = readPairs(args.words);
      reportChange(
        out,
        await client.setWeights({ body: { service, weights, force: args.force } }, { signal }),
      );
    } else if (second !== undefined) {
      if (rest.length > 0) throw tooMany(first, second, rest);
      const { service, id } = readInstance(first, "instance");
      const weight = readWeight(second, "weight");
      const sent = { params: { instance: instanceName(service, id) }, body: { weight, force: args.force } };
      reportChange(out, await client.setShare(sent, { signal }));
    } else {
      const { service } = readSubject(first, "service");
      const found = await client.split({ params: { service } }, { signal });
      out.data({ ...found }, () => splitText(out, found));
    }
    return 0;
  },
});

/** `api v1 50` is `api:v1 50`; of the others nobody knows what is meant. */
function tooMany(first: string, second: string, rest: readonly string[]): Fault {
  const given = rest.join(" ");
  return first.includes(":")
    ? new Fault("usage", `too many words: ${given}`, "to set several, write api:v1=50 api:v2=50")
    : new Fault("usage", `${quote(first)} is not an instance`, `write ${first}:${second} ${given}`);
}

/** `api:v1=50 api:v2=50`: all of one service, each named once. */
function readPairs(words: readonly string[]): { service: string; weights: Record<string, number> } {
  const weights = new Map<string, number>();
  const services = new Set<string>();
  for (const text of words) {
    const [name = "", value, ...more] = text.split("=");
    if (value === undefined || more.length > 0) {
      throw new Fault("usage", `${JSON.stringify(text)} is not instance=weight`, "write api:v1=50 api:v2=50");
    }
    const { service, id } = readInstance(name, "instance");
    if (services.size > 0 && !services.has(service)) {
      throw new Fault(
        "usage",
        `${[...services].join()} and ${service} are two services`,
        "set the weights of one at a time",
      );
    }
    if (weights.has(id)) throw new Fault("usage", `${name} is named twice`, "name each instance once");
    services.add(service);
    weights.set(id, readWeight(value, "weight"));
  }
  const [service = ""] = services;
  return { service, weights: Object.fromEntries(weights) };
}
