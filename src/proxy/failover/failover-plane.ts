// The data plane of a program that sends whole domains to servers elsewhere: one listener, and no table to publish.
import { type Field, readFields, requestFields } from "../../core/forwarding-headers.ts";
import type { Route } from "../../core/route.ts";
import { createTrust } from "../../core/trusted-proxies.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { type AnswerName, ownAnswer } from "../answers.ts";
import type { Drained, OwnInfo, ProductFields } from "../data-plane.ts";
import { RequestState } from "../forward/choose-target.ts";
import { createHttpTransport } from "../forward/http-transport.ts";
import { createInFlight } from "../forward/in-flight.ts";
import { hasLostBody } from "../forward/request-body.ts";
import { createUpgrades, isUpgrade } from "../forward/websocket.ts";
import { pathOf, remembered } from "../front/handler.ts";
import { createListener, type Listener } from "../front/listener.ts";
import { createRequestIds } from "../front/request-id.ts";
import type { Origin, Upstream } from "../http-client.ts";
import type { TargetTraffic } from "../traffic-counters.ts";
import {
  createFailover,
  type FailoverHooks,
  type FailoverRequest,
  type FailoverTransport,
} from "./failover.ts";

/** Whose a host is: a journey's, the program's own, or nobody's. */
export type Candidates = FailoverRequest | "own" | "unknown" | "bad_host";

export interface FailoverPlaneOptions {
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  readonly trustedProxies: readonly string[];
  readonly fields: ProductFields;
  /** The field of an answer, in lower case, by which a server says that no byte reached an app. */
  readonly refusalField: string;
  /** Fields that only stops set, in lower case: a visitor's own are dropped. */
  readonly overwritten: ReadonlySet<string>;
  /** From the last byte of a request to the first of its answer, and the longest silence of a body; 0 = none. */
  readonly requestTimeoutMs: number;
  readonly streamIdleTimeoutMs: number;
  readonly clock: Clock;
  readonly hooks: FailoverHooks & {
    /** Decides by the Host header as it came; costs the same however many hosts there are. */
    find(host: string | undefined): Candidates;
    /** Answers a request for one of the own hosts. */
    own(request: Request, info: OwnInfo): Response | Promise<Response>;
  };
}

export interface FailoverPlane extends AsyncDisposable {
  readonly url: URL;
  traffic(): readonly TargetTraffic[];
  /** Servers that are no more lose their idle connections and their counters. */
  retain(origins: ReadonlyMap<string, Origin>): void;
  /** What waits for this server's answer and may be repeated goes elsewhere at once. */
  cut(targetId: string): void;
  /** Waits until nothing is in flight to a server, at most `deadlineMs`; its WebSockets are told to go meanwhile. */
  drain(targetId: string, deadlineMs: number): Promise<Drained>;
  /** Stops accepting, lets what is in flight finish for at most `deadlineMs`, then cuts the rest. Disposal is `close(0)`. */
  close(deadlineMs: number): Promise<void>;
}

/** Listens at once. Owns and disposes the upstream client. Throws what listening throws. */
export function createFailoverPlane(options: FailoverPlaneOptions, upstream: Upstream): FailoverPlane {
  const { clock, fields, hooks, overwritten } = options;
  const isTrusted = remembered(createTrust(options.trustedProxies));
  const inFlight = createInFlight(clock);
  const endsConnection = ({ said }: RequestState) => listener.endsConnection(said.connection);
  const setIdleLimit = (request: Request, isLimited: boolean) => listener.setIdleLimit(request, isLimited);
  const http: FailoverTransport = createHttpTransport({
    clock,
    upstream,
    fields,
    hooks,
    endsConnection,
    setIdleLimit,
  });
  const upgrades = createUpgrades({
    clock,
    fields,
    hooks,
    upgrade: (request, tunnel, headers) => listener.upgrade(request, tunnel, headers),
  });
  const relay = createFailover({ ...options, inFlight, endsConnection, setIdleLimit });
  const newId = createRequestIds();
  const viaName = `proxy-${crypto.randomUUID().slice(0, 13)}`;
  const route = routeOf(options);
  const listener = createListener({
    ...options,
    reusePort: false,
    handle,
    onError: () => refuse("internal"),
  });

  function refuse(name: AnswerName, request?: Request): Response {
    return ownAnswer(name, request?.headers.get("accept") ?? null, fields.error);
  }

  function handle(request: Request, { addressOf }: Listener): Response | Promise<Response | undefined> {
    const { method } = request;
    if (method === "CONNECT" || method === "TRACE") return refuse("method", request);
    const said = readFields(request.headers, undefined);
    const found = hooks.find(said.host);
    const peer = addressOf(request);
    const peerTrusted = isTrusted(peer);
    // What has been relayed once is not for us: a server of ours leads here.
    if (found === "own" && said.via?.includes(viaName)) return refuse("loop", request);
    if (found === "own")
      return hooks.own(request, {
        peer,
        peerTrusted,
        holdOpen: () => setIdleLimit(request, false),
        letIdle: () => setIdleLimit(request, true),
      });
    if (found === "unknown") return refuse("unknown_host", request);
    if (found === "bad_host") return refuse("bad_host", request);
    if (hasLostBody(method, said)) return refuse("unread_body", request);
    const base = requestFields(said, { peer, peerTrusted, scheme: "http", viaName, newId });
    if (base === undefined) return refuse("loop", request);
    const path = pathOf(request.url);
    const visit = new RequestState(request, method, path, said, NO_FIELDS, peer, route, undefined);
    const kept = base.filter(([name]) => name !== "x-forwarded-host" && !overwritten.has(name));
    // Every stop has a Host of its own: only this says which one the visitor asked for.
    kept.push(["x-forwarded-host", said.host ?? ""]);
    return relay.relay(visit, found, kept, isUpgrade(visit) ? upgrades.carrier : http);
  }

  async function close(deadlineMs: number): Promise<void> {
    void upgrades.sendAway(undefined, deadlineMs / 2);
    await listener.close(deadlineMs);
    relay[Symbol.dispose]();
    await upstream[Symbol.asyncDispose]();
  }

  return {
    url: listener.url,
    traffic: () => Array.from(inFlight.all(), (load) => load.traffic()),
    retain(origins) {
      const ids = new Set(origins.keys());
      // Servers have no address that changes: their drain waits for all that is in flight.
      inFlight.retain(new Map(Array.from(ids, (id) => [id, undefined])));
      relay.retain(ids);
      upstream.retain([...origins.values()]);
    },
    cut: relay.cut,
    async drain(targetId, deadlineMs) {
      void upgrades.sendAway(targetId, deadlineMs / 2);
      return { left: await inFlight.of(targetId).drained(deadlineMs) };
    },
    close,
    [Symbol.asyncDispose]: () => close(0),
  };
}

const NO_FIELDS: readonly Field[] = [];

/** How long things may take is all that a relay needs of a route. */
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
