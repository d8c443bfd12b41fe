// What a data plane needs to serve https beside http: a listener for handshakes that hands over to the plane's own.
import type { Socket } from "bun";
import { bracketed } from "../../core/host.ts";
import type { FirstBytes } from "../../platform/net/first-bytes.ts";
import { portFault } from "../../platform/net/unix-socket.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { HttpsOptions } from "../data-plane.ts";
import type { ClientConnection } from "./client-connection.ts";
import { plain } from "./gate.ts";
import { createHttp2Bridge } from "./h2-bridge.ts";
import { HttpsRules } from "./https-rules.ts";
import type { Listener } from "./listener.ts";
import type { ProxyHeaders } from "./proxy-headers.ts";
import { createTlsListener, type TlsListener, type TlsListenerOptions } from "./tls-listener.ts";

export interface HttpsParts {
  readonly host: string;
  readonly reusePort: boolean;
  readonly clock: Clock;
  readonly firstBytes: FirstBytes | undefined;
  readonly proxyHeaders: ProxyHeaders | undefined;
  /** Where connections go on after their handshake; asked when there is one. */
  listener(): Listener;
  onDefect(error: Error): void;
}

export interface Https {
  readonly rules: HttpsRules;
  readonly url: URL;
  /** Whether handshakes are under way that have only just begun. */
  readonly isBusy: boolean;
  stopAccepting(): void;
  /** Ends handshakes that are not done, and connections of HTTP/2 when they have their answers. */
  close(): Promise<void>;
}

const FLAGS = { host: "--host", port: "--https-port" };

/** Listens at once. Throws a Fault that says what is in the way. */
export function listenHttps(tls: HttpsOptions, parts: HttpsParts): Https {
  const { host, reusePort } = parts;
  const { port, listenerFd } = tls;
  const bridge = tls.http2 ? createHttp2Bridge(parts) : undefined;
  const begin: TlsListenerOptions["begin"] = (socket, protocol, proxied) => {
    const serverName = serverNameOf(socket);
    if (protocol === "h2" && bridge !== undefined) {
      bridge.begin(socket, { peer: plain(socket.remoteAddress ?? ""), proxied, serverName });
      return;
    }
    const from = { isTls: true, serverName, proxied };
    parts.listener().adopt(socket as unknown as Socket<ClientConnection>, from);
  };
  let listener: TlsListener;
  try {
    const listening = listenerFd === undefined ? { host, port, reusePort } : { host, port, fd: listenerFd };
    listener = createTlsListener({ ...tls, ...parts, listening, begin });
  } catch (thrown) {
    void bridge?.close();
    throw portFault(thrown, host, port, FLAGS);
  }
  return {
    rules: new HttpsRules(tls.certificates, () => listener.port),
    url: new URL(`https://${bracketed(host)}:${listener.port}`),
    get isBusy() {
      return listener.isBusy || bridge?.isBusy === true;
    },
    stopAccepting() {
      listener.stopAccepting();
      void bridge?.stopAccepting(() => listener.isBusy);
    },
    async close() {
      listener.close();
      await bridge?.close();
    },
  };
}

function serverNameOf(socket: Socket<unknown>): string | undefined {
  const { getServername } = socket as unknown as { getServername(): string | null | undefined };
  return getServername.call(socket)?.toLowerCase().replace(/\.$/, "") || undefined;
}
