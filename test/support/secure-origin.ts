// An https server on 127.0.0.1 that answers with the server name and the host that it was asked for.
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { testKey } from "./certificate.ts";

export async function startSecure(cert: string) {
  const server = createServer({ cert, key: testKey }, ({ headers, socket }, response) => {
    const { servername } = socket as TLSSocket & { readonly servername: string | false };
    response.end(`${servername || "no name"} ${headers.host} ${headers["x-forwarded-host"] ?? ""}`.trim());
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
