// The data plane of a program that sends whole domains to servers elsewhere: one listener, and no table to publish.
import type { RequestHead } from "../../core/http1/request-head.ts";
import { RequestRules } from "../../core/http1/request-rules.ts";
import type { Route } from "../../core/route.ts";
import { createTrust } from "../../core/trusted-proxies.ts";
import type { AcceptGuard } from "../../platform/net/accept-guard.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { type AnswerName, ownAnswer, serverOptions } from "../answers.ts";
import type { Drained, FrontLimits, HttpsOptions, OwnInfo, ProductFields } from "../data-plane.ts";
import { createInFlight } from "../forward/in-flight.ts";
import type { RequestState } from "../forward/request-state.ts";
import { createTries, sendAway } from "../forward/tries.ts";
import type { ClientConnection } from "../front/client-connection.ts";
import { createDress, hostOf, isCounted, isSecure, remembered, visitorOf } from "../front/handler.ts";
import type { HttpsRules } from "../front/https-rules.ts";
import { garbageNotice, Notices } from "../front/notices.ts";
import { closingOnFailure, openListeners } from "../front/open-listeners.ts";
import { OwnHosts, openPrivateDoor } from "../front/own-hosts.ts";
import type { Origin } from "../http-client.ts";
import { OwnCounts, ownCountName } from "../own-counts.ts";
import type { TargetTraffic } from "../traffic-counters.ts";
import type { PooledUpstream } from "../upstream/upstream.ts";
import { type Candidates, Failover, type FailoverHooks, FailoverState } from "./failover.ts";

/** Whose a host is: that of servers, the program's own, or nobody's. */
export type HostOwner = Candidates | "own" | "unknown" | "bad_host";

export interface FailoverPlaneOptions {
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Serves https too. */
  readonly https?: HttpsOptions | undefined;
  readonly trustedProxies: readonly string[];
  /** Whether their connections may begin with a PROXY header that says whose they are. */
  readonly proxyProtocol?: boolean;
  readonly fields: ProductFields;
  /** The field of an answer, in lower case, by which a server says that no byte reached an app. */
  readonly refusalField: string;
  /** Fields that only stops set, in lower case: a visitor's own are dropped. */
  readonly overwritten: ReadonlySet<string>;
  /** From the last byte of a request to the first of its answer, and the longest silence of a body; 0 = none. */
  readonly requestTimeoutMs: number;
  readonly streamIdleTimeoutMs: number;
  readonly clock: Clock;
  /** A listening socket that is open already and stays its owner's: instead of listening at `host` and `port`, which it has. */
  readonly listenerFd?: number;
  /** What one visitor and all together may hold; as `DEFAULT_LIMITS` unless given. */
  readonly limits?: Partial<FrontLimits>;
  /** Told of each visitor, and tells when descriptors are short; none unless given. */
  readonly guard?: AcceptGuard;
  /** A private directory, for the socket where `own` is asked; one is made for it unless given. */
  readonly directory?: string;
  readonly hooks: FailoverHooks & {
    /** Decides by the Host header as it came; costs the same however many hosts there are. */
    find(host: string | undefined): HostOwner;
    /** Answers a request for one of the own hosts. */
    own(request: Request, info: OwnInfo): Response | Promise<Response>;
    /** Something on the wire that an operator may want to know. Rarely called. `target`: whose doing it is. */
    onNotice?(text: string, target?: string): void;
    /** Something threw that should not have. */
    onDefect?(error: Error): void;
  };
}

export interface FailoverPlane extends AsyncDisposable {
  readonly url: URL;
  /** Undefined where https is not served. */
  readonly httpsUrl: URL | undefined;
  traffic(): readonly TargetTraffic[];
  /** What it has answered itself since it was last taken, in the place of servers, by name: see own-counts. */
  takeOwn(): ReadonlyMap<string, number>;
  /** Servers that are no more lose their idle connections and their counters. */
  retain(origins: ReadonlyMap<string, Origin>): void;
  /** What waits for this server's answer and may be repeated goes elsewhere at once. */
  cut(targetId: string): void;
  /** Waits until nothing is in flight to a server, at most `deadlineMs`; its WebSockets are told to go meanwhile. */
  drain(targetId: string, deadlineMs: number): Promise<Drained>;
  /** Stops accepting, lets what is in flight finish for at most `deadlineMs`, then cuts the rest. Disposal is `close(0)`. */
  close(deadlineMs: number): Promise<void>;
}

/** Of the own hosts: what machines ask that know no https. */
const OPEN_BY_HTTP: ReadonlySet<string> = new Set(["/health", "/internal/tls-check"]);

