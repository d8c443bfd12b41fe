// A server in a thread of its own that answers the first request of each connection and closes it 20 ms later.
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

export interface ClosingOrigin extends Disposable {
  readonly origin: { readonly host: string; readonly port: number };
  /** Blocks this thread until it has closed one: the event loop sees nothing of it, as that of a busy proxy. */
  blockUntilClosed(): void;
}

const MOST_MS = 10_000;

if (!isMainThread && workerData instanceof Int32Array) listen(workerData);

function listen(count: Int32Array): void {
  const { port } = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket) {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        setTimeout(() => {
          socket.end();
          Atomics.add(count, 0, 1);
          Atomics.notify(count, 0);
        }, 20);
      },
    },
  });
  parentPort?.postMessage(port);
}

export async function closingOrigin(): Promise<ClosingOrigin> {
  const count = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(import.meta.path, { workerData: count });
  const port = await new Promise<number>((resolve) => worker.once("message", resolve));
  return {
    origin: { host: "127.0.0.1", port },
    blockUntilClosed() {
      if (Atomics.wait(count, 0, 0, MOST_MS) === "timed-out") throw new Error("nothing was closed");
    },
    [Symbol.dispose]: () => void worker.terminate(),
  };
}
