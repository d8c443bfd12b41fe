// `slum token-gen`: makes a token for the HTTP API, while slum runs or without it.
import { mkdirSync } from "node:fs";
import { option } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { Fault } from "../../core/fault.ts";
import { systemClock } from "../../platform/time/clock.ts";
import { dataDirOf, dataPaths } from "../registry/paths.ts";

export default command({
  name: "token-gen",
  summary: "Make a token for the HTTP API",
  description:
    "It is shown once; only a hash of it is kept. It counts at once, also while slum runs; where slums share a registry, within a second.",
  examples: [["slum token-gen", "for SLUM_TOKEN, together with SLUM_SERVER"]],
  args: {
    db: option("The registry, when it is not in the data directory; also SLUM_DB", { hint: "DB" }),
  },
  async run({ args, globals, out, env }) {
    if (globals.server !== undefined) {
      throw new Fault(
        "usage",
        "tokens are made where the data directory is",
        "run it on slum's machine, without --server",
      );
    }
    const { generateToken } = await import("../api/auth.ts");
    const { openRegistryAt } = await import("../registry/open-registry.ts");
    const paths = dataPaths(dataDirOf(globals.dataDir, env));
    const database = args.db ?? env.SLUM_DB ?? paths.database;
    mkdirSync(paths.root, { recursive: true, mode: 0o700 });
    const whereabouts = { database, slumId: "token-gen", clock: systemClock, fallback: undefined };
    await using registry = await openRegistryAt(whereabouts);
    const token = await generateToken(registry);
    out.data({ token }, () => `Admin token (shown once):\n\n  ${token}\n`);
    return 0;
  },
});
