// What the `serve` commands have in common: where to listen, what the service manager is told, and the wait for the signal that ends it all.
import { networkInterfaces } from "node:os";
import { isLoopbackDomain, parseDomain } from "../core/domain.ts";
import { Fault, messageOf } from "../core/fault.ts";
import { unbracketed } from "../core/host.ts";
import { quote } from "../core/quote.ts";
import type { Environment } from "../platform/environment.ts";
import type { Log } from "../platform/log.ts";
import { reapOrphans } from "../platform/process/orphans.ts";
import { createNotifier, watchdogMs } from "../platform/systemd/notify.ts";
import { type Clock, systemClock } from "../platform/time/clock.ts";
import { type Arg, flag, flagOr, list, number, option, withDefault } from "./argument.ts";
import { type Context, labelOf } from "./command.ts";

interface Address {
  readonly host: string;
  readonly port: number;
}

const REACHES = ["socket", "loopback", "public"] as const;

/** Who reaches the admin side on the visitors' listener, and an address of its own for it; undefined: not said. */
export interface AdminPlace {
  readonly reach: (typeof REACHES)[number] | undefined;
  readonly address: Address | undefined;
}

/** What `--admin` says, once or for both. */
export function readAdmin(texts: readonly string[]): AdminPlace {
  let place: AdminPlace = { reach: undefined, address: undefined };
  for (const text of texts) {
    const reach = REACHES.find((one) => one === text);
    place = reach === undefined ? { ...place, address: readAddress(text) } : { ...place, reach };
  }
  return place;
}

function readAddress(text: string): Address {
  const [, host = "", port = ""] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  if (host !== "" && Number(port) <= 65_535) return { host: unbracketed(host), port: Number(port) };
  throw new Fault(
    "usage",
    `--admin is ${quote(text)}`,
    "write HOST:PORT, for example 127.0.0.1:9090, or who reaches it: socket, loopback, public",
  );
}

/** The arguments; `domain` is what the domain is for. */
export function listenArgs(domain: string) {
  return {
    host: option("Address to listen on; 127.0.0.1 for localhost and domains under it, else all", {
      hint: "H",
    }),
    port: number("Port to listen on, 0 for any; 8080 unless given, 80 with --https", { max: 65_535 }),
    https: flagOr(
      "Serve https too, with certificates that are ordered and renewed by themselves; --https=staging orders test certificates, to try it out",
      ["staging"],
    ),
    httpsPort: number("With --https: the port of https, 0 for any; 443 unless given", { max: 65_535 }),
    domain: withDefault(
      option(domain, { hint: "D", read: (text: string) => parseDomain(text) }),
      "localhost",
    ),
    admin: list(
      "Who reaches the admin API besides the socket's owner: socket (nobody), loopback or public; HOST:PORT opens it at an address of its own",
      { hint: "WHO|HOST:PORT" },
    ),
    replace: flag("Take the place of the server that runs on the data directory, without a gap"),
  } satisfies Record<string, Arg<unknown>>;
}

const HTTP_PORT = 80;
/** Where https is served unless another is said. */
export const HTTPS_PORT = 443;
const USUAL_PORT = 8080;

/** Where plain http is served. */
export function listenPort(port: number | undefined, https: boolean): number {
  return port ?? (https ? HTTP_PORT : USUAL_PORT);
}

/** Flags that say how https is served. */
const OF_HTTPS = /^(?:httpsPort|certificates|acme\w*|noHttp2)$/;
const isGiven = (value: unknown) =>
  Array.isArray(value) ? value.length > 0 : Boolean(value ?? false) || value === 0;

/** Refuses those of the flags that would do nothing: without --https none of them does. */
export function refuseIdleFlags(args: Readonly<Record<string, unknown>>): void {
  if (isGiven(args.https)) return;
  const idle = Object.entries(args).find(([name, value]) => OF_HTTPS.test(name) && isGiven(value));
  if (idle === undefined) return;
  const label = labelOf(idle[0], { type: "string" });
  throw new Fault(
    "usage",
    `${label} says how https is served, and it is not`,
    "add --https, or leave it out",
  );
}

/** The same where a configuration says what flags leave out. */
export function configuredListenArgs(domain: string) {
  const { host, port, ...more } = listenArgs(domain);
  return {
    ...more,
    host: { ...host, description: `${host.description}; before host in [settings]` },
    port: { ...port, description: `${port.description}; before port in [settings]` },
    domain: option(`${domain}; domain in [settings], localhost, unless given`, {
      hint: "D",
      read: (text: string) => parseDomain(text),
    }),
  } satisfies Record<string, Arg<unknown>>;
}

