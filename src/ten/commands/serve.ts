// `ten serve`: the supervisor and the proxy, until a signal ends them.
import { resolve } from "node:path";
import { number, option, withDefault } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { parseDomain } from "../../core/domain.ts";
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/name.ts";
import { inheritedEnvironment } from "../../platform/environment.ts";
import { createLog, type Log } from "../../platform/log.ts";
import { createNotifier, type Notifier } from "../../platform/systemd/notify.ts";
import { systemClock } from "../../platform/time/clock.ts";
import { loadConfig } from "../config/config.ts";
import type { Server } from "../serve.ts";

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
  args: {
    host: option("Address to listen on; 127.0.0.1 for the domain localhost, else all", { hint: "H" }),
    port: withDefault(number("Port to listen on, 0 for any", { max: 65_535 }), 8080),
    domain: withDefault(
      option("The domain under which services get hosts", {
        hint: "D",
        read: (text: string) => parseDomain(text),
      }),
      "localhost",
    ),
    admin: option("The admin API at an address of its own", { hint: "HOST:PORT", read: readAddress }),
  },
  ownSignals: true,
  async run({ args, globals, out, env, program }) {
    const { domain, port, admin } = args;
    const dataDir = globals.dataDir === undefined ? {} : { dataDir: resolve(globals.dataDir) };
    const readConfig = () => loadConfig(process.cwd(), globals.config, { domain, ...dataDir });
    const config = readConfig();
    for (const warning of config.warnings) out.warn(warning);
    const { serve } = await import("../serve.ts");
    const host = args.host ?? (domain === "localhost" ? "127.0.0.1" : "0.0.0.0");
    const log = createLog(systemClock);
    const opening = serve({
      config,
      readConfig,
      host,
      port,
      domain,
      admin,
      version: program.version,
      environment: inheritedEnvironment(),
      clock: systemClock,
      log,
    });
    const manager = createNotifier(env.NOTIFY_SOCKET);
    const ended = untilSignal(opening, manager, log);
    const server = await Promise.race([opening, ended]);
    if (typeof server === "number") return server;
    out.data(
      { url: server.url.href, socket: server.socket, admin: server.adminUrl ?? null, pid: process.pid },
      () =>
        [
          `serving ${server.url.href}`,
          `  services at http://SERVICE.${domain}:${server.url.port}/`,
          `  dashboard at ${server.dashboard}, log in with: ten dashboard`,
          `  data in ${config.settings.dataDir}`,
          "",
        ].join("\n"),
    );
    await server.settled;
    return ended;
  },
});

/**
 * Tells the service manager how far the server is, and resolves with the exit code of whatever ends it: 0 after a clean end,
 * 1 after a second signal. A first one during the start ends the server when it is open, for what has been started by then
 * must be ended too; a second one does not wait for that.
 */
function untilSignal(opening: Promise<Server>, manager: Notifier, log: Log): Promise<number> {
  return new Promise((resolve) => {
    let ending = false;
    let opened: Server | undefined;
    const end = async (signal: NodeJS.Signals) => {
      const leave = signal === "SIGQUIT";
      log.info(
        `${signal}: finishing requests, ${leave ? "leaving the instances running" : "ending the instances"}`,
      );
      const server = await opening;
      manager.stopping(server.longestEndMs());
      await server.close(leave ? "leave" : "end");
    };
    const onSignal = (signal: NodeJS.Signals) => {
      if (ending) {
        log.warn(`${signal} again: ending everything at once`);
        Promise.resolve(opened?.kill()).finally(() => resolve(1));
        return;
      }
      ending = true;
      end(signal).then(
        () => resolve(0),
        (thrown) => {
          log.error(`while ending: ${thrown instanceof Error ? thrown.message : thrown}`);
          resolve(1);
        },
      );
    };
    const reload = async (server: Server) => {
      manager.reloading();
      await server.reload();
      if (!ending) manager.ready();
    };
    opening.then(
      (server) => {
        opened = server;
        if (!ending) manager.ready();
      },
      () => {},
    );
    process.on("SIGHUP", () => void opening.then(reload, () => {}));
    for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) process.on(signal, onSignal);
  });
}

function readAddress(text: string): { host: string; port: number } {
  const [, host = "", port = ""] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  if (host !== "" && Number(port) <= 65_535)
    return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
  throw new Fault("usage", `--admin is ${quote(text)}`, "write HOST:PORT, for example 127.0.0.1:9090");
}
