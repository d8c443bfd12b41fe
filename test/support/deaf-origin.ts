// A server in a process of its own that listens and then never accepts: its backlog fills up.
import { createServer } from "node:net";

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object" && address !== null) process.stdout.write(String(address.port));
  // Blocks the thread, and so the event loop that would accept, once the port has been written.
  setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), 10);
});
