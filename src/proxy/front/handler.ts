// What a request meets first: its peer, its host, and the decision of the table in force at that moment.
import { BoundedMap } from "../../core/bounded-map.ts";
import type { RequestHead } from "../../core/http1/request-head.ts";
import { RequestRules } from "../../core/http1/request-rules.ts";
import type { Route } from "../../core/route.ts";
import { type Decision, decide, type RouteTable } from "../../core/route-table.ts";
import { clientAddress } from "../../core/trusted-proxies.ts";
import { systemClock } from "../../platform/time/clock.ts";
import type { AccessLog } from "../access-log.ts";
import { type AnswerName, type OwnAnswer, ownAnswer, serverOptions } from "../answers.ts";
import type { DataPlaneOptions } from "../data-plane.ts";
import { expectsContinue } from "../forward/request-body.ts";
import { type Courier, looksAt, RequestState } from "../forward/request-state.ts";
import type { ClientConnection } from "./client-connection.ts";
import { isLoopback } from "./gate.ts";
import type { HttpsRules } from "./https-rules.ts";
import { linkIn } from "./link.ts";
import type { Notices } from "./notices.ts";
import type { OwnHosts } from "./own-hosts.ts";
import { createRequestIds } from "./request-id.ts";
import { Traces } from "./traces.ts";

const PEERS_REMEMBERED = 10_000;
const HTTPS = /^https\b/i;

export interface HandlerParts {
  readonly options: DataPlaneOptions;
  readonly courier: Courier;
  readonly own: OwnHosts;
  readonly viaName: string;
  /** Undefined where https is not served. */
  readonly https?: HttpsRules | undefined;
  isTrusted(address: string): boolean;
  /** Whether a peer may say by a field for whom it asks. */
  maySelect(address: string): boolean;
  /** Whether a peer may use hosts of single targets that are not everybody's. */
  maySee(address: string): boolean;
  table(): RouteTable;
  readonly notices: Notices;
  /** Undefined where there is none. */
  readonly accessLog?: AccessLog | undefined;
  /** A request for a route was answered before a target was chosen. */
  count(route: Route, reason: AnswerName): void;
}

export interface RequestHandler {
  rulesFor(client: ClientConnection): RequestRules;
  handle(client: ClientConnection, head: RequestHead): RequestState | undefined;
}

