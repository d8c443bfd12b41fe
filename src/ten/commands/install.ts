// `ten install`: a systemd unit for the server of the tenement.toml here.
import { statSync } from "node:fs";
import { userInfo } from "node:os";
import { resolve } from "node:path";
import { command } from "../../cli/command.ts";
import { asWritten, flagWords, install, installArgs, isLowPort, written } from "../../cli/install.ts";
import type { Output } from "../../cli/output.ts";
import { executableWords } from "../../platform/executable.ts";
import { userEntry } from "../../platform/process/account.ts";
import { type Config, findConfig, loadConfig } from "../config/config.ts";
import { installedDataDir } from "../config/data-dir.ts";
import serve from "./serve.ts";
import { prepareServiceUsers } from "./service-users.ts";

/** Where systemd looks for programs. */
const SYSTEMD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A unit's server never takes another's place by itself: systemd ends the one before. */
const { replace: _, ...serveArgs } = serve.args;

export default command({
  name: "install",
  summary: "Run the server as a systemd unit, from now on and with the machine",
  description:
    'Writes a unit for ten serve with these flags, the tenement.toml that is found here and absolute paths, enables and starts it. systemctl restart ten leaves the instances running for the next start, systemctl stop ten ends them, systemctl reload ten reads tenement.toml again. Where the unit runs as root, each service without user gets a system user of its own, ten-SERVICE, which is made here and has to reach the app; user = "root" has to be written. Run again with other flags it shows what changes and replaces the unit; the same once more does nothing.',
  examples: [
    ["sudo ten install --domain example.com --host 127.0.0.1", "for the machine, behind Caddy or the like"],
    ["sudo ten install --domain example.com --port 80 --user app", "as a user of its own, on all interfaces"],
    ["ten install --user-unit", "for yourself, without root"],
    ["ten install --print", "only show the unit"],
  ],
  args: { ...asWritten(serveArgs), ...installArgs },
  async run(context) {
    const { args, globals, out, env } = context;
    const domain = written(args, "domain");
    const file = findConfig(process.cwd(), globals.config);
    const usualOwner = args.userUnit ? userInfo().username : (args.user ?? ownerOf(file));
    const load = (serviceUsers: boolean) =>
      loadConfig(process.cwd(), globals.config, {
        serviceUsers,
        env,
        defaultDataDir: installedDataDir(file, usualOwner, env),
        ...(domain !== undefined && { domain }),
        ...(globals.dataDir !== undefined && { dataDir: resolve(globals.dataDir) }),
      });
    const user = args.userUnit ? userInfo().username : (args.user ?? usualUser(load(false)));
    // What root starts need not be root.
    const separates = !args.userUnit && user === "root";
    const config = load(separates);
    for (const warning of config.warnings) out.warn(warning);
    const services = [...config.services.values()];
    if (!args.userUnit) for (const { name, words } of services) warnOfProgram(out, name, words[0]);
    const where = ["--config", config.path, "--data-dir", config.settings.dataDir];
    return install(context, {
      description: `ten, serving ${config.path}`,
      words: [
        ...[...executableWords(), "serve", ...where],
        ...flagWords(serveArgs, { ...args, serviceUsers: separates ? [""] : [] }),
      ],
      ...(separates && { prepare: () => prepareServiceUsers(config, out) }),
      reload: [...executableWords(), "reload", ...where],
      directory: config.directory,
      dataDir: config.settings.dataDir,
      user,
      supervises: true,
      delegates: services.some(
        ({ limits }) => limits.memoryBytes !== undefined || limits.cpuShares !== undefined,
      ),
      lowPort: isLowPort(args, config.settings.port),
    });
  },
});

/** Only root can become others; else whoever owns the configuration, and hence most likely the app. */
function usualUser({ path, services }: Config): string {
  const others = [...services.values()].some(
    ({ limits }) => limits.user !== undefined || limits.group !== undefined,
  );
  return others ? "root" : ownerOf(path);
}

function ownerOf(file: string): string {
  return userEntry(String(statSync(file).uid))?.name ?? "root";
}

/** Version managers put programs where only a login shell finds them. */
function warnOfProgram(out: Output, service: string, program: string): void {
  if (program.includes("/") || program.includes("{") || Bun.which(program, { PATH: SYSTEMD_PATH })) return;
  out.warn(
    `under systemd ${service} will not find ${program} (PATH=${SYSTEMD_PATH}): write its absolute path into command`,
  );
}
