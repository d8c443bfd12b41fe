// Carries a WebSocket: the target's side is opened first, and only then is the visitor's connection taken over.

import { messageOf } from "../../core/fault.ts";
import { bracketed } from "../../core/host.ts";
import type { Target } from "../../core/route.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import type { ProductFields } from "../data-plane.ts";
import { UpstreamFailure } from "../http-client.ts";
import type { RequestState } from "./choose-target.ts";
import { watchConnect } from "./connect-deadline.ts";
import { blame, type HttpTransport, type TroubleHooks } from "./http-transport.ts";
import type { Load } from "./in-flight.ts";
import { Tunnel } from "./tunnel.ts";

/** The target has opened its side (101), or refused with a status of its own. */
interface Opened {
  readonly status: number;
  readonly tunnel: Tunnel | undefined;
  readonly protocol: string;
}

export interface UpgradeParts {
  readonly clock: Clock;
  readonly fields: ProductFields;
  readonly hooks: TroubleHooks;
  /** Hands a visitor's connection to a tunnel; false when it is no WebSocket request or has gone. */
  upgrade(request: Request, tunnel: Tunnel, headers: Record<string, string>): boolean;
}

export interface Upgrades {
  readonly carrier: HttpTransport<Opened>;
  /**
   * Closes the sockets of one target, at addresses that get nothing new, or all of them, with 1012, evenly spread over
   * `overMs`.
   */
  sendAway(targetId: string | undefined, overMs: number): Promise<void>;
}

/** Whether a request asks for a WebSocket; other upgrades are not ours to make and go on as plain requests. */
export function isUpgrade({ method, said, request }: RequestState): boolean {
  return (
    said.upgrade?.toLowerCase() === "websocket" &&
    method === "GET" &&
    request.headers.has("sec-websocket-key")
  );
}

export function createUpgrades({ clock, fields, hooks, upgrade }: UpgradeParts): Upgrades {
  const tunnels = new Set<Tunnel>();

  function attempt(visit: RequestState, target: Target, load: Load): Promise<Opened> {
    load.begin();
    return new Promise((resolve, reject) => {
      const signal = visit.signalOf?.() ?? visit.request.signal;
      let socket: WebSocket;
      try {
        socket = open(visit, target);
      } catch (thrown) {
        // Subprotocols that are no tokens, or one twice: nothing has been sent.
        load.end();
        return reject(new UpstreamFailure("garbage", messageOf(thrown), false, false));
      }
      const settle = () => {
        cancel();
        endWatch();
        signal.removeEventListener("abort", leave);
      };
      const fail = (failure: UpstreamFailure) => {
        settle();
        // Ending a socket that is still opening is an error to it, which would be heard here once more.
        socket.onerror = null;
        socket.terminate();
        blame(load, visit.attempts === 1 ? visit.trial : undefined, failure, hooks);
        load.end();
        reject(failure);
      };
      const leave = () => fail(new UpstreamFailure("aborted", "the visitor has left", true, false));
      const { requestTimeoutMs } = visit.route.policy;
      const late = () => fail(new UpstreamFailure("request_timeout", "no answer in time", true, false));
      const cancel = requestTimeoutMs > 0 ? clock.after(requestTimeoutMs, late) : () => {};
      const endWatch = watchConnect(target.address, clock, () =>
        fail(new UpstreamFailure("connect_timeout", "the target did not accept in time", false, false)),
      );
      signal.addEventListener("abort", leave);
      socket.onopen = () => {
        settle();
        // A frame that breaks the protocol is an error and then a close: the tunnel ends the load, and only once.
        socket.onerror = null;
        const tunnel: Tunnel = new Tunnel(socket, load, clock, () => tunnels.delete(tunnel));
        tunnels.add(tunnel);
        resolve({ status: 101, tunnel, protocol: socket.protocol });
      };
      socket.onerror = (event) => {
        const message = "message" in event ? String(event.message) : "";
        // Any other status could not be handed on.
        const refusal = /Expected 101 status code: ([2-5]\d{2})/.exec(message)?.[1];
        if (refusal === undefined) return fail(failureOf(event, message));
        settle();
        load.end();
        resolve({ status: Number(refusal), tunnel: undefined, protocol: "" });
      };
    });
  }

  return {
    carrier: {
      attempt,
      discard: ({ tunnel }) => tunnel?.close(1001, ""),
      respond(visit, target, { status, tunnel, protocol }) {
        const headers: Record<string, string> = { [fields.target]: target.id };
        if (visit.attempts > 1) headers[fields.attempts] = String(visit.attempts);
        const cookie = visit.cookieFrom(target);
        if (cookie !== undefined) headers["Set-Cookie"] = cookie;
        if (tunnel === undefined) return new Response(null, { status, headers });
        if (protocol !== "") headers["Sec-WebSocket-Protocol"] = protocol;
        if (upgrade(visit.request, tunnel, headers)) return undefined;
        tunnel.close(1001, "");
        return "bad_request";
      },
    },
    async sendAway(targetId, overMs) {
      const leaving = [...tunnels].filter(
        (each) => targetId === undefined || (each.targetId === targetId && !each.isRouted),
      );
      for (const tunnel of leaving) {
        tunnel.sendAway();
        await sleep(clock, overMs / leaving.length);
      }
    },
  };
}

function open({ path, fields, request }: RequestState, { address }: Target): WebSocket {
  const host = bracketed(address.tls?.serverName || address.host);
  const scheme = address.tls === undefined ? "ws" : "wss";
  // Said, as the environment may say the contrary.
  const roots = address.tls?.ca === undefined ? {} : { ca: address.tls.ca };
  const tls = address.tls === undefined ? {} : { tls: { rejectUnauthorized: true, ...roots } };
  // The handshake's own fields are made anew by this client.
  const headers = fields.filter(([name]) => !name.startsWith("sec-websocket-"));
  const protocols = (request.headers.get("sec-websocket-protocol") ?? "").split(",");
  const socket = new WebSocket(`${scheme}://${host}:${address.port}${path}`, {
    headers: Object.fromEntries(headers),
    // Empty members of a list mean nothing (RFC 9110 section 5.6.1).
    protocols: protocols.map((protocol) => protocol.trim()).filter((protocol) => protocol !== ""),
    perMessageDeflate: false,
    ...tls,
  });
  socket.binaryType = "nodebuffer";
  return socket;
}

function failureOf(event: Event, message: string): UpstreamFailure {
  const code = "error" in event ? (event.error as { readonly code?: unknown } | null)?.code : undefined;
  if (code === "ECONNREFUSED") return new UpstreamFailure("refused", message, false, false);
  return new UpstreamFailure("reset", message, true, false);
}
