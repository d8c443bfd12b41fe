// `ten config`: the effective configuration of the tenement.toml here, with all defaults filled in.
import { resolve } from "node:path";
import { command } from "../../cli/command.ts";
import { loadConfig } from "../config/config.ts";
import { describe, describeAsToml } from "../config/describe.ts";

export default command({
  name: "config",
  summary: "Check tenement.toml and show all settings with their defaults",
  description: "Reads the file, not the server. Exits 2 with every problem when something is wrong in it.",
  examples: [
    ["ten config", "as TOML, which can be read as a configuration again"],
    ["ten config --json", "as JSON"],
  ],
  args: {},
  run({ globals, out, env }) {
    const config = loadConfig(process.cwd(), globals.config, {
      env,
      ...(globals.dataDir !== undefined && { dataDir: resolve(globals.dataDir) }),
    });
    for (const warning of config.warnings) out.warn(warning);
    out.data({ ...describe(config) }, () => describeAsToml(config));
    return 0;
  },
});
