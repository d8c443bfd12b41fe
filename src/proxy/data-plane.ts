// The data plane as a program sees it: routes go in, requests are served, numbers come out.
import type { SecureContext } from "node:tls";
import type { Route } from "../core/route.ts";
import type { ShadowCounts } from "../core/shadow/shadow-counts.ts";
import type { AcceptGuard } from "../platform/net/accept-guard.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { FailureKind } from "./http-client.ts";

import type { TargetTraffic } from "./traffic-counters.ts";
import type { TrialCounts } from "./trial-counters.ts";

export interface DataPlane extends AsyncDisposable {
  readonly url: URL;
  /** Undefined where https is not served. */
  readonly httpsUrl?: URL | undefined;
  /**
   * Puts a new set of routes in force and resolves when every worker uses it: requests that start afterwards see it whole.
   * `defaultRoute` names the route that has the own hosts; the program then answers on `adminHost` only.
   */
  publish(routes: readonly Route[], defaultRoute?: string): Promise<void>;
  /**
   * Waits until nothing is in flight to a target, at most `deadlineMs`. Only after a publish in which the target takes nothing
   * new, is missing, or is at another address: then what is in flight to where it was is waited for, and nothing else. Its WebSockets
   * there are told to go (1012), spread over the second half of that time.
   */
  drain(targetId: string, deadlineMs: number): Promise<Drained>;
  /**
   * Every target of the current routes and every other one that still has something in flight. Counted since this process began: what
   * workers had told an earlier one is not in it.
   */
  traffic(): readonly TargetTraffic[];
  /** What the proxy answered itself since it was last taken, by name: see own-counts. */
  takeOwn(): ReadonlyMap<string, number>;
  /** Of these, only those that have something in flight: few, however many targets there are. */
  busy(): readonly TargetTraffic[];
  /** What first tries led to on routes with a trial since it was last taken: for one who judges. */
  takeTrials(): readonly TrialCounts[];
  /** What copies of requests led to on routes with a shadow since it was last taken. */
  takeShadows(): readonly ShadowCounts[];
  /**
   * Refuses those that wait for a target, sends WebSockets away, stops accepting, lets what is in flight finish for at
   * most `deadlineMs`, then cuts the rest. Disposal is `close(0)`.
   */
  close(deadlineMs: number): Promise<void>;
  /**
   * Ends this process's part in it: workers serve on with what they last heard. Where there are none, one is started that does, and
   * what is in flight here goes on for at most `deadlineMs` after this has resolved.
   */
  leave(deadlineMs: number): Promise<Left>;
}

/** What goes on after a plane was left; disposing the plane does not cut it. */
export interface Left {
  readonly finished: Promise<void>;
}

export const NOTHING_LEFT: Left = { finished: Promise.resolve() };

/** `left` requests were still in flight at the deadline; 0 when the target is drained. */
export interface Drained {
  readonly left: number;
}

/** The field names that carry the product; the same table names what apps may not set themselves. */
export interface ProductFields {
  /** On every forwarded answer: the id of the target. */
  readonly target: string;
  /** On an answer that took more than one try: how many. */
  readonly attempts: string;
  /** On an own answer that means that no byte reached a target: `unknown_instance`, `nothing_routable` or `start_failed`. */
  readonly error: string;
  /** On a request: the names of those that it has passed, by which a circle is noticed. */
  readonly passed: string;
  /** On a request: names a route or a target where the host does not. Undefined: no such field is obeyed. */
  readonly selector: string | undefined;
  /** On a copy of a request that nobody waits for; what visitors send under this name is dropped. Undefined: nothing is copied. */
  readonly shadow?: string | undefined;
}

/** Somebody wants a target that does not serve yet. */
export interface Wanted {
  readonly route: string;
  /** The label of the target asked for or picked; undefined when any of the route will do. */
  readonly label: string | undefined;
  /** The visitor's address, as far as it can be trusted. */
  readonly client: string;
}

/** What the program's own hosts are told about a request besides the request itself. */
export interface OwnInfo {
  readonly peer: string;
  readonly peerTrusted: boolean;
  /** Whether it came over TLS that ended with us. */
  readonly isTls: boolean;
}

/** What the plane asks of the program that runs it. None of these may throw. */
export interface ProgramHooks {
  /** Answers a request for one of the own hosts. */
  own(request: Request, info: OwnInfo): Response | Promise<Response>;
  /** A target failed a request in a way that a health check should look into at once. Called for each: coalesce. */
  onTrouble(targetId: string, kind: FailureKind): void;
  /**
   * A request begins to wait. Called for each: one start must serve all. For a target that no table knows (`onDemand`)
   * the request is answered 404 once the returned promise has settled and no publish has brought the target; a rejection makes it 503.
   */
  onWanted(wanted: Wanted): Promise<void> | void;
  /**
   * Something on the wire that an operator may want to know: an answer that is no HTTP, a visitor over a limit. Rarely called.
   * `target`: whose doing it is.
   */
  onNotice?(text: string, target?: string): void;
  /** Something threw that should not have, in the plane or in `own`; the request was answered 500. */
  onDefect?(error: Error): void;
}

export interface FrontLimits {
  /** Requests in flight of one client, 0: no limit. An IPv6 client is its /64. */
  readonly maxClientRequests: number;
  /** Upgraded connections of one client, 0: no limit. */
  readonly maxClientStreams: number;
  /** Connections of one peer, 0: no limit. */
  readonly maxClientConnections: number;
  /** The least that the body of a request may bring, in bytes a second after 5 s, 0: none. */
  readonly minBodyRate: number;
  /** The least that must be taken of what waits for a visitor, in bytes a second over half a minute, 0: none. */
  readonly minReadRate: number;
  /** Bytes of strangers that all connections may hold together; the largest is closed first. */
  readonly heldBytes: number;
}

