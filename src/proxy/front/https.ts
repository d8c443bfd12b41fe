// What a data plane needs to serve https beside http: a listener for handshakes that hands over to the plane's own.
import type { Socket } from "bun";
import { bracketed } from "../../core/host.ts";
import { portFault } from "../../platform/net/unix-socket.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { HttpsOptions } from "../data-plane.ts";
import type { ClientConnection } from "./client-connection.ts";
import { createHttp2Bridge } from "./h2-bridge.ts";
import { HttpsRules } from "./https-rules.ts";
import { type Listener, plain } from "./listener.ts";
import { createTlsListener, type TlsListener, type TlsListenerOptions } from "./tls-listener.ts";

export interface HttpsParts {
  readonly host: string;
  readonly reusePort: boolean;
  readonly clock: Clock;
  /** Where connections go on after their handshake; asked when there is one. */
  listener(): Listener;
  onDefect(error: Error): void;
}

export interface Https {
  readonly rules: HttpsRules;
  readonly url: URL;
  stopAccepting(): void;
  /** Ends handshakes that are not done. */
  close(): void;
}

const FLAGS = { host: "--host", port: "--https-port" };

/** Listens at once. Throws a Fault that says what is in the way. */
export function listenHttps(tls: HttpsOptions, parts: HttpsParts): Https {
  const { host, reusePort, clock, onDefect } = parts;
  const bridge = tls.http2 ? createHttp2Bridge(parts) : undefined;
  const begin: TlsListenerOptions["begin"] = (socket, protocol) => {
    const serverName = serverNameOf(socket);
    if (protocol === "h2" && bridge !== undefined) {
      bridge.begin(socket, plain(socket.remoteAddress ?? ""), serverName);
      return;
    }
    parts.listener().adopt(socket as unknown as Socket<ClientConnection>, { isTls: true, serverName });
  };
  let listener: TlsListener;
  try {
    listener = createTlsListener({ ...tls, host, reusePort, clock, onDefect, begin });
  } catch (thrown) {
    bridge?.close();
    throw portFault(thrown, host, tls.port, FLAGS);
  }
  return {
    rules: new HttpsRules(tls.certificates, () => listener.port),
    url: new URL(`https://${bracketed(host)}:${listener.port}`),
    stopAccepting() {
      listener.stopAccepting();
      bridge?.stopAccepting();
    },
    close() {
      listener.close();
      bridge?.close();
    },
  };
}

function serverNameOf(socket: Socket<unknown>): string | undefined {
  const { getServername } = socket as unknown as { getServername(): string | null | undefined };
  return getServername.call(socket)?.toLowerCase().replace(/\.$/, "") || undefined;
}