/** `localhost` and what is below it are for this machine alone; all other domains for every address of it. */
export function listenHost(host: string | undefined, domain: string): string {
  return host ?? (isLoopbackDomain(domain) ? "127.0.0.1" : allAddresses());
}

/** A socket on `::` takes IPv4 as well; where the system has no IPv6, there is none. */
function allAddresses(): string {
  const interfaces = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  return interfaces.some(({ family }) => family === "IPv6") ? "::" : "0.0.0.0";
}

/** What the servers of both programs are told. */
export interface CommonServeOptions {
  readonly host: string;
  readonly port: number;
  readonly domain: string;
  readonly admin: AdminPlace["address"];
  /** Who reaches the admin side on the visitors' listener; as usual or configured unless given. */
  readonly reach: AdminPlace["reach"];
  readonly version: string;
  readonly environment: Environment;
  /** Has a server that runs on the data directory leave, and takes its place. */
  readonly replace?: boolean;
  readonly clock: Clock;
  /** For the operator: what went wrong, and what signals led to. */
  readonly log: Log;
}

/** A server as the signals see it. */
export interface Served {
  readonly url: URL;
  /** Undefined where https is not served. */
  readonly httpsUrl?: URL | undefined;
  readonly socket: string;
  readonly adminUrl: string | undefined;
  /** Stops accepting, lets requests finish, then closes everything. */
  close(signal: NodeJS.Signals): Promise<void>;
  /** Ends at once what would outlive this process. */
  kill?(): Promise<void>;
  /** Reads the configuration again; without it SIGHUP is an end. */
  reload?(): Promise<void>;
  /** How long `close` may take. */
  longestEndMs?(): number;
  /** Resolves when all that the start began is under way. */
  readonly settled?: Promise<void>;
}

/**
 * Says where the server is once it is open, and resolves with the exit code of whatever ends it: 0 after a clean end, 1 after
 * a second signal. A first one during the start ends the server when it is open, for what has been started by then must be
 * ended too; a second one does not wait for that. `describe` is what people are told, `ending` what a signal leads to.
 */
export async function serveUntilSignal<S extends Served>(
  opening: Promise<S>,
  { out, env }: Context,
  {
    log,
    describe,
    ending,
  }: {
    readonly log: Log;
    describe(server: S): readonly string[];
    ending(signal: NodeJS.Signals): string;
  },
): Promise<number> {
  const manager = createNotifier(env.NOTIFY_SOCKET);
  const watchdog = watchdogMs(env.WATCHDOG_USEC, env.WATCHDOG_PID);
  if (watchdog !== undefined) systemClock.every(watchdog, manager.alive);
  using _ = reapOrphans(systemClock);
  const ended = untilSignal(opening, manager, log, ending);
  const server = await Promise.race([opening, ended]);
  if (typeof server === "number") return server;
  const { url, httpsUrl, socket, adminUrl: admin = null } = server;
  const https = httpsUrl?.href ?? null;
  out.data({ url: url.href, https, socket, admin, pid: process.pid }, () =>
    [`serving ${url.href}`, ...describe(server).map((line) => `  ${line}`), ""].join("\n"),
  );
  await server.settled;
  return await ended;
}

function untilSignal(
  opening: Promise<Served>,
  manager: ReturnType<typeof createNotifier>,
  log: Log,
  ending: (signal: NodeJS.Signals) => string,
): Promise<number> {
  return new Promise((resolve) => {
    let isEnding = false;
    let opened: Served | undefined;
    const end = async (signal: NodeJS.Signals) => {
      log.info(`${signal}: ${ending(signal)}`);
      const server = await opening;
      manager.stopping(server.longestEndMs?.());
      await server.close(signal);
    };
    const onSignal = (signal: NodeJS.Signals) => {
      if (isEnding) {
        log.warn(`${signal} again: ending everything at once`);
        Promise.resolve(opened?.kill?.()).finally(() => resolve(1));
        return;
      }
      isEnding = true;
      end(signal).then(
        () => resolve(0),
        (thrown) => {
          log.error(`while ending: ${messageOf(thrown)}`);
          resolve(1);
        },
      );
    };
    const hangUp = async (server: Served) => {
      if (!server.reload) return onSignal("SIGHUP");
      manager.reloading();
      await server.reload();
      if (!isEnding) manager.ready();
    };
    opening.then(
      (server) => {
        opened = server;
        if (!isEnding) manager.ready();
      },
      () => {},
    );
    process.on("SIGHUP", () => void opening.then(hangUp, () => {}));
    process.on("SIGUSR1", () => log.reopen());
    process.on("SIGUSR2", () => {});
    for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) process.on(signal, onSignal);
  });
}
