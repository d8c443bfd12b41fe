// `ten health`: checks an instance now.
import { command } from "../../cli/command.ts";
import { FAULTS } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { instance } from "../arguments.ts";
import { connect } from "../connect.ts";

export default command({
  name: "health",
  summary: "Check an instance's health now",
  description: "Exits 0 when the check passed and 5 when it did not.",
  examples: [["ten health api:v2", "one check, with its answer and how long it took"]],
  args: { instance },
  async run(context) {
    const { args, out, signal } = context;
    const name = instanceName(args.instance.service, args.instance.id);
    const found = await connect(context).check({ params: { id: name } }, { signal });
    const verdict = found.healthy ? "passed" : "failed";
    out.data(
      { ...found },
      () => `${name} is ${found.state}; check ${verdict}: ${found.detail} (${found.latency_ms} ms)\n`,
    );
    return found.healthy ? 0 : FAULTS.unhealthy.exit;
  },
});
