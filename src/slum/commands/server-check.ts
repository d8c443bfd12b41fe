// `slum server check`: checks a server now.
import { command } from "../../cli/command.ts";
import { FAULTS } from "../../core/fault.ts";
import { server } from "./arguments.ts";
import { connect } from "./connect.ts";
import { warnBesides } from "./report.ts";

export default command({
  name: "check",
  summary: "Check a server now, and whether it trusts this slum",
  description: "Exits 0 when the check passed and 5 when it did not.",
  examples: [["slum server check iad", "one check, with its answer"]],
  args: { server },
  async run(context) {
    const { args, out, signal } = context;
    using _ = out.progress(`checking ${args.server}`);
    const found = await connect(context).checkServer({ params: { id: args.server } }, { signal });
    const verdict = found.healthy ? "passed" : "failed";
    out.data(found, () => `${args.server} is ${found.server.status}; check ${verdict}: ${found.detail}\n`);
    warnBesides(out, found);
    return found.healthy ? 0 : FAULTS.unhealthy.exit;
  },
});
