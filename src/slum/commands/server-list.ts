// `slum server list`: all servers with their health.
import { command } from "../../cli/command.ts";
import { connect } from "./connect.ts";
import { serverTable } from "./report.ts";

export default command({
  name: "list",
  summary: "Show the servers with status, latency, last check and last error",
  examples: [["slum server list", "one line a server"]],
  args: {},
  async run(context) {
    const { out, signal } = context;
    const { servers } = await connect(context).listServers({}, { signal });
    out.data({ servers }, () => (servers.length > 0 ? serverTable(out, servers) : "no servers\n"));
    return 0;
  },
});
