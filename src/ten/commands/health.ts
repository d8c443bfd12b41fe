// `ten health`: checks an instance now, or all of a version or a service.
import { command } from "../../cli/command.ts";
import { FAULTS } from "../../core/fault.ts";
import { joinInstance, subject } from "./arguments.ts";
import { connect } from "./connect.ts";
import { instancesOf } from "./selection.ts";

export default command({
  name: "health",
  summary: "Check the health of instances now",
  description:
    "Exits 0 when all checks passed and 5 when one did not. Of a version, or of a service, each instance that runs is checked.",
  examples: [
    ["ten health api:v2", "one check, with its answer and how long it took"],
    ["ten health api", "all instances of api that run"],
  ],
  reword: joinInstance,
  args: { subject },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const names = await instancesOf(client, args.subject, signal);
    const found = await Promise.all(
      names.map((instance) => client.check({ params: { instance } }, { signal })),
    );
    const [only] = found;
    // One object of one that was named; of a service it is a list, however many there are.
    const isOne = args.subject.id !== undefined && found.length === 1;
    out.data(only && isOne ? { ...only } : { instances: found }, () =>
      found
        .map(({ id, state, healthy, detail, latency_ms }) => {
          const unhealthy = state === "unhealthy" ? "" : ", unhealthy";
          return `${id} is ${state}${healthy ? "; check passed" : unhealthy}: ${detail} (${latency_ms} ms)\n`;
        })
        .join(""),
    );
    return found.every(({ healthy }) => healthy) ? 0 : FAULTS.unhealthy.exit;
  },
});
