// A listener of its own for an admin API: a unix socket, or a TCP address beside the proxy.
import { SOCKET_PEER } from "./access.ts";
import type { Api } from "./server.ts";

/** Longest silence of an idle connection; not of a request being worked on, or of a stream. */
const IDLE_SECS = 60;
/**
 * For a socket, where the idle timer of 10 s cuts an operation that takes its time and `server.timeout` has no effect
 * (measured); Bun's types do not have it there, hence the vague one.
 */
const NEVER_IDLE: object = { idleTimeout: 0 };
/** Above the API's own limit, which answers with words. */
const BODY_LIMIT_BYTES = 8 * 1024 * 1024;

export interface ApiListener extends AsyncDisposable {
  /** The bound TCP port; undefined for a socket. */
  readonly port: number | undefined;
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
    maxRequestBodySize: BODY_LIMIT_BYTES,
    error: () => new Response(null, { status: 500 }),
  };
  const server =
    "unix" in at
      ? Bun.serve({ ...common, ...at, ...NEVER_IDLE, fetch: (request) => api.fetch(request, SOCKET_PEER) })
      : Bun.serve({ ...common, ...at, reusePort: false, fetch: (request, tcp) => answer(api, request, tcp) });
  return { port: server.port, [Symbol.asyncDispose]: () => server.stop(true) };
}

async function answer(api: Api, request: Request, server: Bun.Server<undefined>): Promise<Response> {
  server.timeout(request, 0);
  const address = server.requestIP(request)?.address ?? "";
  const response = await api.fetch(request, { door: "network", address, trusted: false });
  // What is set sticks to the connection: left at 0, an idle one would never be closed. Streams have heartbeats.
  server.timeout(request, IDLE_SECS);
  return response;
}
