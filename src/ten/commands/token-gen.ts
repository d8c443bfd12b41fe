// `ten token-gen`: makes a token for the HTTP API, while the server runs or without it.
import { option } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { Fault } from "../../core/fault.ts";
import { readLabel } from "./arguments.ts";
import { dataDirOf } from "./connect.ts";

export default command({
  name: "token-gen",
  summary: "Make a token for the HTTP API",
  description:
    "It is shown once; only a hash of it is kept. A tenant's token sees and touches only instances whose id is the tenant's.",
  examples: [
    ["ten token-gen", "an admin's token"],
    ["ten token-gen --tenant acme", "for instances with the id acme"],
  ],
  args: { tenant: option("The tenant that the token is for", { hint: "ID", read: readLabel }) },
  async run({ args, globals, out }) {
    if (globals.server !== undefined) {
      throw new Fault(
        "usage",
        "tokens are made where the data directory is",
        "run it on the server's machine, without --server",
      );
    }
    const { generateTokenIn } = await import("../api/auth.ts");
    const dataDir = dataDirOf(process.cwd(), globals.dataDir, globals.config);
    const token = generateTokenIn(dataDir, args.tenant ?? null);
    const heading = args.tenant === undefined ? "Admin token" : `Token of tenant ${args.tenant}`;
    out.data({ token, tenant: args.tenant ?? null }, () => `${heading} (shown once):\n\n  ${token}\n`);
    return 0;
  },
});
