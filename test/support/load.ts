// Constant load over raw keep-alive connections, in a process of its own: `bun load.ts PORT HOST CONNECTIONS METHOD [each] [tls]`,
// with `each` a connection for each request, with `tls` by https, whatever the certificate.
// No client library, so that nothing is tried again behind our back. SIGTERM ends it; it then prints what it saw as JSON.
import { connect, type Socket } from "node:net";
import { connect as connectByTls } from "node:tls";

export interface LoadReport {
  readonly ok: number;
  /** What went wrong, and how often. */
  readonly failed: Record<string, number>;
  readonly instances: Record<string, number>;
  /** The ids that a 2xx answered, for POST. */
  readonly answered: readonly string[];
  readonly slowestMs: number;
  /** When the last failure was seen, in milliseconds since the epoch; 0 when there was none. */
  readonly lastFailedAt: number;
}

const [port = "", host = "", connections = "1", method = "GET", ...how] = Bun.argv.slice(2);
const closing = how.includes("each") ? "Connection: close\r\n" : "";
const failed: Record<string, number> = {};
const instances: Record<string, number> = {};
const answered: string[] = [];
let ok = 0;
let slowestMs = 0;
let lastFailedAt = 0;
let ending = false;
let nextId = 0;

/** One exchange; resolves with the answer's status and instance, and whether the connection lives on. */
function exchange(
  socket: Socket,
  request: string,
): Promise<{ status: number; instance: string; open: boolean }> {
  return new Promise((resolve, reject) => {
    let text = "";
    const finish = (settle: () => void) => {
      socket.off("data", onData).off("close", onClose).off("error", onClose);
      settle();
    };
    const onClose = (error?: unknown) => {
      const how = error instanceof Error ? error.message : "closed";
      finish(() =>
        reject(new Error(text === "" ? `${how} before an answer` : `${how} in the middle of an answer`)),
      );
    };
    const onData = (bytes: Buffer) => {
      text += bytes.toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = text.slice(0, end).toLowerCase();
      const length = /\r\ncontent-length: (\d+)/.exec(head)?.[1];
      const done =
        length === undefined ? text.endsWith("0\r\n\r\n") : text.length >= end + 4 + Number(length);
      if (!done) return;
      const status = Number(head.slice(9, 12));
      const instance = /\r\nx-ten-instance: (\S+)/.exec(head)?.[1] ?? "nobody";
      finish(() => resolve({ status, instance, open: !/\r\nconnection: close/.test(head) }));
    };
    socket.on("data", onData).on("close", onClose).on("error", onClose);
    socket.write(request);
  });
}

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const opened = () => resolve(socket.off("error", reject));
    const where = { host: "127.0.0.1", port: Number(port) };
    const secure = { ...where, servername: host, rejectUnauthorized: false };
    const socket = how.includes("tls") ? connectByTls(secure, opened) : connect(where, opened);
    socket.setNoDelay(true).once("error", reject);
  });
}

function fail(why: string): void {
  failed[why] = (failed[why] ?? 0) + 1;
  lastFailedAt = Date.now();
}

async function visitor(): Promise<void> {
  let socket: Socket | undefined;
  while (!ending) {
    const id = `id-${nextId++}`;
    const body = method === "GET" ? "" : id;
    const begun = performance.now();
    try {
      // A connection that the server closed between two requests is no failure.
      if (socket === undefined || socket.destroyed || socket.readableEnded) socket = await open();
      const head = `${method} / HTTP/1.1\r\nHost: ${host}\r\n${closing}Content-Length: ${body.length}\r\n\r\n`;
      const { status, instance, open: lives } = await exchange(socket, head + body);
      slowestMs = Math.max(slowestMs, performance.now() - begun);
      instances[instance] = (instances[instance] ?? 0) + 1;
      if (status === 200) {
        ok++;
        if (method !== "GET") answered.push(id);
      } else fail(String(status));
      if (!lives) socket.destroy();
    } catch (thrown) {
      fail(thrown instanceof Error ? thrown.message : String(thrown));
      socket?.destroy();
      socket = undefined;
    }
  }
  socket?.destroy();
}

process.on("SIGTERM", () => {
  ending = true;
});
process.stdout.write("ready\n");
await Promise.all(Array.from({ length: Number(connections) }, visitor));
const report = JSON.stringify({
  ok,
  failed,
  instances,
  answered,
  slowestMs,
  lastFailedAt,
} satisfies LoadReport);
// Awaited, as a long report does not fit into the pipe at once. Not by Bun.write, which sends what a pipe took in part again.
await new Promise<void>((resolve) => process.stdout.write(report, () => resolve()));
process.exit(0);