export function createRequestHandler(parts: HandlerParts): RequestHandler {
  const { options, courier, own, https } = parts;
  const { fields } = options;
  const selector = fields.selector?.toLowerCase();
  const clock = options.clock ?? systemClock;
  const passed = fields.passed.toLowerCase();
  const rights = { maySelect: remembered(parts.maySelect), maySee: remembered(parts.maySee) };
  const dress = createDress({ ...parts, passed: fields.passed });
  const overwritten = fields.shadow === undefined ? [] : [fields.shadow.toLowerCase()];
  const traces = new Traces();
  const forStrangers = new RequestRules({ selector, passed, overwritten, claims: "none" });
  const forTrusted = new RequestRules({ selector, passed, overwritten, claims: "ours" });

  function refuse(client: ClientConnection, head: RequestHead, name: AnswerName, route?: Route): undefined {
    if (route !== undefined) parts.count(route, name);
    const answer = ownAnswer(name, head.field("accept"), fields.error);
    if (route !== undefined) told(client, head, name, route, answer);
    client.answer(answer, "");
  }

  /** The line of a request that no target was chosen for. */
  function told(
    client: ClientConnection,
    head: RequestHead,
    name: AnswerName,
    route: Route,
    { body }: OwnAnswer,
  ) {
    const record = parts.accessLog?.record(route, hostOf(client, head));
    if (record === undefined) return;
    record.own(name, head.isHead ? 0 : Buffer.byteLength(body));
    const { method } = head;
    const visitor = visitorOf(client, head, parts.isTrusted);
    const id = client.peerTrusted ? head.text("x-request-id", head.requestId) : undefined;
    const added = id === undefined ? "" : `\r\nX-Request-Id: ${id}\r\n`;
    record.end({ head, method, visitor, route, added, attempts: 0 }, 0);
  }

  function forward(client: ClientConnection, head: RequestHead, host: string, route: Route, label?: string) {
    const visitor = visitorOf(client, head, parts.isTrusted);
    if (!isCounted(client, head, visitor, parts.isTrusted))
      return refuse(client, head, "too_many_requests", route);
    const most = route.policy.maxBodyBytes;
    if (most > 0 && head.contentLength > most) return refuse(client, head, "too_large", route);
    const facts = dress(client, head, host, visitor, courier, route.policy.via === true);
    if (facts === undefined) return refuse(client, head, "loop", route);
    const { checkPath } = route.policy;
    const isCheck = checkPath !== undefined && looksAt(head, checkPath) && mayWatch(client, head);
    const visit = new RequestState(client, head, facts, route, label, isCheck);
    if (route.policy.trace === true) visit.added = traces.added(head, facts.added);
    visit.access = parts.accessLog?.record(route, host);
    return visit;
  }

  /** Whether a request is of a peer that is known, as a slum is, and that asks for nobody else. */
  function mayWatch({ peerTrusted, peer }: ClientConnection, head: RequestHead): boolean {
    return head.forwardedFor.start < 0 && (peerTrusted || rights.maySelect(peer));
  }

  function mayPreview(peer: string): boolean {
    return rights.maySee(peer) || rights.maySelect(peer);
  }

  /** What a link leads to; `none`: there is none, or none for the target that is asked for. */
  function linked(client: ClientConnection, head: RequestHead, host: string, route: Route, only?: string) {
    if (route.links === undefined) return "none";
    const use = linkIn(head, route, isSecure(client, head), clock.now());
    if (use === undefined) return "none";
    if (use.kind === "enter") {
      const headers = [
        ["Location", use.location],
        ["Set-Cookie", use.cookie],
        ["Cache-Control", "no-store"],
      ] as const;
      // A form that is posted by a link is posted again, and not asked for (RFC 9110 section 15.4.8).
      const status = head.method === "GET" || head.isHead ? 302 : 307;
      client.answer({ status, fields: headers, body: "", endsConnection: false }, "");
      return undefined;
    }
    if (only !== undefined && use.target.label !== only) return "none";
    return forward(client, head, host, route, use.target.label);
  }

  /** Whether the request was answered because https is served. */
  function byHttps(
    rules: HttpsRules,
    client: ClientConnection,
    head: RequestHead,
    host: string,
    decision: Decision,
  ): boolean {
    if (decision.kind === "unknown" || decision.kind === "bad_host") return false;
    const toAuthority = rules.challenge(head);
    if (toAuthority !== undefined) return answered(client, toAuthority);
    const isElsewhere = rules.isMisdirected(client, host);
    if (!isElsewhere && (isSecure(client, head) || !isRedirected(decision, head))) return false;
    // Who may name a route in a field, as a slum does, means no host, and speaks for visitors that are not here.
    if (rights.maySelect(client.peer)) return false;
    if (isElsewhere) return answered(client, ownAnswer("misdirected", head.field("accept"), fields.error));
    const toHttps = rules.redirect(head, host);
    return toHttps !== undefined && answered(client, toHttps);
  }

  return {
    rulesFor: (client) => (client.peerTrusted ? forTrusted : forStrangers),
    handle(client, head) {
      const { method } = head;
      if (method === "CONNECT" || method === "TRACE") return refuse(client, head, "method");
      const host = hostOf(client, head);
      const named = head.text(selector ?? "", head.selector);
      const decision = decide(parts.table(), host, named, client.peer, rights);
      if (head.isForServer) {
        client.answer(serverOptions, "");
        return undefined;
      }
      if (https !== undefined && byHttps(https, client, head, host, decision)) return undefined;
      switch (decision.kind) {
        case "weighted": {
          const found = linked(client, head, host, decision.route);
          return found === "none" ? forward(client, head, host, decision.route) : found;
        }
        case "preview": {
          const { route, target } = decision;
          if (mayPreview(client.peer)) return forward(client, head, host, route, target.label);
          const found = linked(client, head, host, route, target.label);
          return found === "none" ? refuse(client, head, "unknown_instance") : found;
        }
        case "direct":
          return forward(client, head, host, decision.route, decision.target.label);
        case "unknown_target":
          return forward(client, head, host, decision.route, decision.label);
        case "unheeded":
          parts.notices.tell(
            "unheeded",
            `${client.peer} says by ${fields.selector} for whom it asks, and is not among those who may (selector_from)`,
          );
          return refuse(client, head, "unknown_instance");
        case "own":
          return own.take(client, head);
        case "unknown":
          return refuse(client, head, "unknown_host");
        case "bad_host":
          return refuse(client, head, "bad_host");
      }
    },
  };
}

function answered(client: ClientConnection, answer: OwnAnswer): true {
  client.answer(answer, "");
  return true;
}

/** Whether http leads to https: not where a service says so, nor for whoever asks for the health of the server itself. */
function isRedirected(decision: Decision, head: RequestHead): boolean {
  if (decision.kind === "own") return head.path !== "/health";
  return "route" in decision && decision.route.policy.redirect !== false;
}

/** Whom a request asks: its URL's host, else its Host (RFC 9112 section 3.2), else, as only HTTP/1.0 may leave it out, us. */
export function hostOf(client: ClientConnection, head: RequestHead): string {
  if (head.authority !== undefined) return head.authority;
  const { start, end } = head.host;
  if (start < 0) return client.localHost;
  // Nearly always the same as in the request before, and then no string is made for it.
  if (!head.is(start, end, client.lastHost)) client.lastHost = head.bytes.latin1Slice(start, end);
  return client.lastHost;
}

