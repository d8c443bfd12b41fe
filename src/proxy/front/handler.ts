// What a request meets first: its peer, its host, and the decision of the table in force at that moment.
import { BoundedMap } from "../../core/bounded-map.ts";

import { readFields, requestFields, type Said } from "../../core/forwarding-headers.ts";
import type { Route } from "../../core/route.ts";
import { decide, type RouteTable } from "../../core/route-table.ts";
import { systemClock } from "../../platform/time/clock.ts";
import { type AnswerName, ownAnswer } from "../answers.ts";
import type { DataPlaneOptions } from "../data-plane.ts";
import { RequestState } from "../forward/choose-target.ts";
import type { Forwarder } from "../forward/forward.ts";
import type { HttpTransport } from "../forward/http-transport.ts";
import { announcedLength, hasLostBody } from "../forward/request-body.ts";
import { isUpgrade } from "../forward/websocket.ts";
import { linkIn } from "./link.ts";
import type { Listener } from "./listener.ts";
import { createRequestIds } from "./request-id.ts";

const PEERS_REMEMBERED = 10_000;

export interface HandlerParts {
  readonly options: DataPlaneOptions;
  readonly forwarder: Forwarder;
  readonly http: HttpTransport;
  readonly websocket: HttpTransport;
  readonly viaName: string;
  isTrusted(address: string): boolean;
  /** Whether a peer may see targets that have no traffic yet. */
  maySee(address: string): boolean;
  table(): RouteTable;
}

interface Peer {
  readonly address: string;
  /** What it says about its own visitors counts. */
  readonly isTrusted: boolean;
}

export type RequestHandler = (
  request: Request,
  listener: Listener,
) => Response | Promise<Response | undefined>;

export function createRequestHandler(parts: HandlerParts): RequestHandler {
  const { options, forwarder, viaName } = parts;
  const { fields, hooks } = options;
  const selector = fields.selector?.toLowerCase();
  const clock = options.clock ?? systemClock;
  const isTrusted = remembered(parts.isTrusted);
  const maySee = remembered(parts.maySee);
  const newId = createRequestIds();

  function refuse(name: AnswerName, request: Request): Response {
    return ownAnswer(name, request.headers.get("accept"), fields.error);
  }

  function forward(request: Request, method: string, said: Said, peer: Peer, route: Route, label?: string) {
    const reason = objectionTo(method, said, route);
    if (reason !== undefined) return refuse(reason, request);
    const arrival = {
      peer: peer.address,
      peerTrusted: peer.isTrusted,
      scheme: "http",
      viaName,
      newId,
    } as const;
    const toTarget = requestFields(said, arrival);
    if (toTarget === undefined) return refuse("loop", request);
    const path = pathOf(request.url);
    const visit = new RequestState(request, method, path, said, toTarget, peer.address, route, label);
    return forwarder.forward(visit, isUpgrade(visit) ? parts.websocket : parts.http);
  }

  /** What a link leads to; undefined when there is none, or none for the target that is asked for. */
  function linked(request: Request, method: string, said: Said, peer: Peer, route: Route, only?: string) {
    if (route.links === undefined) return undefined;
    const isSecure = peer.isTrusted && /^https\b/i.test(request.headers.get("x-forwarded-proto") ?? "");
    const use = linkIn(request, route, pathOf(request.url), isSecure, clock.now());
    if (use === undefined) return undefined;
    if (use.kind === "enter") {
      const headers = { location: use.location, "set-cookie": use.cookie, "cache-control": "no-store" };
      return new Response(null, { status: 302, headers });
    }
    if (only !== undefined && use.target.label !== only) return undefined;
    return forward(request, method, said, peer, route, use.target.label);
  }

  return (request, listener) => {
    const { method } = request;
    if (method === "CONNECT" || method === "TRACE") return refuse("method", request);
    const address = listener.addressOf(request);
    const peer = { address, isTrusted: isTrusted(address) };
    const said = readFields(request.headers, selector);
    const decision = decide(parts.table(), said.host, said.selector, peer.isTrusted);
    switch (decision.kind) {
      case "weighted":
        return (
          linked(request, method, said, peer, decision.route) ??
          forward(request, method, said, peer, decision.route)
        );
      case "preview": {
        const { route, target } = decision;
        if (maySee(address)) return forward(request, method, said, peer, route, target.label);
        return (
          linked(request, method, said, peer, route, target.label) ?? refuse("unknown_instance", request)
        );
      }
      case "direct":
        return forward(request, method, said, peer, decision.route, decision.target.label);
      case "unknown_target":
        return forward(request, method, said, peer, decision.route, decision.label);
      case "own":
        return hooks.own(request, {
          peer: address,
          peerTrusted: peer.isTrusted,
          holdOpen: () => listener.setIdleLimit(request, false),
          letIdle: () => listener.setIdleLimit(request, true),
        });
      case "unknown":
        return refuse("unknown_host", request);
      case "bad_host":
        return refuse("bad_host", request);
    }
  };
}

/** What speaks against a request before a target is picked for it. */
function objectionTo(method: string, said: Said, { policy }: Route): AnswerName | undefined {
  if (policy.maxBodyBytes > 0 && (announcedLength(said) ?? 0) > policy.maxBodyBytes) return "too_large";
  return hasLostBody(method, said) ? "unread_body" : undefined;
}

/** Path and query as they came. The URL is not absolute when its host is none to Bun, so it is never parsed. */
export function pathOf(url: string): string {
  const start = url.startsWith("/") ? 0 : url.indexOf("/", url.indexOf("//") + 2);
  const end = url.indexOf("#", start);
  return end < 0 ? url.slice(start) : url.slice(start, end);
}

/** Answers from memory for the peers seen most recently, in bounds. */
export function remembered(test: (address: string) => boolean): (address: string) => boolean {
  const known = new BoundedMap<string, boolean>(PEERS_REMEMBERED);
  return (address) => {
    const before = known.get(address);
    if (before !== undefined) return before;
    const answer = test(address);
    known.set(address, answer);
    return answer;
  };
}
