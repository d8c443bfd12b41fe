// `ten serve`: the supervisor and the proxy, until a signal ends them.
import { resolve } from "node:path";
import { command } from "../../cli/command.ts";
import { listenArgs, listenHost, readAdmin, serveUntilSignal } from "../../cli/serve.ts";
import { inheritedEnvironment } from "../../platform/environment.ts";
import { createLog } from "../../platform/log.ts";
import { systemClock } from "../../platform/time/clock.ts";
import { findConfig, loadConfig } from "../config/config.ts";
import { defaultDataDir, forgottenDataDir } from "../config/data-dir.ts";

export default command({
  name: "serve",
  summary: "Run the supervisor and the proxy",
  description:
    "Adopts the instances that outlived the last server and starts what is missing. SIGTERM and SIGINT finish requests and end the instances, a second one ends everything at once; SIGQUIT leaves the instances running for the next start.",
  examples: [
    ["ten serve", "on 127.0.0.1:8080, services at http://api.localhost:8080"],
    ["ten serve --domain example.com --port 80", "on all interfaces, services at http://api.example.com"],
    ["ten serve --admin 127.0.0.1:9090", "the admin API also at an address of its own, with a token"],
  ],
  args: listenArgs("The domain under which services get hosts"),
  ownSignals: true,
  async run(context) {
    const { args, globals, out, program, env } = context;
    const { domain, port } = args;
    const { reach, address: admin } = readAdmin(args.admin);
    const options = {
      env,
      domain,
      // It stays for as long as the server runs, whatever comes to lie beside the file.
      defaultDataDir: defaultDataDir(findConfig(process.cwd(), globals.config), env),
      ...(globals.dataDir !== undefined && { dataDir: resolve(globals.dataDir) }),
    };
    const readConfig = () => loadConfig(process.cwd(), globals.config, options);
    const config = readConfig();
    for (const warning of config.warnings) out.warn(warning);
    const other = forgottenDataDir(config.path, config.settings.dataDir, env);
    if (other !== undefined)
      out.warn(
        `this is a new registry; there is one of the same file in ${other}: --data-dir ${other} goes on with it`,
      );
    const { serve } = await import("../serve.ts");
    const log = createLog(systemClock);
    const opening = serve({
      config,
      readConfig,
      host: listenHost(args.host, domain),
      port,
      domain,
      admin,
      reach,
      version: program.version,
      environment: inheritedEnvironment(),
      clock: systemClock,
      log,
    });
    return serveUntilSignal(opening, context, {
      log,
      ending: (signal) =>
        `finishing requests, ${signal === "SIGQUIT" ? "leaving the instances running" : "ending the instances"}`,
      describe: (server) => [
        `services at http://SERVICE.${domain}:${server.url.port}/`,
        `dashboard at ${server.dashboard}, log in with: ten dashboard`,
        `data in ${config.settings.dataDir}`,
      ],
    });
  },
});
