// `ten logs`: what instances wrote, and what they write.
import { choice, flag, maybeWord, number, option, withDefault } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import type { Output } from "../../cli/output.ts";
import { readSubject } from "../arguments.ts";
import { connect } from "../connect.ts";
import type { LogLine } from "../shapes.ts";

export default command({
  name: "logs",
  summary: "Show what instances wrote",
  examples: [
    ["ten logs api:v2", "the last 100 lines"],
    ["ten logs api -f", "all instances of api, and every further line"],
    ["ten logs api:v2 --level stderr --search timeout", "only what matches"],
  ],
  args: {
    subject: maybeWord("The instance or the service; all unless given", {
      hint: "service[:id]",
      read: readSubject,
    }),
    follow: flag("Go on with every further line", { letter: "f" }),
    limit: withDefault(number("How many of the last lines", { letter: "n", max: 10_000 }), 100),
    search: option("Only lines that contain this text", { hint: "TEXT" }),
    level: choice("Only this stream", ["stdout", "stderr"]),
  },
  async run(context) {
    const { args, out, signal } = context;
    const { subject, search, level } = args;
    const query = {
      limit: args.limit,
      ...(subject && { process: subject.service }),
      ...(subject?.id !== undefined && { id: subject.id }),
      ...(search !== undefined && { search }),
      ...(level && { level }),
    };
    const client = connect(context);
    const many = subject?.id === undefined;
    if (!args.follow) {
      const { lines } = await client.logs({ query }, { signal });
      out.data({ lines }, () => lines.map((line) => format(out, line, many)).join(""));
      return 0;
    }
    for await (const line of client.followLogs({ query }, { signal })) {
      out.data({ ...line }, () => format(out, line, many));
    }
    return 0;
  },
});

/** The line as it was written, with its instance before it where several are shown. */
function format(out: Output, { instance, stream, text }: LogLine, many: boolean): string {
  const body = stream === "stderr" ? out.paint("yellow", text) : text;
  return many ? `${out.paint("cyan", instance)} | ${body}\n` : `${body}\n`;
}
