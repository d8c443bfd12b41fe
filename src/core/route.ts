// Routes: what a proxy is told about the world, as plain data that a program derives from its state.

/** Weights are integer hundredths of a percent point: 10 % is 1000, the most is 10000. */
export type Hundredths = number;

/** Where a target listens. `tls` names it for SNI and verification, empty when the host is an address; `ca` replaces the system's roots. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly tls?: { readonly serverName: string; readonly ca?: string };
  /** The process that has to live for it to be this target: when it is gone, the port may be anybody's. */
  readonly holder?: { readonly pid: number; readonly startTime: string };
}

/**
 * What a target can do for a request right now:
 * `ready` serves; `unsure` failed its health checks and is used only when no weighted target is ready (fail open);
 * `asleep` sleeps or is being woken, keeps its part of the split, and requests picked for it wait for it;
 * `coming` is starting or due to restart, and is worth waiting for when nothing else serves; `out` gets nothing.
 */
export type Readiness = "ready" | "unsure" | "asleep" | "coming" | "out";

export interface Target {
  /** What is shown and counted, `api:v2`. */
  readonly id: string;
  /** The last part of the id, `v2`: how a direct host names it. */
  readonly label: string;
  /**
   * What it runs; its label unless given. Visitors are kept on a version. Where only some targets of one serve, they have
   * the weight of the others too.
   */
  readonly version?: string;
  readonly address: Address;
  readonly weight: Hundredths;
  readonly readiness: Readiness;
  readonly probe?: Probe | undefined;
}

/** An `unsure` target gets one request by weight for each new number: to see whether it answers again. */
export interface Probe {
  readonly number: number;
  /** Of several workers the one whose phase this is lets it through. */
  readonly phase: number;
}

/**
 * Who may name one target by its own host, past the weights: everybody, peers that are trusted, nobody; `preview`: what
 * takes traffic is open, and what has no weight beside others that have some only to peers of our own and to who has a link.
 */
export type Direct = "open" | "preview" | "trusted" | "off";

/** Who has this link is sent to one target, past the weights. */
export interface Link {
  /** The SHA-256 of what the link carries, in hex. */
  readonly hash: string;
  readonly label: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** With whose pages a cookie goes (RFC 6265bis section 5.6.7). */
export type SameSite = "lax" | "strict" | "none";

/** How requests of one route are treated; times in milliseconds, 0 = no limit. */
export interface RoutePolicy {
  readonly direct: Direct;
  readonly requestTimeoutMs: number;
  readonly streamIdleTimeoutMs: number;
  /** How long a request waits for a target that is coming. */
  readonly waitMs: number;
  /** 0 = no limit. */
  readonly maxBodyBytes: number;
  /** A request that names an unknown target may bring it to life: the program is asked, the request waits. */
  readonly onDemand?: boolean;
  /** The name of the cookie that keeps a visitor on the version it saw; undefined: none does. */
  readonly sticky?: string | undefined;
  /** Trusted peers who ask for this path for themselves watch targets that may sleep: that is no use of them, and wakes none. */
  readonly checkPath?: string | undefined;
  /** Whether who comes by http is sent to https, where there is a certificate. */
  readonly redirect?: boolean | undefined;
  /** The value of Strict-Transport-Security on answers over https; undefined: none is set. */
  readonly hsts?: string | undefined;
  /** Of that cookie; `lax` unless given. */
  readonly stickySameSite?: SameSite | undefined;
  /** Whether targets are told of the proxies on the way (Via); what of it came with a request goes on in any case. */
  readonly via?: boolean | undefined;
  /** Which requests are told in the access log: a part of them (1: all), or those that fail; undefined: none. */
  readonly accessLog?: number | "errors" | undefined;
  /** Whether requests that bring no valid traceparent get one. */
  readonly trace?: boolean | undefined;
  /** The operator's own page (HTML) for 502, 503 and 504 that the proxy answers itself. */
  readonly errorPage?: string | undefined;
}

export interface Maintenance {
  /** The path that targets answer all the same: others watch their health by it. */
  readonly openPath: string | undefined;
}

/** A version is judged beside another: turns come in random order, and first tries are counted by themselves. */
export interface Trial {
  /** Names the split of the traffic, the same for the same weights: what one split led to is counted apart from others. */
  readonly split: string;
  readonly rescue?: Rescue | undefined;
}

/** What one of `from` fails, one of `to` answers in its place; both are labels. */
export interface Rescue {
  readonly from: readonly string[];
  readonly to: readonly string[];
  /** Also a 500, which apps answer for reasons of a request as well. */
  readonly on500: boolean;
}

/** Some requests are copied, once their visitors have their answers: one copy to each of two versions. */
export interface Shadow {
  /** Names the run of copies: what one led to is counted apart from others. */
  readonly run: string;
  /** Labels of the version that takes traffic, and of the one that is looked at. */
  readonly from: readonly string[];
  readonly to: readonly string[];
  /** How many of the requests, 0 to 1. */
  readonly sample: number;
  /** Whether copies have the visitor's Cookie and Authorization. */
  readonly withCookies: boolean;
}

/** One service's traffic: its hosts, its targets, and how their shares are counted. */
export interface Route {
  readonly name: string;
  /** Hosts in canonical form (lower case, no port, no final dot) that are the whole route's; `*.x` covers one label. */
  readonly hosts: readonly string[];
  readonly targets: readonly Target[];
  /** Changes when a command sets weights: selection counters then start anew. */
  readonly epoch: number;
  /** Visitors are sent away; direct hosts still reach targets. */
  readonly maintenance?: Maintenance | undefined;
  readonly trial?: Trial | undefined;
  readonly shadow?: Shadow | undefined;
  /** Undefined: there are none. */
  readonly links?: readonly Link[] | undefined;
  readonly policy: RoutePolicy;
}
