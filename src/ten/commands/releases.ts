// `ten releases`: the builds of a service that were shipped.
import { command } from "../../cli/command.ts";
import { formatBytes } from "../../cli/format.ts";
import { formatTable } from "../../cli/table.ts";
import { service } from "./arguments.ts";
import { connect } from "./connect.ts";

const DIGEST_CHARS = "sha256:".length + 12;

export default command({
  name: "releases",
  summary: "Show the builds of a service that were shipped",
  description:
    "Newest first. Those that an instance is of, a stopped one too, stay; of the others the newest keep_releases. ten prune removes stopped instances, and then what is no longer used.",
  examples: [["ten releases api", "what ten rollback api --to VERSION can start"]],
  args: { service },
  async run(context) {
    const { args, out, signal } = context;
    const found = await connect(context).releases({ params: { service: args.service } }, { signal });
    const columns = [
      { heading: "VERSION" },
      { heading: "DIGEST" },
      { heading: "SIZE", align: "right" as const },
      { heading: "FILES", align: "right" as const },
      { heading: "SHIPPED" },
      { heading: "BY" },
      { heading: "IN USE" },
    ];
    const rows = found.releases.map((one) => [
      one.version,
      one.digest.slice(0, DIGEST_CHARS),
      formatBytes(one.bytes),
      String(one.entries),
      one.at,
      one.by ?? "-",
      one.in_use.join(", ") || "-",
    ]);
    out.data({ ...found }, () => (rows.length === 0 ? "" : formatTable(columns, rows, out.paint)));
    if (rows.length === 0)
      out.info(`nothing was shipped for ${args.service}: ten deploy ${args.service} --version V --dir DIR`);
    return 0;
  },
});
