// `ten hold`: lets a rollout stay where it is.
import { maybeWord, oneOf } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { service } from "./arguments.ts";
import { connect } from "./connect.ts";

const SWITCH = ["on", "off"] as const;

export default command({
  name: "hold",
  summary: "Let a rollout stay where it is until you say so",
  description:
    "The weights stay, and the judge goes on: a bad version is taken back all the same. What nobody decides within a day goes back to the old version.",
  examples: [
    ["ten hold api", "no further step"],
    ["ten hold api off", "go on judging from here"],
  ],
  args: {
    service,
    state: maybeWord("off goes on; on is what it is without", {
      hint: SWITCH.join("|"),
      read: oneOf(SWITCH),
      choices: SWITCH,
    }),
  },
  async run(context) {
    const { args, out, signal } = context;
    const on = args.state !== "off";
    const sent = { params: { service: args.service }, body: { on } };
    const done = await connect(context).holdRollout(sent, { signal });
    out.data({ ...done }, () => `${done.message}\n`);
    if (done.changed && on) out.hint(`undo with: ten hold ${args.service} off`);
    return 0;
  },
});
