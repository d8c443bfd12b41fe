// One TCP address whose target can be another from one moment to the next, as that of a database cluster that always leads to the primary.

import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";

export interface TcpSwitch extends AsyncDisposable {
  readonly port: number;
  /** From now on connections lead there; those that there are, are cut. Undefined: nobody takes them. */
  to(port: number | undefined): void;
}

export async function startTcpSwitch(first: number): Promise<TcpSwitch> {
  let target: number | undefined = first;
  const open = new Set<Socket>();
  const server = createServer((visitor) => {
    if (target === undefined) {
      visitor.resetAndDestroy();
      return;
    }
    const upstream = connect(target, "127.0.0.1");
    for (const [here, there] of [
      [visitor, upstream],
      [upstream, visitor],
    ] as const) {
      open.add(here);
      here.on("error", () => there.destroy());
      here.on("close", () => {
        open.delete(here);
        there.destroy();
      });
      here.pipe(there);
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    port: (server.address() as AddressInfo).port,
    to(port) {
      target = port;
      for (const socket of open) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}
