// `slum serve`: the registry, the health loop and the domain proxy, until a signal ends them.
import { flag, list, oneOf, option, seconds, type Values, withDefault } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import {
  HTTPS_PORT,
  listenArgs,
  listenHost,
  listenPort,
  readAdmin,
  refuseIdleFlags,
  serveUntilSignal,
} from "../../cli/serve.ts";
import { parseAuthority } from "../../core/certificate-authority.ts";
import { Fault, messageOf } from "../../core/fault.ts";
import { splitWords } from "../../core/shell-words.ts";
import { inheritedEnvironment } from "../../platform/environment.ts";
import { reexecute } from "../../platform/executable.ts";
import { createLog } from "../../platform/log.ts";
import { hasPassword, isPostgresUrl } from "../../platform/storage/postgres-url.ts";
import { hasPassedSockets } from "../../platform/systemd/listen-fds.ts";
import { systemClock } from "../../platform/time/clock.ts";
import { isSecretReceiver, parseReceiverUrl } from "../../webhooks/post-webhook.ts";
import type { HttpsSettings } from "../https.ts";
import { LIMIT_NAMES, readLimits } from "../limits.ts";
import { dataDirOf } from "../registry/paths.ts";
import { bannerLines } from "./banner.ts";

/** How https is served, with `--https`. */
const HTTPS_FLAGS = {
  certificates: list("With --https: files and directories of certificates of your own, watched", {
    hint: "DIR",
  }),
  acme: list(
    "With --https: authorities to ask, in order: letsencrypt (unless given), staging, zerossl, google, an https address, or none",
    { hint: "CA" },
  ),
  acmeEmail: option("Whom they write to", { hint: "EMAIL" }),
  acmeEab: option("Accounts that they want to be bound, one a line: AUTHORITY KEY-ID HMAC-KEY", {
    hint: "FILE",
  }),
  acmeProfile: option("The kind of certificate, where they have several, such as shortlived", {
    hint: "PROFILE",
  }),
  acmePreferredChain: option(
    "The common name of the root that chains are to lead to, where they offer several; the first one otherwise",
    { hint: "NAME" },
  ),
  acmeRoots: option("Roots to trust them by instead of the public ones, in PEM", { hint: "FILE" }),
  acmeDnsCommand: option(
    "Proves wildcard domains of tenants: a command that is called with set or clear, the name of a TXT record, and its value",
    { hint: "COMMAND", read: readCommand },
  ),
  acmeChallenge: list("How names are proved, the best first: http-01 (unless given), tls-alpn-01", {
    hint: "KIND",
  }),
  noHttp2: flag("With --https: HTTP/1.1 only"),
};

