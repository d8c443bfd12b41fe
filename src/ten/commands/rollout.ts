// `ten rollout`: what the canary of a service is doing, and what the judge makes of it.
import { flag } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { watch } from "../../cli/watch.ts";
import { Fault } from "../../core/fault.ts";
import { systemClock } from "../../platform/time/clock.ts";
import { service } from "./arguments.ts";
import { connect } from "./connect.ts";
import { followRollout, rolloutText } from "./rollout-report.ts";

const WATCH_MS = 1_000;

export default command({
  name: "rollout",
  summary: "Show how the canary of a service does",
  description:
    "One sentence, the steps, and what the judge's bets stand at: for every error, slow answer and stall it bets that the canary gave it; the split is fair, so that the odds only grow when the canary is worse, and at 1,000 to 1 it is taken back.",
  examples: [
    ["ten rollout api", "how it stands now, or how the last one ended"],
    ["ten rollout api --watch", "again every second"],
    ["ten rollout api --wait", "until it is over: exit code 0 promoted, 9 rolled back, 10 held"],
  ],
  args: {
    service,
    watch: flag("Show it again every second until interrupted", { letter: "w" }),
    wait: flag("Until it is over or held, with its outcome as the exit code"),
  },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const params = { service: args.service };
    const find = async () => {
      const { rollout } = await client.rollout({ params }, { signal });
      if (rollout !== null) return rollout;
      const hint = `begin: ten deploy ${args.service} --version V --canary`;
      throw new Fault(
        "not_found",
        `no version of ${args.service} has ever been rolled out step by step`,
        hint,
      );
    };
    const frame = async () => {
      const value = await find();
      return { value, text: () => rolloutText(out, value, systemClock.now()) };
    };
    if (args.watch) {
      await watch({ out, clock: systemClock, periodMs: WATCH_MS, signal }, frame);
      return 0;
    }
    const first = await find();
    const value = args.wait ? await followRollout(client, first, out, systemClock, signal) : first;
    out.data(value, () => rolloutText(out, value, systemClock.now()));
    return 0;
  },
});
