// The admin side of a program, opened: its API and dashboard on its own hosts, on the unix socket, and at `--admin`.
import { isIP } from "node:net";
import { Fault } from "../core/fault.ts";
import { unbracketed } from "../core/host.ts";
import { clientAddress } from "../core/trusted-proxies.ts";
import type { Log } from "../platform/log.ts";
import { claimSocket } from "../platform/net/unix-socket.ts";
import type { Clock } from "../platform/time/clock.ts";
import { createAccess, dashboardAt } from "./access.ts";
import type { Acting } from "./acting.ts";
import { createBrowser, type PageFile } from "./browser.ts";
import { type AdminAddress, listenAdmin } from "./listen.ts";
import { type GiveLoginCode, loginCodes } from "./login-link.ts";
import type { Contract, OldNames, Operation, Received } from "./operation.ts";
import type { Principal } from "./principal.ts";
import { type AdminReach, requireReach } from "./reach.ts";
import { createApi, type Handlers } from "./server.ts";
import { createSessions } from "./session.ts";
import { listenSocket, type RefusePeer } from "./socket-listener.ts";
import type { Tokens } from "./tokens.ts";

export interface AdminOptions<C extends Contract> {
  /** The program's name, which is also that of its command, and in its cookies. */
  readonly name: string;
  readonly version: string;
  readonly contract: C;
  readonly oldNames?: OldNames;
  readonly handlers: (loginCode: GiveLoginCode) => Handlers<C>;
  readonly tokens: Tokens;
  readonly acting: Acting;
  /** Throws a Fault when what a request is about is not the caller's. */
  readonly guard?: (principal: Principal, received: Received<Operation>) => void;
  /** Notes what a right token was refused, and bursts of wrong ones. */
  readonly note: (kind: string, detail: string) => void;
  /** What has to come before a change is answered as done. */
  readonly kept?: () => Promise<void>;
  /** Whether the failure of an operation is noted by the operation itself, which knows more of it. */
  readonly isToldOtherwise?: (fault: Fault, operation: string) => boolean;
  readonly files: readonly PageFile[];
  /** The names on which the API answers, besides addresses. */
  readonly ownNames: ReadonlySet<string>;
  /** Who reaches the API on the listener that visitors have too. */
  readonly reach: () => AdminReach;
  /** Whether an address is a proxy that may say for whom it asks. */
  readonly isTrusted: (address: string) => boolean;
  /** Whether a peer may say by a field for whom it asks; nobody may unless given. */
  readonly maySelect?: (address: string) => boolean;
  readonly refusePeer: RefusePeer;
  /** Where the dashboard is, as this machine sees it: what stands in front of the server is not known. */
  readonly dashboard: () => string;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the proxy says of a request for an own host. */
export interface OwnRequest {
  readonly peer: string;
  readonly peerTrusted: boolean;
  readonly isTls: boolean;
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

export function openAdmin<const C extends Contract>(options: AdminOptions<C>): Admin {
  const { name, clock, log, ownNames, note } = options;
  const access = createAccess(name, options.tokens, clock, (address) =>
    note("token.guessed", `many wrong tokens from ${address}`),
  );
  const sessions = createSessions(access, clock, name);
  const api = createApi<C>({
    contract: options.contract,
    oldNames: options.oldNames,
    handlers: options.handlers(loginCodes(sessions.newCode, options.dashboard)),
    access,
    acting: options.acting,
    guard: options.guard,
    browser: createBrowser({
      name,
      files: options.files,
      sessions,
      clock,
      onLogin(principal, { address }) {
        const actor = { principal, from: dashboardAt(address), operation: "login" };
        options.acting.as(actor, () => note("login", "to the dashboard"));
      },
    }),
    product: `${name}/${options.version}`,
    ownHost: (host) => ownNames.has(host) || isIP(unbracketed(host)) > 0,
    onFailed(fault, operation) {
      // What was never understood, or leads nowhere, has not been refused to anybody.
      if (fault.code === "usage" || fault.code === "not_found") return;
      if (options.isToldOtherwise?.(fault, operation)) return;
      note(fault.code === "forbidden" ? "refused" : "failed", `${operation}: ${fault.message}`);
    },
    kept: options.kept,
    onDefect: (error, operation) =>
      log.error(`internal error in ${operation}: ${error instanceof Error ? error.stack : error}`),
    clock,
  });
  return {
    async own(request, { peer, peerTrusted: trusted, isTls }) {
      try {
        requireReach(options.reach(), request, { peer, trusted, isTls, ownNames });
      } catch (thrown) {
        if (!(thrown instanceof Fault)) throw thrown;
        return Response.json(thrown.toJson(), { status: thrown.status });
      }
      const address = clientAddress(peer, request.headers.get("x-forwarded-for"), options.isTrusted);
      const selects = options.maySelect?.(peer) === true;
      return api.fetch(request, { door: "network", address, trusted, selects });
    },
    async listen(socket, address) {
      await using opened = new AsyncDisposableStack();
      opened.use(await claimSocket(socket, clock, (path) => listenSocket(api, path, options.refusePeer)));
      const beside = address && opened.use(listenAdmin(api, address));
      const owned = opened.move();
      return { url: beside?.url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
    },
    endSessions: () => sessions[Symbol.dispose](),
    [Symbol.dispose]() {
      sessions[Symbol.dispose]();
      access[Symbol.dispose]();
    },
  };
}