export interface OwnElsewhere {
  /** The path of its socket. */
  readonly socket: string;
  /** Whether nobody answers there right now. */
  isAway(): boolean;
  away(request: Request, info: OwnInfo): Response | Promise<Response>;
}

/** How a handshake ended: `done`, or why it did not. */
export type HandshakeResult =
  | "done"
  | "unknown_name"
  | "no_name"
  | "failed"
  | "late"
  | "crowded"
  | "plain_http";

/** A chain and its key in PEM. */
export interface ServedPair {
  readonly chain: string;
  readonly key: string;
}

/** All that answers handshakes at a moment, as it is told to listeners in other processes. */
export interface CertificateNews {
  readonly certificates: readonly (ServedPair & { readonly names: readonly string[] })[];
  readonly fallback: ServedPair | undefined;
  /** By name, while an authority validates it by TLS-ALPN-01. */
  readonly challenges: readonly (ServedPair & { readonly name: string })[];
  /** Of the account's key, by which HTTP-01 is answered; undefined where nothing is ordered. */
  readonly thumbprint: string | undefined;
}

/** Where certificates are found. Nothing of it may throw. */
export interface CertificateSource {
  /** For the name in a handshake: at once, later, or never (undefined). A promise never rejects. */
  contextFor(serverName: string): SecureContext | Promise<SecureContext | undefined> | undefined;
  /** For who names no host, or a foreign one. */
  fallback(): ServedPair | undefined;
  /** Whether some name is being validated by TLS-ALPN-01: only then is a handshake looked into before it is answered. */
  readonly hasChallenges: boolean;
  /** The certificate that an authority which validates this name is to see (RFC 8737). */
  challengeFor(serverName: string): SecureContext | undefined;
  /** Whether there is one for a host, so that its visitors can be sent to https. */
  has(host: string): boolean;
  /** Whether the certificate that answers for a server name is good for a host as well. */
  covers(serverName: string, host: string): boolean;
  /** The answer to an authority that asks at this path whether the host is ours. */
  challengeAnswer(path: string): string | undefined;
  /** All of it, for listeners in other processes. */
  news(): Promise<CertificateNews>;
  /** Calls `changed` whenever `news` would be others, and waits for it before an authority is told to look; the answer ends that. */
  follow(changed: () => Promise<void>): () => void;
}

export interface HttpsOptions {
  /** 0 = any free one. */
  readonly port: number;
  readonly certificates: CertificateSource;
  /** Ciphers of TLS 1.2, as OpenSSL lists them. */
  readonly ciphers: string;
  readonly http2: boolean;
  /** A self-signed pair that nobody is shown: a listener cannot be without one. */
  readonly placeholder: ServedPair;
  /** A listening socket that is open already and stays its owner's: instead of listening at the port, which it has. */
  readonly listenerFd?: number;
  onHandshake(result: HandshakeResult, count?: number): void;
}

/** Where requests are told of, one line each, of routes that say so. */
export interface AccessLogOptions {
  /** Undefined: the standard output. */
  readonly path: string | undefined;
  readonly format: "json" | "combined";
  /** Whether queries are told too, but for what may open a door. */
  readonly query: boolean;
}

export interface DataPlaneOptions {
  readonly accessLog?: AccessLogOptions | undefined;
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Serves https too. */
  readonly https?: HttpsOptions | undefined;
  /** Several listeners share the port; without it a second one fails with EADDRINUSE. */
  readonly reusePort?: boolean;
  /** The own host, in canonical form. */
  readonly domain: string;
  /** Whether `{label}.{name}.{domain}` leads to one target. */
  readonly directHosts: boolean;
  /** Where the program answers when a default route has the own hosts. */
  readonly adminHost?: string;
  /** Networks whose peers may say for whom they ask. */
  readonly trustedProxies: readonly string[];
  /** Whether their connections may begin with a PROXY header that says whose they are. */
  readonly proxyProtocol?: boolean;
  /** A private directory, for the socket where `own` is asked; one is made for it unless given. */
  readonly directory?: string;
  /** Where another process answers for the own hosts, and who does while that is away: instead of `hooks.own`. */
  readonly ownElsewhere?: OwnElsewhere;
  /** A listening socket that is open already and stays its owner's: instead of listening at `host` and `port`, which it has. */
  readonly listenerFd?: number;
  /** Told of each visitor, and tells when descriptors are short; none unless given. */
  readonly guard?: AcceptGuard;
  /** What one visitor and all together may hold; as `DEFAULT_LIMITS` unless given. */
  readonly limits?: Partial<FrontLimits>;
  /** Networks whose peers may say by a field for whom they ask; none unless given. */
  readonly selectorFrom?: readonly string[];
  /** Networks whose peers may use hosts of single targets that are not everybody's; none unless given. */
  readonly directFrom?: readonly string[];
  readonly fields: ProductFields;
  readonly hooks: ProgramHooks;
  readonly clock?: Clock;
  /** Where in the period fresh selection counters start: worker i of N at i/N. */
  readonly phase?: number;
  /** Our own name among those that a request has passed, and in `Via`: the same in all workers; a random one unless given. */
  readonly viaName?: string;
}
