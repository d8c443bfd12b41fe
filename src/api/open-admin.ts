// The admin side of a program, opened: its API and dashboard on its own hosts, on the unix socket, and at `--admin`.
import { isIP } from "node:net";
import { unbracketed } from "../core/host.ts";
import type { Log } from "../platform/log.ts";
import { claimSocket } from "../platform/net/unix-socket.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { Access, Limits, Principal } from "./access.ts";
import { createBrowser, type PageFile } from "./browser.ts";
import { type AdminAddress, listenAdmin, listenApi } from "./listen.ts";
import { type GiveLoginCode, loginCodes } from "./login-link.ts";
import type { Contract, OldNames } from "./operation.ts";
import { createApi, type Handlers } from "./server.ts";
import { createSessions } from "./session.ts";

export interface AdminOptions<C extends Contract, P extends Principal> {
  /** The program's name, which is also that of its command, and in its cookies. */
  readonly name: string;
  readonly version: string;
  readonly contract: C;
  readonly oldNames?: OldNames;
  readonly handlers: (loginCode: GiveLoginCode) => Handlers<C, P>;
  readonly access: Access<P>;
  readonly files: readonly PageFile[];
  /** The names on which the API answers, besides addresses. */
  readonly ownNames: ReadonlySet<string>;
  /** Where the dashboard is, as this machine sees it: what stands in front of the server is not known. */
  readonly dashboard: () => string;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the proxy says of a request for an own host. */
export interface OwnRequest extends Limits {
  readonly peer: string;
  readonly peerTrusted: boolean;
}

export interface Admin extends Disposable {
  /** Answers what the proxy was asked under an own host. */
  own(request: Request, info: OwnRequest): Promise<Response>;
  /** Listens on the socket, and at an address of its own where one is wanted. */
  listen(socket: string, address: AdminAddress | undefined): Promise<AdminListeners>;
  /** Logs everybody out: logs that a page follows have no end of their own. */
  endSessions(): void;
}

export interface AdminListeners extends AsyncDisposable {
  /** Of the address of its own. */
  readonly url: string | undefined;
}

export function openAdmin<const C extends Contract, P extends Principal>(options: AdminOptions<C, P>): Admin {
  const { name, access, clock, log, ownNames } = options;
  const sessions = createSessions(access, clock, name);
  const api = createApi<C, P>({
    contract: options.contract,
    ...(options.oldNames && { oldNames: options.oldNames }),
    handlers: options.handlers(loginCodes(sessions.newCode, options.dashboard)),
    authorise: access.authorise,
    browser: createBrowser({ name, files: options.files, sessions }),
    product: `${name}/${options.version}`,
    ownHost: (host) => ownNames.has(host) || isIP(unbracketed(host)) > 0,
    onDefect: (error, operation) =>
      log.error(`internal error in ${operation}: ${error instanceof Error ? error.stack : error}`),
    clock,
  });
  return {
    own: (request, { peer, peerTrusted, ...limits }) =>
      api.fetch(request, { door: "network", address: peer, trusted: peerTrusted }, limits),
    async listen(socket, address) {
      await using opened = new AsyncDisposableStack();
      opened.use(await claimSocket(socket, clock, (path) => listenApi(api, { unix: path })));
      const beside = address && opened.use(listenAdmin(api, address));
      const owned = opened.move();
      return { url: beside?.url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
    },
    endSessions: () => sessions[Symbol.dispose](),
    [Symbol.dispose]: () => sessions[Symbol.dispose](),
  };
}
