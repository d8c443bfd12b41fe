// What a request meets first: its peer, its host, and the decision of the table in force at that moment.
import { decide, type RouteTable } from "../core/decide.ts";
import { requestFields } from "../core/header.ts";
import type { Route } from "../core/route.ts";
import { type AnswerName, ownAnswer } from "./answers.ts";
import type { Carrier } from "./carrier.ts";
import type { DataPlaneOptions } from "./data-plane.ts";
import type { Forwarder } from "./forward.ts";
import type { Listener } from "./listener.ts";
import { announcedLength, hasLostBody } from "./request-body.ts";
import { isUpgrade } from "./upgrade.ts";
import { Visit } from "./visit.ts";

const PEERS_REMEMBERED = 10_000;

export interface FrontParts {
  readonly options: DataPlaneOptions;
  readonly forwarder: Forwarder;
  readonly http: Carrier;
  readonly websocket: Carrier;
  readonly viaName: string;
  isTrusted(address: string): boolean;
  table(): RouteTable;
}

export type Front = (request: Request, listener: Listener) => Response | Promise<Response | undefined>;

export function createFront(parts: FrontParts): Front {
  const { options, forwarder, viaName } = parts;
  const { fields, hooks } = options;
  const selector = fields.selector?.toLowerCase();
  const isTrusted = remembered(parts.isTrusted);

  function refuse(name: AnswerName, request: Request): Response {
    return ownAnswer(name, request.headers.get("accept"), fields.error);
  }

  function forward(request: Request, host: string, peer: string, route: Route, label?: string) {
    const reason = objectionTo(request, route);
    if (reason !== undefined) return refuse(reason, request);
    const toTarget = requestFields(request.headers, {
      peer,
      peerTrusted: isTrusted(peer),
      host,
      scheme: "http",
      viaName,
      selector,
      newId: () => crypto.randomUUID(),
    });
    if (toTarget === undefined) return refuse("loop", request);
    const visit = new Visit(request, pathOf(request.url), toTarget, peer, route, label);
    return forwarder.forward(visit, isUpgrade(request) ? parts.websocket : parts.http);
  }

  return (request, listener) => {
    if (request.method === "CONNECT" || request.method === "TRACE") return refuse("method", request);
    const peer = listener.addressOf(request);
    const peerTrusted = isTrusted(peer);
    const host = request.headers.get("host");
    const named = selector === undefined ? null : request.headers.get(selector);
    const decision = decide(parts.table(), host, named, peerTrusted);
    switch (decision.kind) {
      case "weighted":
        return forward(request, host ?? "", peer, decision.route);
      case "direct":
        return forward(request, host ?? "", peer, decision.route, decision.target.label);
      case "unknown_target":
        return forward(request, host ?? "", peer, decision.route, decision.label);
      case "own":
        return hooks.own(request, {
          peer,
          peerTrusted,
          holdOpen: () => listener.setIdleLimit(request, false),
        });
      case "unknown":
        return refuse("unknown_host", request);
      case "bad_host":
        return refuse("bad_host", request);
    }
  };
}

/** What speaks against a request before a target is picked for it. */
function objectionTo(request: Request, { policy }: Route): AnswerName | undefined {
  const length = announcedLength(request.headers);
  if (policy.maxBodyBytes > 0 && length !== undefined && length > policy.maxBodyBytes) return "too_large";
  return hasLostBody(request, length) ? "unread_body" : undefined;
}

/** Path and query as they came. The URL is not absolute when its host is none to Bun, so it is never parsed. */
export function pathOf(url: string): string {
  const start = url.startsWith("/") ? 0 : url.indexOf("/", url.indexOf("//") + 2);
  const end = url.indexOf("#", start);
  return end < 0 ? url.slice(start) : url.slice(start, end);
}

/** Answers from memory for the peers seen most recently, in bounds. */
export function remembered(test: (address: string) => boolean): (address: string) => boolean {
  const known = new Map<string, boolean>();
  return (address) => {
    const before = known.get(address);
    if (before !== undefined) return before;
    if (known.size >= PEERS_REMEMBERED) known.clear();
    const answer = test(address);
    known.set(address, answer);
    return answer;
  };
}
