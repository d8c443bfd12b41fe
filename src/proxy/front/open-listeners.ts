// What both planes listen with: the listener of visitors, and beside it the one for https that hands its connections over.
import { Fault } from "../../core/fault.ts";
import { type AcceptGuard, NO_ACCEPT_GUARD } from "../../platform/net/accept-guard.ts";
import { openFirstBytes } from "../../platform/net/first-bytes.ts";
import type { FrontLimits, HttpsOptions } from "../data-plane.ts";
import type { PooledUpstream } from "../upstream/upstream.ts";
import { DEFAULT_LIMITS } from "./gate.ts";
import { type Https, listenHttps } from "./https.ts";
import type { HttpsRules } from "./https-rules.ts";
import { createListener, type Listener, type ListenerOptions, type Listening } from "./listener.ts";
import { ProxyHeaders } from "./proxy-headers.ts";

/** Where a program is told to listen. */
export interface Where {
  readonly host: string;
  readonly port: number;
  readonly reusePort?: boolean | undefined;
  /** A listening socket that somebody has opened before and goes on owning. */
  readonly listenerFd?: number | undefined;
  readonly https?: HttpsOptions | undefined;
  /** Whether trusted peers may begin a connection with a header that says whose it is. */
  readonly proxyProtocol?: boolean | undefined;
  /** What one visitor and all together may hold; as `DEFAULT_LIMITS` unless given. */
  readonly limits?: Partial<FrontLimits> | undefined;
  readonly guard?: AcceptGuard | undefined;
}

interface Parts
  extends Omit<
    ListenerOptions,
    | "listening"
    | "limits"
    | "guard"
    | "proxyHeaders"
    | "rulesFor"
    | "handle"
    | "closeOthers"
    | "isAwaiting"
    | "onStopAccepting"
  > {
  /** Its idle connections are the first to go when descriptors are short. */
  readonly upstream: PooledUpstream;
  /** How requests are read and answered, with what https asks for where it is served. */
  requests(rules: HttpsRules | undefined): Pick<ListenerOptions, "rulesFor" | "handle">;
}

export interface Listeners {
  readonly listener: Listener;
  /** Undefined where https is not served. */
  readonly https: Https | undefined;
}

/** Listens at once. Throws what either listening throws; nothing of these is open then. */
export function openListeners(where: Where, { requests, upstream, ...parts }: Parts): Listeners {
  const { host, reusePort = false } = where;
  const { clock, notices, isTrusted, onDefect } = parts;
  const firstBytes = openFirstBytes(clock);
  if (where.proxyProtocol && firstBytes === undefined)
    throw new Fault("usage", "the PROXY protocol cannot be read on this system", "leave proxy_protocol out");
  const proxyHeaders =
    where.proxyProtocol && firstBytes ? new ProxyHeaders({ firstBytes, notices, isTrusted }) : undefined;
  const https: Https | undefined =
    where.https &&
    listenHttps(where.https, {
      host,
      reusePort,
      clock,
      firstBytes,
      proxyHeaders,
      listener: () => listener,
      onDefect,
    });
  const listener: Listener = closingOnFailure(https, () =>
    createListener({
      ...parts,
      ...requests(https?.rules),
      limits: { ...DEFAULT_LIMITS, ...where.limits },
      guard: where.guard ?? NO_ACCEPT_GUARD,
      proxyHeaders,
      listening: listeningAt(where),
      closeOthers: (most) => upstream.closeIdle(most),
      isAwaiting: () => https?.isBusy === true,
      onStopAccepting: () => https?.stopAccepting(),
    }),
  );
  return { listener, https };
}

/** What opens after something else has been opened: when it fails, that is closed again. */
export function closingOnFailure<T>(opened: { close(): unknown } | undefined, open: () => T): T {
  try {
    return open();
  } catch (thrown) {
    opened?.close();
    throw thrown;
  }
}

function listeningAt({ host, port, reusePort = false, listenerFd }: Where): Listening {
  return listenerFd === undefined ? { host, port, reusePort } : { host, port, fd: listenerFd };
}
