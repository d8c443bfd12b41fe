// A listener of its own for an admin API: a unix socket, or a TCP address beside the proxy.
import { bracketed } from "../core/host.ts";
import { probePort } from "../platform/net/unix-socket.ts";
import { SOCKET_PEER } from "./access.ts";
import type { Api } from "./server.ts";

/** Longest silence of an idle connection; not of a request being worked on, or of a stream. */
const IDLE_SECS = 60;

/**
 * For a socket, where Bun's idle timer of 12 s cuts an operation that takes its time and `server.timeout` has no effect
 * (measured); Bun's types do not have it there, hence the vague one.
 */
const NEVER_IDLE: object = { idleTimeout: 0 };

export interface ApiListener extends AsyncDisposable {
  /** The bound TCP port; undefined for a socket. */
  readonly port: number | undefined;
}

const FLAGS = { host: "--admin", port: "--admin" };

/** At an address of its own, beside the proxy. Throws a Fault when somebody listens there, or nobody can. */
export function listenAdmin(api: Api, { host, port }: AdminAddress): ApiListener & { readonly url: string } {
  probePort(host, port, FLAGS);
  const listener = listenApi(api, { hostname: host, port });
  return { ...listener, url: `http://${bracketed(host)}:${listener.port}/` };
}

export interface AdminAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * Listens until disposed; throws what the system says (`EADDRINUSE`) when it cannot. The socket's path must be free and
 * its permissions are the caller's affair. Disposing closes every connection: streams too, as they have no end.
 */
export function listenApi(
  api: Api,
  at: { readonly unix: string } | { readonly hostname: string; readonly port: number },
): ApiListener {
  const common = {
    development: false,
    // Each operation bounds its own body, once it is known who calls.
    maxRequestBodySize: Number.POSITIVE_INFINITY,
    error: () => new Response(null, { status: 500 }),
  };
  const server =
    "unix" in at
      ? Bun.serve({
          ...common,
          ...NEVER_IDLE,
          unix: at.unix,
          fetch: (request) => api.fetch(request, SOCKET_PEER),
        })
      : Bun.serve({
          ...common,
          ...at,
          reusePort: false,
          idleTimeout: IDLE_SECS,
          fetch(request, listener) {
            const address = listener.requestIP(request)?.address ?? "";
            return api.fetch(
              request,
              { door: "network", address, trusted: false },
              {
                holdOpen: () => listener.timeout(request, 0),
                letIdle: () => listener.timeout(request, IDLE_SECS),
              },
            );
          },
        });
  return { port: server.port, [Symbol.asyncDispose]: () => server.stop(true) };
}
