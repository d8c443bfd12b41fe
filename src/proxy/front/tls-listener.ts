// The listening side for https: handshakes with the certificate of each name, in bounds and in time; what follows is an ordinary connection.

import type { FFIFunction } from "bun:ffi";
import type { SecureContext } from "node:tls";
import type { Socket } from "bun";
import { openLibc } from "../../platform/libc.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { HandshakeResult, HttpsOptions } from "../data-plane.ts";

/** What a connection becomes when its handshake is done: told what happens to its socket. */
export interface SocketOwner {
  data(bytes: Buffer): void;
  drained(): void;
  ended(): void;
  closed(isReset: boolean): void;
}

export interface TlsListenerOptions extends HttpsOptions {
  readonly host: string;
  readonly reusePort: boolean;
  readonly clock: Clock;
  /** Begins the connection of a protocol: `h2`, or else HTTP/1.1. The socket's `data` is set by it. */
  begin(socket: Socket<SocketOwner>, protocol: "h2" | "http/1.1"): void;
  onDefect(error: Error): void;
}

export interface TlsListener {
  readonly port: number;
  stopAccepting(): void;
  /** Ends handshakes that are not done; what has become a connection is its listener's. */
  close(): void;
}

const HANDSHAKE_SECS = 10;
const SWEEP_MS = 1_000;
/** Of handshakes that are not done: beyond it the oldest ends. */
const HANDSHAKES_MOST = 4_096;
const CHALLENGE_PROTOCOL = "acme-tls/1";
/** TLS 1.2 (RFC 5246), as a number: Bun.listen takes no name. */
const TLS_1_2 = 0x0303;
/** What was sent to this port is no TLS but HTTP, which its sender will read. */
const PLAIN_ANSWER = Buffer.from(
  "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nConnection: close\r\n" +
    "Content-Length: 49\r\n\r\nThis port speaks https: ask with https:// before\n",
);
const LIBC = { write: { args: ["i32", "ptr", "u64"], returns: "i64" } } as const satisfies Record<
  string,
  FFIFunction
>;

/** Throws what Bun.listen throws, EADDRINUSE above all. */
export function createTlsListener(options: TlsListenerOptions): TlsListener {
  return new Handshakes(options);
}

/** Bun's socket as it is during a handshake: what its types leave out. */
interface HandshakeSocket extends Socket<SocketOwner> {
  resumeSNI(context: unknown, isRefused: boolean): void;
}

/** A connection until its handshake is done. */
class Handshake implements SocketOwner {
  readonly socket: HandshakeSocket;
  readonly beganAt: number;
  isOver = false;
  readonly #done: (handshake: Handshake) => void;

  constructor(socket: HandshakeSocket, beganAt: number, done: (handshake: Handshake) => void) {
    this.socket = socket;
    this.beganAt = beganAt;
    this.#done = done;
  }

  data(): void {}
  drained(): void {}
  ended(): void {
    this.socket.end();
  }
  closed(): void {
    this.isOver = true;
    this.#done(this);
  }
}

class Handshakes implements TlsListener {
  readonly port: number;
  readonly #options: TlsListenerOptions;
  /** In the order in which they began. */
  readonly #pending = new Set<Handshake>();
  readonly #server: { readonly port: number; stop(closeActive?: boolean): void };
  readonly #stopSweeping: () => void;
  readonly #libc = openLibc(LIBC);
  /** In memory of its own, as the C library needs it. */
  readonly #plainAnswer = Uint8Array.from(PLAIN_ANSWER);
  #tick = 0;
  #isAccepting = true;

