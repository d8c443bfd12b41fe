// `ten health`: checks an instance now, or all that carry a version.
import { command } from "../../cli/command.ts";
import { FAULTS } from "../../core/fault.ts";
import { instance } from "./arguments.ts";
import { connect } from "./connect.ts";
import { instancesOf } from "./selection.ts";

export default command({
  name: "health",
  summary: "Check an instance's health now",
  description:
    "Exits 0 when the check passed and 5 when it did not. A version with several instances has each of them checked.",
  examples: [["ten health api:v2", "one check, with its answer and how long it took"]],
  args: { instance },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const names = await instancesOf(client, args.instance, signal);
    const found = await Promise.all(
      names.map((instance) => client.check({ params: { instance } }, { signal })),
    );
    const [only] = found;
    out.data(only && found.length === 1 ? { ...only } : { instances: found }, () =>
      found
        .map(({ id, state, healthy, detail, latency_ms }) => {
          return `${id} is ${state}; check ${healthy ? "passed" : "failed"}: ${detail} (${latency_ms} ms)\n`;
        })
        .join(""),
    );
    return found.every(({ healthy }) => healthy) ? 0 : FAULTS.unhealthy.exit;
  },
});
