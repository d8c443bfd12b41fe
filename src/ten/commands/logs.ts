// `ten logs`: what instances wrote, and what they write.
import { choice, flag, maybeWord, number, option, withDefault } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import type { Output, Style } from "../../cli/output.ts";
import { fit } from "../../cli/screen.ts";
import { instanceName } from "../../core/name.ts";
import { parseSince } from "../../core/since.ts";
import type { LogLine } from "../logs/logs.ts";
import { joinInstance, readSubject } from "./arguments.ts";
import { connect } from "./connect.ts";

/** As wide as a time. */
const NO_TIME = "-".padEnd("2026-01-31T12:00:00.000Z".length);

export default command({
  name: "logs",
  summary: "Show what instances wrote",
  examples: [
    ["ten logs api:v2", "the last 100 lines"],
    ["ten logs api -f", "all instances of api, and every further line"],
    ["ten logs api:v2 --level stderr --search timeout", "only what matches"],
    ["ten logs api --since 10m --timestamps", "all instances of api in time order, each line with its time"],
  ],
  reword: joinInstance,
  args: {
    subject: maybeWord("The instance, the version or the service; all unless given", {
      hint: "service[:id]",
      read: readSubject,
      names: "subject",
    }),
    follow: flag("Go on with every further line", { letter: "f" }),
    limit: withDefault(number("How many of the last lines", { letter: "n", max: 10_000 }), 100),
    search: option("Only lines that contain this text", { hint: "TEXT" }),
    level: choice("Only this stream", ["stdout", "stderr"]),
    since: option("Only lines that arrived since then, such as 10m or 2026-01-31T12:00:00Z", {
      hint: "TIME",
      read: readSince,
    }),
    until: option("Only lines that arrived before then", { hint: "TIME", read: readSince }),
    timestamps: flag("The time at which each line arrived, in UTC, before it", { letter: "t" }),
  },
  async run(context) {
    const { args, out, signal } = context;
    const { subject, search, level, since, until } = args;
    const query = {
      limit: args.limit,
      ...(subject && { service: subject.service }),
      ...(subject?.id !== undefined && { id: subject.id }),
      ...(search !== undefined && { search }),
      ...(level && { level }),
      ...(since !== undefined && { since }),
      ...(until !== undefined && { until }),
    };
    const client = connect(context);
    // A version may have several.
    const only = subject?.id === undefined ? undefined : instanceName(subject.service, subject.id);
    const names = createNames(out, only);
    const show = { names, time: args.timestamps };
    if (!args.follow) {
      const { lines } = await client.logs({ query }, { signal });
      for (const name of [...new Set(lines.map(({ instance }) => instance))].sort()) names.meet(name);
      out.data({ lines }, () => lines.map((line) => format(out, line, show)).join(""));
      return 0;
    }
    for await (const line of client.followLogs({ query }, { signal })) {
      out.data({ ...line }, () => format(out, line, show));
    }
    return 0;
  },
});

interface Show {
  readonly names: Names;
  readonly time: boolean;
}

/** How instances are told apart: each with a colour of its own, their names as wide as the widest met so far. */
interface Names {
  meet(instance: string): void;
  /** What stands before a line of the instance. */
  before(instance: string): string;
}

const NAME_MIN_CHARS = 16;
const COLOURS: readonly Style[] = ["cyan", "magenta", "green", "blue", "yellow", "red"];

/** Lines of the instance `only` need no name. */
function createNames(out: Output, only: string | undefined): Names {
  const colours = new Map<string, Style>();
  let width = 0;

  /** On a terminal the line is what is read: a name has at most a third of it. */
  function shown(instance: string): string {
    const columns = out.stdout.size()?.columns;
    const most = columns === undefined ? instance.length : Math.max(NAME_MIN_CHARS, Math.floor(columns / 3));
    return instance.length <= most ? instance : fit(instance, most);
  }

  function meet(instance: string): Style {
    const known = colours.get(instance);
    if (known !== undefined) return known;
    const colour = COLOURS[colours.size % COLOURS.length] ?? "cyan";
    colours.set(instance, colour);
    if (instance !== only) width = Math.max(width, shown(instance).length);
    return colour;
  }

  return {
    meet,
    before: (instance) =>
      instance === only ? "" : `${out.paint(meet(instance), shown(instance).padEnd(width))} | `,
  };
}

/** The line as it was written, with its time where wanted, and its instance where several may be shown. */
function format(out: Output, { instance, stream, at, text }: LogLine, show: Show): string {
  const time = show.time ? `${out.paint("dim", at ?? NO_TIME)} ` : "";
  return `${time}${show.names.before(instance)}${stream === "stderr" ? out.paint("yellow", text) : text}\n`;
}

/** Checked here, so that a mistake is one of usage; told to the server as it was written, as `10m` is by its clock. */
function readSince(text: string): string {
  parseSince(text);
  return text;
}