export default command({
  name: "serve",
  summary: "Run the registry, the health loop and the domain proxy",
  description:
    "Sends each tenant's domain to a healthy server. SIGTERM and SIGINT finish requests, a second one ends at once; after SIGQUIT it serves until the next start does, 10 s at most. The admin API answers on the unix socket in the data directory, and with a token on slum's own hosts (IP addresses, localhost, --domain) and at --admin.",
  examples: [
    ["slum serve", "on 127.0.0.1:8080, with the registry in the data directory"],
    [
      "slum serve --domain slum.example.com --port 80",
      "on all interfaces, the admin API at slum.example.com",
    ],
    [
      "slum serve --replace",
      "another version takes over from the one that runs, which finishes its requests",
    ],
    [
      "slum serve --domain slum.example.com --https --acme-email ops@example.com",
      "each tenant's domain with a certificate, from the first time that it is asked for",
    ],
    ["slum serve --limits max_client_requests=512,min_read_rate=1000", "other bounds for visitors"],
    ["slum serve --webhook https://hooks.example.com/slum", "and tell somebody when servers stay down"],
    [
      "slum serve --db 'postgres://slum@db.example.com/slum?sslmode=verify-full'",
      "one of several slums that share a registry",
    ],
  ],
  args: {
    ...listenArgs("slum's own host, where its admin API answers"),
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
      seconds("Seconds between checks of a server", { hint: "S", min: 0.1, max: 86_400, decimals: 3 }),
      30,
    ),
    offlineAfter: withDefault(
      seconds("Seconds of failed checks until the webhook server.offline", {
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
    limits: list(`What one visitor and all together may hold, NAME=N: ${LIMIT_NAMES.join(", ")}`, {
      hint: "LIMITS",
    }),
    proxyProtocol: flag(
      "Connections from there may begin with a PROXY header (v1, v2) that says whose they are",
    ),
    ...HTTPS_FLAGS,
    ca: option("Roots to trust for https servers instead of the system's, in PEM", { hint: "FILE" }),
  },
  ownSignals: true,
  async run(context) {
    const { args, globals, env, program } = context;
    refuseIdleFlags(args);
    const { domain, https } = args;
    const port = listenPort(args.port, https !== undefined);
    const { reach, address: admin } = readAdmin(args.admin);
    hideSecrets({ db: args.db, webhook: args.webhook });
    const { serve } = await import("../serve.ts");
    const log = createLog(systemClock);
    const dataDir = dataDirOf(globals.dataDir, env);
    const opening = serve({
      dataDir,
      database: args.db ?? (env.SLUM_DB === undefined ? undefined : readDatabase(env.SLUM_DB)),
      keyFile: args.keyFile ?? env.SLUM_KEY_FILE,
      host: listenHost(args.host, domain),
      port,
      https: https && httpsSettings(args, https === "staging"),
      domain,
      admin,
      reach,
      intervalMs: args.interval * 1000,
      offlineAfterMs: args.offlineAfter * 1000,
      webhook: args.webhook ?? (env.SLUM_WEBHOOK === undefined ? undefined : readReceiver(env.SLUM_WEBHOOK)),
      trustedProxies: orElse(args.trustedProxies, "127.0.0.0/8", "::1"),
      limits: readLimits(args.limits),
      proxyProtocol: args.proxyProtocol,
      caFile: args.ca,
      version: program.version,
      environment: inheritedEnvironment(),
      replace: args.replace,
      clock: systemClock,
      log,
    });
    return serveUntilSignal(opening, context, {
      log,
      ending: (signal) =>
        signal === "SIGQUIT" ? "serving until the next start does, 10 s at most" : "finishing requests",
      describe: (server) => bannerLines({ ...server, domain, dataDir }),
    });
  },
});

function httpsSettings(
  args: Values<typeof HTTPS_FLAGS> & { readonly httpsPort: number | undefined },
  isStaging: boolean,
): HttpsSettings {
  for (const authority of args.acme) if (authority !== "none") parseAuthority(authority);
  return {
    port: args.httpsPort ?? HTTPS_PORT,
    http2: !args.noHttp2,
    certificates: args.certificates,
    acme: {
      authorities: isStaging ? ["staging"] : orElse(args.acme, "letsencrypt"),
      email: args.acmeEmail,
      eabFile: args.acmeEab,
      profile: args.acmeProfile,
      preferredChain: args.acmePreferredChain,
      rootsFile: args.acmeRoots,
      dnsCommand: args.acmeDnsCommand,
      challenges: orElse(args.acmeChallenge, "http-01").map((kind) =>
        oneOf(["http-01", "tls-alpn-01"])(kind, "--acme-challenge"),
      ),
    },
  };
}

const orElse = (given: readonly string[], ...usual: string[]) => (given.length > 0 ? given : usual);

function readCommand(text: string, label: string): readonly string[] {
  try {
    const words = splitWords(text);
    if (words.length > 0) return words;
  } catch (thrown) {
    throw new Fault("usage", `${label}: ${messageOf(thrown)}`, "write the words as for a shell");
  }
  throw new Fault("usage", `${label} is empty`, "give a command, for example /etc/slum/dns.sh");
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
  const [variable] = Object.values(SECRETS).filter(({ variable }) => variable in hidden);
  if (variable === undefined) return;
  // Starting anew closes what was passed.
  if (hasPassedSockets(inheritedEnvironment()))
    throw new Fault(
      "usage",
      `--${variable.name} says a secret, and every user can read the words of a process`,
      `put ${variable.variable} into a file that EnvironmentFile= of the unit names`,
    );
  reexecute(words, hidden);
}
