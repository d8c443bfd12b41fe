// `ten serve`: the supervisor and the proxy, until a signal ends them.
import { resolve } from "node:path";
import { flag } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import {
  configuredListenArgs,
  HTTPS_PORT,
  listenHost,
  listenPort,
  readAdmin,
  refuseIdleFlags,
  serveUntilSignal,
} from "../../cli/serve.ts";
import { inheritedEnvironment } from "../../platform/environment.ts";
import { createLog } from "../../platform/log.ts";
import { systemClock } from "../../platform/time/clock.ts";
import { type Config, findConfig, loadConfig } from "../config/config.ts";
import { defaultDataDir, forgottenDataDir } from "../config/data-dir.ts";

export default command({
  name: "serve",
  summary: "Run the supervisor and the proxy",
  description:
    "Adopts the instances that outlived the last server and starts what is missing. SIGTERM and SIGINT finish requests and end the instances, a second one ends everything at once; SIGQUIT leaves the instances running for the next start, and a worker that serves visitors until then.",
  examples: [
    ["ten serve", "on 127.0.0.1:8080, services at http://api.localhost:8080"],
    [
      "ten serve --domain example.com --port 80",
      "on all addresses, IPv4 and IPv6, services at http://api.example.com",
    ],
    ["ten serve --replace", "another version takes over from the one that runs, which finishes its requests"],
    [
      "ten serve --domain example.com --https",
      "on ports 80 and 443, with certificates that come and stay by themselves",
    ],
    ["ten serve --admin 127.0.0.1:9090", "the admin API also at an address of its own, with a token"],
    ["ten serve --port 8081", "with a flag before what host, port, domain and admin in [settings] say"],
  ],
  args: {
    ...configuredListenArgs("The domain under which services get hosts"),
    serviceUsers: flag(
      "As root: a service without user runs as a user of its own, ten-SERVICE; in units of install",
    ),
  },
  ownSignals: true,
  async run(context) {
    const { args, globals, out, program, env } = context;
    refuseIdleFlags(args);
    const { https } = args;
    const { reach, address: admin } = readAdmin(args.admin);
    const options = {
      env,
      domain: args.domain,
      serviceUsers: args.serviceUsers,
      // It stays for as long as the server runs, whatever comes to lie beside the file.
      defaultDataDir: defaultDataDir(findConfig(process.cwd(), globals.config), env),
      ...(globals.dataDir !== undefined && { dataDir: resolve(globals.dataDir) }),
    };
    const readConfig = () => loadConfig(process.cwd(), globals.config, options);
    const config = readConfig();
    const { domain } = config.settings;
    for (const warning of config.warnings) out.warn(warning);
    if (!https && config.settings.certificates.length > 0)
      out.warn("certificates in [settings] are not served: that takes --https");
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
      host: listenHost(args.host ?? config.settings.host, domain),
      port: listenPort(args.port ?? config.settings.port, https !== undefined),
      https: https && { port: args.httpsPort ?? HTTPS_PORT, isStaging: https === "staging" },
      domain,
      admin,
      reach,
      version: program.version,
      environment: inheritedEnvironment(),
      replace: args.replace,
      clock: systemClock,
      log,
    });
    return serveUntilSignal(opening, context, {
      log,
      ending: (signal) =>
        `finishing requests, ${signal === "SIGQUIT" ? "leaving the instances running" : "ending the instances"}`,
      describe: (server) => [...bannerLines(config, domain, server), ...rootLine(config)],
    });
  },
});

const NAMED_MAX = 4;

/** Where things are, and what to do next. */
function bannerLines(
  { services, settings, path }: Config,
  domain: string,
  {
    url,
    httpsUrl,
    dashboard,
  }: { readonly url: URL; readonly httpsUrl: URL | undefined; readonly dashboard: string },
): string[] {
  const names = [...services.keys()];
  const hosts = names.slice(0, NAMED_MAX).map((name) => `http://${name}.${domain}:${url.port}/`);
  const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : "";
  const [first] = names;
  return [
    `services   ${first === undefined ? "none yet" : hosts.join(" ") + more}`,
    ...(httpsUrl === undefined
      ? []
      : [`https      on port ${httpsUrl.port || 443}; certificates: ten cert list`]),
    `dashboard  ${dashboard}: ten dashboard prints a link that logs in`,
    `config     ${path}`,
    `data in    ${settings.dataDir}`,
    `next       ${first === undefined ? "write [service.NAME] into the file, then: ten reload" : `ten ps; a new version: ten deploy ${first} --version v2`}`,
  ];
}

/** By hand as root apps run as root, which few of them need. */
function rootLine({ services }: Config): string[] {
  if (process.getuid?.() !== 0) return [];
  const names = [...services.values()]
    .filter(({ limits }) => limits.user === undefined)
    .map(({ name }) => name);
  if (names.length === 0) return [];
  const verb = names.length === 1 ? "runs" : "run";
  return [
    `as root    ${names.join(", ")} ${verb} as root: write user = "..." for each, or install it: ten install`,
  ];
}
