// `slum token-gen`: makes a token for the HTTP API, while slum runs or without it.
import { option } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { Fault } from "../../core/fault.ts";
import { dataDirOf, dataPaths } from "../paths.ts";

export default command({
  name: "token-gen",
  summary: "Make a token for the HTTP API",
  description: "It is shown once; only a hash of it is kept. It counts at once, also while slum runs.",
  examples: [["slum token-gen", "for SLUM_TOKEN, together with SLUM_SERVER"]],
  args: {
    db: option("The registry's file, when it is not in the data directory; also SLUM_DB", { hint: "FILE" }),
  },
  async run({ args, globals, out, env }) {
    if (globals.server !== undefined) {
      throw new Fault(
        "usage",
        "tokens are made where the data directory is",
        "run it on slum's machine, without --server",
      );
    }
    const { generateTokenIn } = await import("../auth.ts");
    const paths = dataPaths(dataDirOf(globals.dataDir, env));
    const token = generateTokenIn(paths, args.db ?? env.SLUM_DB ?? paths.database);
    out.data({ token }, () => `Admin token (shown once):\n\n  ${token}\n`);
    return 0;
  },
});