/** Listens at once. Owns and disposes the upstream client. Throws what listening throws. */
export function createFailoverPlane(options: FailoverPlaneOptions, upstream: PooledUpstream): FailoverPlane {
  const { clock, fields, hooks } = options;
  const isTrusted = remembered(createTrust(options.trustedProxies));
  const inFlight = createInFlight(clock);
  const notices = new Notices(clock, (text, target) => hooks.onNotice?.(text, target));
  const onGarbage = (id: string, why: string) => notices.tell(`garbage ${id}`, garbageNotice(id, why), id);
  const tries = createTries({ clock, upstream, hooks, fields, marker: options.refusalField, onGarbage });
  const onDefect = (error: Error) => hooks.onDefect?.(error);
  const counts = new OwnCounts();
  const failover = new Failover({ inFlight, clock, hooks, fields, tries, own: counts, notices, onDefect });
  const viaName = `proxy-${crypto.randomUUID().slice(0, 13)}`;
  const dress = createDress({ viaName, passed: fields.passed, isRelay: true });
  const route = routeOf(options);
  const overwritten = [...options.overwritten];
  const passed = fields.passed.toLowerCase();
  const forStrangers = new RequestRules({ passed, overwritten, claims: "none" });
  const forTrusted = new RequestRules({ passed, overwritten, claims: "ours" });
  const door = openPrivateDoor(options.directory, { own: hooks.own, onDefect });
  const own = new OwnHosts({ tries, clock, socket: door.socket });
  const { listener, https } = closingOnFailure(door, () =>
    openListeners(options, {
      upstream,
      clock,
      notices,
      isTrusted,
      onDefect,
      requests: () => ({
        rulesFor: ({ peerTrusted }) => (peerTrusted ? forTrusted : forStrangers),
        handle,
      }),
    }),
  );

  /** `whose`: the tenant's that its host is. */
  function refuse(client: ClientConnection, head: RequestHead, name: AnswerName, whose = ""): undefined {
    counts.add(ownCountName(whose, name, false));
    client.answer(ownAnswer(name, head.field("accept"), fields.error), "");
  }

  function handle(client: ClientConnection, head: RequestHead): RequestState | undefined {
    const { method } = head;
    if (method === "CONNECT" || method === "TRACE") return refuse(client, head, "method");
    const host = hostOf(client, head);
    if (head.isForServer) {
      client.answer(serverOptions, "");
      return undefined;
    }
    const found = hooks.find(host);
    if (found === "unknown") return refuse(client, head, "unknown_host");
    if (found === "bad_host") return refuse(client, head, "bad_host");
    const byHttps = https && answerOf(https.rules, client, head, host, found === "own");
    if (byHttps !== undefined) {
      client.answer(byHttps, "");
      return undefined;
    }
    return found === "own" ? toOwn(client, head) : toServers(client, head, host, found);
  }

  function toOwn(client: ClientConnection, head: RequestHead): RequestState | undefined {
    // What has passed here once is not for us: a server of ours leads here.
    if (head.text(passed, head.passed)?.includes(viaName)) return refuse(client, head, "loop");
    return own.take(client, head);
  }

  function toServers(client: ClientConnection, head: RequestHead, host: string, found: Candidates) {
    const visitor = visitorOf(client, head, isTrusted);
    if (!isCounted(client, head, visitor, isTrusted))
      return refuse(client, head, "too_many_requests", found.name);
    const facts = dress(client, head, host, visitor, failover, false);
    return facts === undefined
      ? refuse(client, head, "loop", found.name)
      : new FailoverState(client, head, facts, route, found);
  }

  /** What is answered because https is served. */
  function answerOf(
    rules: HttpsRules,
    client: ClientConnection,
    head: RequestHead,
    host: string,
    isOwn: boolean,
  ) {
    const toAuthority = rules.challenge(head);
    if (toAuthority !== undefined) return toAuthority;
    if (rules.isMisdirected(client, host)) {
      counts.add(ownCountName("", "misdirected", false));
      return ownAnswer("misdirected", head.field("accept"), fields.error);
    }
    if (isSecure(client, head) || (isOwn && OPEN_BY_HTTP.has(head.path.split("?", 1)[0] ?? "")))
      return undefined;
    return rules.redirect(head, host);
  }

  async function close(deadlineMs: number): Promise<void> {
    void sendAway(tries, undefined, deadlineMs);
    await listener.close(deadlineMs);
    await https?.close();
    failover[Symbol.dispose]();
    await upstream[Symbol.asyncDispose]();
    await door.close();
  }

  return {
    url: listener.url,
    httpsUrl: https?.url,
    traffic: () => Array.from(inFlight.all(), (load) => load.traffic()),
    takeOwn: () => counts.take(),
    retain(origins) {
      const ids = new Set(origins.keys());
      // Servers have no address that changes: their drain waits for all that is in flight.
      inFlight.retain(new Map(Array.from(ids, (id) => [id, undefined])));
      failover.retain(ids);
      upstream.retain([...origins.values()]);
    },
    cut: (targetId) => failover.cut(targetId),
    async drain(targetId, deadlineMs) {
      void sendAway(tries, targetId, deadlineMs);
      return { left: await inFlight.of(targetId).drained(deadlineMs) };
    },
    close,
    [Symbol.asyncDispose]: () => close(0),
  };
}

/** How long things may take is all that failover needs of a route. */
function routeOf({ requestTimeoutMs, streamIdleTimeoutMs }: FailoverPlaneOptions): Route {
  const policy = {
    direct: "off",
    requestTimeoutMs,
    streamIdleTimeoutMs,
    waitMs: 0,
    maxBodyBytes: 0,
  } as const;
  return { name: "relay", hosts: [], targets: [], epoch: 0, policy };
}
