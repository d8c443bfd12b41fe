// A server in a process of its own that listens and never accepts; run without a test it is that process.
import { createServer } from "node:net";
import { until } from "./until.ts";

if (import.meta.main) listenDeaf();

function listenDeaf(): void {
  const server = createServer();
  server.listen({ port: 0, host: "127.0.0.1", backlog: 8 }, () => {
    const address = server.address();
    if (typeof address === "object" && address !== null) process.stdout.write(String(address.port));
    // Blocks the thread, and so the event loop that would accept, once the port has been written.
    setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), 10);
  });
}

/** Starts one and fills its backlog: the kernel then drops what comes, and connects hang. */
export async function deafOrigin() {
  const child = Bun.spawn([process.execPath, import.meta.path], { stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  const origin = { host: "127.0.0.1", port: Number(new TextDecoder().decode(value)) };
  await fillBacklog(origin.port);
  return { origin, [Symbol.dispose]: () => child.kill("SIGKILL") };
}

/** Connects until the kernel accepts no more on the server's behalf. */
async function fillBacklog(port: number): Promise<void> {
  let opened = 0;
  let tried = 0;
  const socket = { open: () => void opened++, data() {}, connectError() {} };
  await until("the backlog is full", async () => {
    for (; tried < opened + 50; tried++) {
      // Those that hang are refused when the server is killed, and that is all that ever becomes of them.
      Bun.connect({ hostname: "127.0.0.1", port, socket }).catch(() => {});
    }
    const before = opened;
    // Long enough for a connection that will open to have done so, also on a busy machine.
    await Bun.sleep(100);
    return opened === before && opened > 0;
  });
}
