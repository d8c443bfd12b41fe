// `slum serve`: the registry, the health loop and the domain proxy, until a signal ends them.
import { list, number, option, withDefault } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { parseDomain } from "../../core/domain.ts";
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/name.ts";
import { reexecute } from "../../platform/executable.ts";
import { hasPassword, isPostgresUrl } from "../../platform/storage/postgres-url.ts";
import { createNotifier, type Notifier } from "../../platform/systemd/notify.ts";
import { systemClock } from "../../platform/time/clock.ts";
import { dataDirOf } from "../registry/paths.ts";
import type { Server } from "../serve.ts";
import { isSecretReceiver, parseReceiverUrl } from "../webhooks/post-webhook.ts";

export default command({
  name: "serve",
  summary: "Run the registry, the health loop and the domain proxy",
  description:
    "Sends each tenant's domain to a healthy server. SIGTERM and SIGINT finish requests, a second one ends at once. The admin API answers on the unix socket in the data directory, and with a token on slum's own hosts (IP addresses, localhost, --domain) and at --admin.",
  examples: [
    ["slum serve", "on 127.0.0.1:8080, with the registry in the data directory"],
    [
      "slum serve --domain slum.example.com --port 80",
      "on all interfaces, the admin API at slum.example.com",
    ],
    ["slum serve --webhook https://hooks.example.com/slum", "and tell somebody when servers stay down"],
    [
      "slum serve --db 'postgres://slum@db.example.com/slum?sslmode=verify-full'",
      "one of several slums that share a registry",
    ],
  ],
  args: {
    host: option("Address to listen on; 127.0.0.1 for the domain localhost, else all", { hint: "H" }),
    port: withDefault(number("Port to listen on, 0 for any", { max: 65_535 }), 8080),
    domain: withDefault(
      option("slum's own host, where its admin API answers", {
        hint: "D",
        read: (text: string) => parseDomain(text),
      }),
      "localhost",
    ),
    admin: option("The admin API at an address of its own", { hint: "HOST:PORT", read: readAddress }),
    db: option(
      "The registry: a SQLite file or postgres://...; also SLUM_DB; slum.db in the data directory unless given",
      {
        hint: "DB",
        read: readDatabase,
      },
    ),
    keyFile: option(
      "A key that seals the signing secrets of receivers in the registry; also SLUM_KEY_FILE; one in the data directory for a SQLite file",
      { hint: "FILE" },
    ),
    interval: withDefault(
      number("Seconds between checks of a server", { hint: "S", min: 0.1, max: 86_400, decimals: 3 }),
      30,
    ),
    offlineAfter: withDefault(
      number("Seconds of failed checks until the webhook server.offline", {
        hint: "S",
        min: 1,
        max: 604_800,
        decimals: 3,
      }),
      300,
    ),
    webhook: option("A receiver of webhooks, as webhook add default; also SLUM_WEBHOOK", {
      hint: "URL",
      read: readReceiver,
    }),
    trustedProxies: list("Networks whose peers may say for whom they ask; loopback unless given", {
      hint: "NETWORKS",
    }),
    ca: option("Roots to trust for https servers instead of the system's, in PEM", { hint: "FILE" }),
  },
  ownSignals: true,
  async run({ args, globals, out, env, program }) {
    const { domain, port, admin } = args;
    hideSecrets({ db: args.db, webhook: args.webhook });
    const { serve } = await import("../serve.ts");
    const { createLog } = await import("../../platform/log.ts");
    const journal = createLog(systemClock);
    const dataDir = dataDirOf(globals.dataDir, env);
    const server = await serve({
      dataDir,
      database: args.db ?? (env.SLUM_DB === undefined ? undefined : readDatabase(env.SLUM_DB)),
      keyFile: args.keyFile ?? env.SLUM_KEY_FILE,
      host: args.host ?? (domain === "localhost" ? "127.0.0.1" : "0.0.0.0"),
      port,
      domain,
      admin,
      intervalMs: args.interval * 1000,
      offlineAfterMs: args.offlineAfter * 1000,
      webhook: args.webhook ?? (env.SLUM_WEBHOOK === undefined ? undefined : readReceiver(env.SLUM_WEBHOOK)),
      trustedProxies: args.trustedProxies.length > 0 ? args.trustedProxies : ["127.0.0.0/8", "::1"],
      caFile: args.ca,
      version: program.version,
      clock: systemClock,
      log: journal,
    });
    const manager = createNotifier(env.NOTIFY_SOCKET);
    const ended = untilSignal(server, manager, journal.info);
    out.data(
      { url: server.url.href, socket: server.socket, admin: server.adminUrl ?? null, pid: process.pid },
      () => `serving ${server.url.href}\n  data in ${dataDir}\n`,
    );
    manager.ready();
    return ended;
  },
});

/** The exit code of whatever ends the server: 0 after a clean end, 1 after a second signal. */
function untilSignal(server: Server, manager: Notifier, log: (text: string) => void): Promise<number> {
  return new Promise((resolve) => {
    let ending = false;
    const end = (signal: NodeJS.Signals) => {
      if (ending) {
        log(`${signal} again: ending at once`);
        return resolve(1);
      }
      ending = true;
      manager.stopping();
      log(`${signal}: finishing requests`);
      server.close().then(
        () => resolve(0),
        (thrown) => {
          log(`while ending: ${thrown instanceof Error ? thrown.message : thrown}`);
          resolve(1);
        },
      );
    };
    for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) process.on(signal, end);
  });
}

function readDatabase(text: string): string {
  if (!/^[a-z][a-z0-9+]*:\/\//i.test(text) || isPostgresUrl(text)) return text;
  const scheme = text.slice(0, text.indexOf(":"));
  throw new Fault(
    "usage",
    `there is no ${scheme} registry`,
    "give --db a file, or a URL that begins with postgres://",
  );
}

function readReceiver(text: string): string {
  return parseReceiverUrl(text).href;
}

/** Flags whose values may be nobody else's business, with the variable that says the same. */
export const SECRETS = [
  { name: "db", variable: "SLUM_DB", isSecret: (text: string) => isPostgresUrl(text) && hasPassword(text) },
  { name: "webhook", variable: "SLUM_WEBHOOK", isSecret: isSecretReceiver },
] as const;

/** The words of a process are for everybody on the machine to read, its environment is not. */
function hideSecrets(values: Readonly<Record<(typeof SECRETS)[number]["name"], string | undefined>>): void {
  const words = process.argv.slice(2);
  const hidden: Record<string, string> = {};
  for (const { name, variable, isSecret } of SECRETS) {
    const value = values[name];
    if (value === undefined || !isSecret(value)) continue;
    const at = words.findIndex((word) => word === `--${name}` || word.startsWith(`--${name}=`));
    words.splice(at, words[at] === `--${name}` ? 2 : 1);
    hidden[variable] = value;
  }
  if (Object.keys(hidden).length > 0) reexecute(words, hidden);
}

function readAddress(text: string): { host: string; port: number } {
  const [, host = "", port = ""] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  if (host !== "" && Number(port) <= 65_535)
    return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
  throw new Fault("usage", `--admin is ${quote(text)}`, "write HOST:PORT, for example 127.0.0.1:9090");
}
