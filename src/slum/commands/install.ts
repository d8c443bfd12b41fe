// `slum install`: a systemd unit for a slum.
import { statSync } from "node:fs";
import { userInfo } from "node:os";
import { command } from "../../cli/command.ts";
import {
  addSystemUser,
  asWritten,
  flagWords,
  install,
  installArgs,
  isLowPort,
  written,
} from "../../cli/install.ts";
import type { Output } from "../../cli/output.ts";
import { executableWords } from "../../platform/executable.ts";
import { userEntry } from "../../platform/process/account.ts";
import { dataDirOf } from "../registry/paths.ts";
import serve, { SECRETS } from "./serve.ts";

/** A unit's server never takes another's place by itself: systemd ends the one before. */
const { replace: _, ...serveArgs } = serve.args;

export default command({
  name: "install",
  summary: "Run slum as a systemd unit, from now on and with the machine",
  description:
    "Writes a unit for slum serve with these flags and absolute paths, enables and starts it. Run again with other flags it shows what changes and replaces the unit; the same once more does nothing.",
  examples: [
    [
      "sudo slum install --domain slum.example.com --port 80",
      "for the machine, as the user slum, which is made",
    ],
    ["sudo slum install --domain slum.example.com --user router", "as another user"],
    [
      "sudo slum install --webhook https://hooks.example.com/slum",
      "the URL goes where only root can read it",
    ],
    ["slum install --user-unit", "for yourself, without root"],
    ["slum install --print", "only show the unit"],
  ],
  args: { ...asWritten(serveArgs), ...installArgs },
  run(context) {
    const { args, globals, env, out } = context;
    const dataDir = dataDirOf(globals.dataDir, env);
    const user = args.userUnit ? userInfo().username : (args.user ?? usualUser(dataDir));
    const secrets: Record<string, string> = {};
    const flags: Record<string, unknown> = { ...args };
    for (const { name, variable, isSecret } of SECRETS) {
      const value = written(args, name) ?? env[variable];
      if (value !== undefined && isSecret(value)) secrets[variable] = value;
      flags[name] = value === undefined || isSecret(value) ? [] : [value];
    }
    return install(context, {
      description: `slum, with its data in ${dataDir}`,
      words: [...executableWords(), "slum", "serve", "--data-dir", dataDir, ...flagWords(serveArgs, flags)],
      secrets,
      reload: undefined,
      directory: "/",
      dataDir,
      user,
      ...(!args.userUnit && { prepare: () => prepare(user, out) }),
      supervises: false,
      delegates: false,
      lowPort: isLowPort(args),
    });
  },
});

const OWN_USER = "slum";

/** A user of its own, unless there is a data directory: that is its owner's. */
function usualUser(dataDir: string): string {
  const stats = statSync(dataDir, { throwIfNoEntry: false });
  return stats === undefined ? OWN_USER : (userEntry(String(stats.uid))?.name ?? "root");
}

async function prepare(user: string, out: Output): Promise<void> {
  if (user === OWN_USER && !userEntry(user)) await addSystemUser(user, out);
}
