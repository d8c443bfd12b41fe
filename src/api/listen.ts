// A listener of its own for an admin API, beside the proxy, on a TCP address.
import { bracketed } from "../core/host.ts";
import { probePort } from "../platform/net/unix-socket.ts";
import type { Api } from "./server.ts";

/** Longest silence of an idle connection; not of a request being worked on, or of a stream. */
const IDLE_SECS = 60;
const FLAGS = { host: "--admin", port: "--admin" };

export interface AdminAddress {
  readonly host: string;
  readonly port: number;
}

export interface AdminListener extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
}

/**
 * Listens until disposed, which cuts every connection: streams have no end of their own. Throws a Fault when somebody
 * listens there, or nobody can.
 */
export function listenAdmin(api: Api, { host, port }: AdminAddress): AdminListener {
  probePort(host, port, FLAGS);
  const server = Bun.serve({
    hostname: host,
    port,
    reusePort: false,
    development: false,
    idleTimeout: IDLE_SECS,
    // Each operation bounds its own body, once it is known who calls.
    maxRequestBodySize: Number.POSITIVE_INFINITY,
    error: () => new Response(null, { status: 500 }),
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
  const bound = server.port ?? port;
  return {
    url: `http://${bracketed(host)}:${bound}/`,
    port: bound,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}
