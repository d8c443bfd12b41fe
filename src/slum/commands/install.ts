// `slum install`: a systemd unit for a slum.
import { userInfo } from "node:os";
import { command } from "../../cli/command.ts";
import { asWritten, flagWords, install, installArgs, isLowPort, written } from "../../cli/install.ts";
import { executableWords } from "../../platform/executable.ts";
import { dataDirOf } from "../registry/paths.ts";
import serve from "./serve.ts";

export default command({
  name: "install",
  summary: "Run slum as a systemd unit, from now on and with the machine",
  description:
    "Writes a unit for slum serve with these flags and absolute paths, enables and starts it. Run again with other flags it shows what changes and replaces the unit; the same once more does nothing.",
  examples: [
    ["sudo slum install --domain slum.example.com --port 80", "for the machine, as root"],
    ["sudo slum install --domain slum.example.com --user slum", "as a user of its own"],
    ["slum install --user-unit", "for yourself, without root"],
    ["slum install --print", "only show the unit"],
  ],
  args: { ...asWritten(serve.args), ...installArgs },
  run(context) {
    const { args, globals, env } = context;
    const dataDir = dataDirOf(globals.dataDir, env);
    const db = written(args, "db") ?? env.SLUM_DB;
    const flags = { ...args, db: db === undefined ? [] : [db] };
    return install(context, {
      description: `slum, with its data in ${dataDir}`,
      words: [...executableWords(), "slum", "serve", "--data-dir", dataDir, ...flagWords(serve.args, flags)],
      reload: undefined,
      directory: "/",
      dataDir,
      user: args.userUnit ? userInfo().username : (args.user ?? "root"),
      supervises: false,
      delegates: false,
      lowPort: isLowPort(args),
    });
  },
});
