// `slum route`: which server would serve a domain now, and why.
import { word } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { formatTable } from "../../cli/table.ts";
import { FAULTS } from "../../core/fault.ts";
import { parseTenantDomain } from "../fleet/tenant-domain.ts";
import { connect } from "./connect.ts";

export default command({
  name: "route",
  summary: "Show which server would serve a domain now, and why",
  description: "Exits 3 when no tenant has the domain, and 5 when none of its servers is online.",
  examples: [["slum route acme.example.com", "the server, the reason, and all candidates in order"]],
  args: { domain: word("The domain", { hint: "DOMAIN", read: parseTenantDomain, names: "domain" }) },
  async run(context) {
    const { args, out, signal } = context;
    const route = await connect(context).route({ query: { domain: args.domain } }, { signal });
    const columns = ["CANDIDATE", "STATUS", "NOTE"].map((heading) => ({ heading }));
    const rows = route.candidates.map(({ server, status, note }) => [server, status, note]);
    const where = route.server === null ? "nowhere" : `${route.target} on ${route.server}`;
    out.data(
      route,
      () =>
        `${route.domain} (${route.tenant}) goes to ${where}: ${route.reason}\n\n${formatTable(columns, rows, out.paint)}`,
    );
    return route.routable ? 0 : FAULTS.unhealthy.exit;
  },
});
