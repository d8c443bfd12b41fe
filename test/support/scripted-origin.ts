// A server on a raw socket that answers exactly what a test says, byte for byte.
import type { Socket } from "bun";
import type { Origin } from "../../src/proxy/http-client.ts";
import { testCertificate, testKey } from "./certificate.ts";

/** A request as it came over the wire. */
export interface SeenRequest {
  readonly head: string;
  readonly body: string;
  readonly connection: OriginConnection;
  /** How many requests came before it on its connection. */
  readonly nth: number;
}

export interface OriginConnection {
  /** Writes everything, waiting for the peer where it is slow. */
  write(bytes: string | Uint8Array): void;
  /** Closes in good order once everything is written. */
  end(): void;
  /** Resets at once. */
  reset(): void;
  /** Everything that has been received. */
  received(): string;
  /** How many bytes have been written to the kernel so far. */
  written(): number;
  /** Resolves when the peer has closed or reset. */
  readonly closed: Promise<void>;
}

export interface ScriptedOrigin extends AsyncDisposable {
  readonly origin: Origin;
  readonly connections: readonly OriginConnection[];
  readonly requests: readonly SeenRequest[];
}

export interface Script {
  /** Called for each whole request. */
  onRequest?(request: SeenRequest): void;
  /** Called when a connection is accepted. */
  onConnect?(connection: OriginConnection): void;
  /** Called for whatever arrives, before it is looked at as a request. */
  onData?(connection: OriginConnection): void;
}

interface State {
  readonly connection: OriginConnection;
  received: string;
  unread: string;
  unwritten: Uint8Array;
  written: number;
  isEnding: boolean;
  nth: number;
  readonly markClosed: () => void;
}

export function scriptedOrigin(script: Script, where: { tls?: boolean; unix?: string } = {}): ScriptedOrigin {
  const connections: OriginConnection[] = [];
  const requests: SeenRequest[] = [];

  function accept(socket: Socket<State>): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    const connection: OriginConnection = {
      write(bytes) {
        const more = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
        socket.data.unwritten = Buffer.concat([socket.data.unwritten, more]);
        flush(socket);
      },
      end() {
        socket.data.isEnding = true;
        flush(socket);
      },
      reset: () => socket.terminate(),
      received: () => socket.data.received,
      written: () => socket.data.written,
      closed: promise,
    };
    socket.data = {
      connection,
      received: "",
      unread: "",
      unwritten: new Uint8Array(0),
      written: 0,
      isEnding: false,
      nth: 0,
      markClosed: resolve,
    };
    connections.push(connection);
    script.onConnect?.(connection);
  }

  function receive(socket: Socket<State>, bytes: Buffer): void {
    const { data } = socket;
    data.received += bytes.toString("latin1");
    data.unread += bytes.toString("latin1");
    script.onData?.(data.connection);
    for (let whole = takeRequest(data.unread); whole !== undefined; whole = takeRequest(data.unread)) {
      data.unread = whole.rest;
      const { head, body } = whole;
      const request = { head, body, connection: data.connection, nth: data.nth++ };
      requests.push(request);
      script.onRequest?.(request);
    }
  }

  const handlers = {
    open: accept,
    data: receive,
    drain: flush,
    close: (socket: Socket<State>) => socket.data.markClosed(),
    error: (socket: Socket<State>) => void socket.terminate(),
  };
  const tls = where.tls ? { tls: { key: testKey, cert: testCertificate } } : {};
  const listener =
    where.unix === undefined
      ? Bun.listen<State>({ hostname: "127.0.0.1", port: 0, socket: handlers, ...tls })
      : Bun.listen<State>({ unix: where.unix, socket: handlers, ...tls });
  const port = where.unix === undefined ? (listener as Bun.TCPSocketListener<State>).port : 0;
  return {
    origin: { host: "127.0.0.1", port, ...(where.unix !== undefined && { unix: where.unix }) },
    connections,
    requests,
    async [Symbol.asyncDispose]() {
      listener.stop(true);
    },
  };
}

function flush(socket: Socket<State>): void {
  const { data } = socket;
  if (data.unwritten.byteLength > 0) {
    const taken = Math.max(0, socket.write(data.unwritten));
    data.written += taken;
    data.unwritten = data.unwritten.subarray(taken);
  }
  if (data.isEnding && data.unwritten.byteLength === 0) socket.end();
}

/** The first whole request in `text`, framed by Content-Length or chunks. */
function takeRequest(text: string): { head: string; body: string; rest: string } | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = text.slice(0, end + 4);
  const behind = text.slice(end + 4);
  if (/\r\ntransfer-encoding: chunked\r\n/i.test(head)) {
    const last = behind.startsWith("0\r\n\r\n") ? 0 : behind.indexOf("\r\n0\r\n\r\n") + 2;
    if (last === 1) return undefined;
    return { head, body: behind.slice(0, last + 5), rest: behind.slice(last + 5) };
  }
  const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1] ?? 0);
  if (behind.length < length) return undefined;
  return { head, body: behind.slice(0, length), rest: behind.slice(length) };
}