  constructor(options: TlsListenerOptions) {
    this.#options = options;
    const { host, port, reusePort, certificates, placeholder, ciphers, clock } = options;
    const { chain, key } = certificates.fallback() ?? placeholder;
    const tls = { cert: chain, key, ciphers, minVersion: TLS_1_2 };
    const where = { hostname: host, port, reusePort, allowHalfOpen: true };
    this.#server = Bun.listen<SocketOwner>({
      ...where,
      tls: tls as Bun.TLSOptions,
      socket: this.#handlers() as Bun.SocketHandler<SocketOwner>,
    });
    this.port = this.#server.port;
    this.#stopSweeping = clock.every(SWEEP_MS, () => this.#sweep());
  }

  stopAccepting(): void {
    if (!this.#isAccepting) return;
    this.#isAccepting = false;
    this.#server.stop(false);
  }

  close(): void {
    this.stopAccepting();
    this.#stopSweeping();
    for (const { socket } of this.#pending) socket.terminate();
  }

  #handlers() {
    return {
      open: (socket: HandshakeSocket) => this.#open(socket),
      serverName: (_: unknown, name: string, socket: HandshakeSocket) => this.#choose(name, socket),
      alpnCallback: (socket: HandshakeSocket, name: string | undefined, wire: Uint8Array) =>
        this.#protocol(socket, name, wire),
      handshake: (socket: HandshakeSocket, isDone: boolean, error: Error | null) =>
        isDone ? this.#begin(socket) : this.#fail(socket, error),
      data: (socket: Socket<SocketOwner>, bytes: Buffer) => socket.data.data(bytes),
      drain: (socket: Socket<SocketOwner>) => socket.data.drained(),
      end: (socket: Socket<SocketOwner>) => socket.data.ended(),
      close: (socket: Socket<SocketOwner>, error?: Error) =>
        socket.data?.closed(error !== undefined && error !== null),
      error: (socket: Socket<SocketOwner>, error: Error) => {
        this.#options.onDefect(error);
        socket.terminate();
      },
    };
  }

  #open(socket: HandshakeSocket): void {
    const handshake = new Handshake(socket, this.#tick, (over) => this.#pending.delete(over));
    socket.data = handshake;
    this.#pending.add(handshake);
    if (this.#pending.size <= HANDSHAKES_MOST) return;
    const [oldest] = this.#pending;
    if (oldest !== undefined) this.#end(oldest, "crowded");
  }

  /** The context of a name; `true`: it comes later; an error refuses the handshake. */
  #choose(name: string, socket: HandshakeSocket): unknown {
    try {
      const found = this.#options.certificates.contextFor(name);
      if (!(found instanceof Promise)) return found?.context ?? this.#unknown(socket);
      void found.then(
        (context) => this.#resume(socket, context),
        () => this.#resume(socket, undefined),
      );
      return true;
    } catch (thrown) {
      this.#options.onDefect(thrown as Error);
      return new Error("no certificate");
    }
  }

  /** A name without a certificate gets the operator's own default, where there is one. */
  #unknown(socket: HandshakeSocket): undefined | Error {
    if (this.#options.certificates.fallback() !== undefined) return undefined;
    this.#note(socket, "unknown_name");
    return new Error("no certificate");
  }

  #resume(socket: HandshakeSocket, context: SecureContext | undefined): void {
    const handshake = socket.data;
    if (!(handshake instanceof Handshake) || handshake.isOver) return;
    if (context !== undefined) {
      socket.resumeSNI(context.context, false);
      return;
    }
    const isRefused = this.#unknown(socket) !== undefined;
    socket.resumeSNI(undefined, isRefused);
  }

  /** The protocol of those that are offered; undefined refuses the handshake. */
  #protocol(socket: HandshakeSocket, name: string | undefined, wire: Uint8Array): string | undefined {
    const { http2, certificates } = this.#options;
    const offered = protocolsIn(wire);
    if (offered.includes(CHALLENGE_PROTOCOL)) return CHALLENGE_PROTOCOL;
    if (!name && certificates.fallback() === undefined) {
      this.#note(socket, "no_name");
      return undefined;
    }
    if (http2 && offered.includes("h2")) return "h2";
    return offered.includes("http/1.1") ? "http/1.1" : undefined;
  }

  #begin(socket: HandshakeSocket): void {
    const handshake = socket.data as Handshake;
    this.#pending.delete(handshake);
    if (socket.alpnProtocol === CHALLENGE_PROTOCOL) return void socket.end();
    if (!socket.getServername() && this.#options.certificates.fallback() === undefined) {
      this.#note(socket, "no_name");
      socket.terminate();
      return;
    }
    this.#options.onHandshake("done");
    try {
      this.#options.begin(socket, socket.alpnProtocol === "h2" ? "h2" : "http/1.1");
    } catch (thrown) {
      this.#options.onDefect(thrown as Error);
      socket.terminate();
    }
  }

  #fail(socket: HandshakeSocket, error: Error | null): void {
    const handshake = socket.data;
    const wasNoted = handshake instanceof Handshake && handshake.isOver;
    const isPlain = /HTTP_REQUEST/.test(error?.message ?? "");
    if (isPlain) this.#answerPlain(socket);
    if (!wasNoted) this.#note(socket, isPlain ? "plain_http" : "failed");
    socket.terminate();
  }

  /** Past TLS, which would only encrypt it: its descriptor is still open. */
  #answerPlain(socket: HandshakeSocket): void {
    const { fd } = socket as unknown as { readonly fd: number };
    if (this.#libc !== undefined && fd >= 0)
      this.#libc.write(fd, this.#plainAnswer, BigInt(this.#plainAnswer.length));
  }

  #note(socket: HandshakeSocket, result: HandshakeResult): void {
    if (socket.data instanceof Handshake) socket.data.isOver = true;
    this.#options.onHandshake(result);
  }

  #end(handshake: Handshake, result: HandshakeResult): void {
    this.#pending.delete(handshake);
    this.#note(handshake.socket, result);
    handshake.socket.terminate();
  }

  #sweep(): void {
    this.#tick += 1;
    for (const handshake of this.#pending) {
      if (this.#tick - handshake.beganAt <= HANDSHAKE_SECS) return;
      this.#end(handshake, "late");
    }
  }
}

/** The names in the list of ALPN (RFC 7301 section 3.1): each behind one byte with its length. */
function protocolsIn(wire: Uint8Array): string[] {
  const bytes = Buffer.from(wire);
  const names: string[] = [];
  for (let at = 0; at < bytes.length; at += 1 + (bytes[at] as number))
    names.push(bytes.latin1Slice(at + 1, at + 1 + (bytes[at] as number)));
  return names;
}