/** The address of the visitor, as far as its peer may say it. */
export function visitorOf(
  client: ClientConnection,
  head: RequestHead,
  isTrusted: (address: string) => boolean,
): string {
  if (!client.peerTrusted || head.forwardedFor.start < 0) return client.visitor;
  return clientAddress(client.peer, head.text("x-forwarded-for", head.forwardedFor) ?? null, isTrusted);
}

/**
 * Counts a request as one of its visitor's; false when that has too many. Tools of this machine, and proxies that name no
 * client, are not held to a client's share.
 */
export function isCounted(
  client: ClientConnection,
  { wantsUpgrade }: RequestHead,
  visitor: string,
  isTrusted: (address: string) => boolean,
): boolean {
  const what = wantsUpgrade ? "streams" : "requests";
  if (!client.peerTrusted) return client.countAs(what);
  return isLoopback(visitor) || isTrusted(visitor) || client.countAs(what, visitor);
}

/** Whether the visitor came by https, as far as its peer may say so. */
export function isSecure(client: ClientConnection, head: RequestHead): boolean {
  const said = client.peerTrusted ? head.text("x-forwarded-proto", head.forwardedProto) : undefined;
  return said === undefined ? client.isTls : HTTPS.test(said);
}

interface DressOptions {
  readonly viaName: string;
  /** The field that says whom a request has passed. */
  readonly passed: string;
  /** Host is set for each target anew: only the forwarded one says whom the visitor has asked. */
  readonly isRelay?: boolean;
}

/** What is known of a request, and the fields that are added to it; undefined when it has already passed here twice. */
export function createDress({ viaName, passed, isRelay = false }: DressOptions) {
  const passedName = passed.toLowerCase();

  const newId = createRequestIds();

  /** Of what a peer whose word counts for nothing asks. */
  function strangersClaims(client: ClientConnection): string {
    const { visitor, isTls } = client;
    const scheme = isTls ? "https" : "http";
    return `X-Forwarded-For: ${visitor}\r\nX-Real-IP: ${visitor}\r\nX-Forwarded-Proto: ${scheme}\r\nX-Forwarded-Host: `;
  }

  function trustedClaims(
    { peer, isTls }: ClientConnection,
    head: RequestHead,
    host: string,
    visitor: string,
  ): string {
    const forwardedFor = head.text("x-forwarded-for", head.forwardedFor);
    const proto = head.text("x-forwarded-proto", head.forwardedProto) ?? (isTls ? "https" : "http");
    const list = forwardedFor === undefined ? peer : `${forwardedFor}, ${peer}`;
    const real = head.text("x-real-ip", head.realIp) ?? visitor;
    const forwardedHost = isRelay ? undefined : head.text("x-forwarded-host", head.forwardedHost);
    const id = head.text("x-request-id", head.requestId) ?? newId();
    return (
      `X-Forwarded-For: ${list}\r\nX-Real-IP: ${real}\r\nX-Forwarded-Proto: ${proto}\r\n` +
      `X-Forwarded-Host: ${forwardedHost ?? host}\r\nX-Request-Id: ${id}\r\n`
    );
  }

  return (
    client: ClientConnection,
    head: RequestHead,
    host: string,
    visitor: string,
    courier: Courier,
    tellsVia: boolean,
  ) => {
    const before = head.text(passedName, head.passed);
    if (before !== undefined && occursTwice(before, viaName)) return undefined;
    const via = head.text("via", head.via);
    let added = "";
    if (!isRelay && (head.authority !== undefined || head.host.start < 0)) added = `Host: ${host}\r\n`;
    if (client.peerTrusted) added += trustedClaims(client, head, host, visitor);
    else {
      client.claims ??= strangersClaims(client);
      added += `${client.claims}${host}\r\nX-Request-Id: ${newId()}\r\n`;
    }
    added += before === undefined ? `${passed}: ${viaName}\r\n` : `${passed}: ${before}, ${viaName}\r\n`;
    if (tellsVia) added += via === undefined ? `Via: 1.1 ${viaName}\r\n` : `Via: ${via}, 1.1 ${viaName}\r\n`;
    else if (via !== undefined) added += `Via: ${via}\r\n`;
    const upgrade = upgradeOf(head);
    added += upgrade === undefined ? "\r\n" : `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`;
    return {
      courier,
      visitor,
      added,
      isSecure: isSecure(client, head),
      asksUpgrade: upgrade !== undefined,
      expectsContinue: head.expect.start >= 0 && expectsContinue(head),
    };
  };
}

/** The protocol that a request asks for. HTTP/2 is not upgraded to: its frames are none that could be passed on (RFC 9113 section 3.1). */
function upgradeOf(head: RequestHead): string | undefined {
  if (!head.wantsUpgrade || head.minor === 0) return undefined;
  const asked = head.text("upgrade", head.upgrade);
  return asked === undefined || /(^|[,\s])h2c?($|[,\s])/i.test(asked) ? undefined : asked;
}

function occursTwice(value: string, part: string): boolean {
  const first = value.indexOf(part);
  return first >= 0 && value.includes(part, first + part.length);
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
