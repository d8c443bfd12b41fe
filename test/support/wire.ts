// Both ends of HTTP spoken by hand: an origin that does exactly what a test says, and a client that shows the bytes.
import type { Socket } from "bun";
import type { Address } from "../../src/core/route.ts";

/** One request as the origin saw it: its head, and what followed so far. */
export interface Seen {
  readonly head: string;
  readonly socket: Socket<Talk>;
  /** How many requests this connection has brought, this one included. */
  readonly nth: number;
  body(): string;
}

interface Talk {
  /** What has come of the request that is not answered yet. */
  text: string;
  /** Whether its head is complete. */
  isBegun: boolean;
  nth: number;
}

export interface WireOrigin extends Disposable {
  readonly address: Address;
  readonly seen: readonly Seen[];
  /** Connections that are open. */
  readonly open: number;
}

/** Calls `script` with each request when its head is complete; the script answers by hand. */
export function wireOrigin(script: (request: Seen) => void): WireOrigin {
  const seen: Seen[] = [];
  let open = 0;
  const server = Bun.listen<Talk>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        open += 1;
        socket.data = { text: "", isBegun: false, nth: 0 };
      },
      data(socket, bytes) {
        const talk = socket.data;
        talk.text += bytes.toString("latin1");
        const end = talk.text.indexOf("\r\n\r\n");
        if (talk.isBegun || end < 0) return;
        talk.isBegun = true;
        talk.nth += 1;
        const nth = talk.nth;
        let last = "";
        const body = () => {
          if (talk.nth === nth && talk.isBegun) last = talk.text.slice(end + 4);
          return last;
        };
        const request = { head: talk.text.slice(0, end + 4), socket, nth, body };
        seen.push(request);
        script(request);
      },
      close() {
        open -= 1;
      },
    },
  });
  return {
    address: { host: "127.0.0.1", port: server.port },
    seen,
    get open() {
      return open;
    },
    [Symbol.dispose]: () => server.stop(true),
  };
}

/** Answers with 200 and a text, and is ready for the next request of the connection. */
export function reply({ socket, body }: Seen, text: string, extra = ""): void {
  body();
  socket.data.isBegun = false;
  socket.data.text = "";
  socket.write(`HTTP/1.1 200 OK\r\n${extra}Content-Length: ${text.length}\r\n\r\n${text}`);
}

/** The value of a field of a raw head; undefined when it is not there. */
export function fieldOf(head: string, name: string): string | undefined {
  return new RegExp(`^${name}: (.*)\r$`, "im").exec(head)?.[1];
}

export interface WireClient extends Disposable {
  /** Everything received so far, as single bytes. */
  text(): string;
  write(text: string): void;
  pause(): void;
  resume(): void;
  /** Resolves when the text so far satisfies the condition; rejects when the connection ends first. */
  until(condition: (text: string) => boolean): Promise<string>;
  /** How the connection ended: in order, or cut. */
  readonly closed: Promise<"closed" | "reset">;
}

/** Opens a connection and writes. */
export async function wireClient(url: URL, request: string): Promise<WireClient> {
  let received = "";
  let wake = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<"closed" | "reset">();
  let isOver = false;
  const socket = await Bun.connect({
    hostname: url.hostname,
    port: Number(url.port),
    socket: {
      data(_, bytes) {
        received += bytes.toString("latin1");
        wake.resolve();
        wake = Promise.withResolvers();
      },
      close(_, error) {
        isOver = true;
        closed.resolve(error ? "reset" : "closed");
        wake.resolve();
      },
      error() {},
    },
  });
  socket.write(request);
  return {
    text: () => received,
    write: (text) => void socket.write(text),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    async until(condition) {
      while (!condition(received)) {
        if (isOver) throw new Error(`the connection ended with ${JSON.stringify(received.slice(0, 500))}`);
        await wake.promise;
      }
      return received;
    },
    closed: closed.promise,
    [Symbol.dispose]: () => socket.terminate(),
  };
}
