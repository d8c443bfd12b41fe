// The listening side for https: handshakes with the certificate of each name, in bounds and in time; what follows is an ordinary connection.

import type { FFIFunction } from "bun:ffi";
import type { SecureContext } from "node:tls";
import type { Socket } from "bun";
import { offeredProtocols, protocolNames } from "../../core/client-hello.ts";
import { openLibc } from "../../platform/libc.ts";
import type { FirstBytes } from "../../platform/net/first-bytes.ts";
import { duplicateOf } from "../../platform/net/listening-socket.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { HandshakeResult, HttpsOptions } from "../data-plane.ts";
import { type Listening, whereOf } from "./listener.ts";
import type { Proxied, ProxyHeaders } from "./proxy-headers.ts";

/** What a connection becomes when its handshake is done: told what happens to its socket. */
export interface SocketOwner {
  data(bytes: Buffer): void;
  drained(): void;
  ended(): void;
  closed(isReset: boolean): void;
}

export interface TlsListenerOptions extends Omit<HttpsOptions, "port" | "listenerFd"> {
  readonly listening: Listening;
  readonly clock: Clock;
  /** Undefined where the system has no such thing: TLS-ALPN-01 cannot be answered then. */
  readonly firstBytes: FirstBytes | undefined;
  /** Who may say whose a connection is; undefined: nobody. */
  readonly proxyHeaders: ProxyHeaders | undefined;
  /**
   * Begins the connection of a protocol: `h2`, or else HTTP/1.1. The socket's `data` is set by it. `proxied`: whose it is, as the proxy
   * said that it came by.
   */
  begin(socket: Socket<SocketOwner>, protocol: "h2" | "http/1.1", proxied: Proxied | undefined): void;
  onDefect(error: Error): void;
}

export interface TlsListener {
  readonly port: number;
  /** Whether handshakes are under way that have only just begun: their clients send their requests nowhere else. */
  readonly isBusy: boolean;
  stopAccepting(): void;
  /** Ends handshakes that are not done; what has become a connection is its listener's. */
  close(): void;
}

const HANDSHAKE_SECS = 10;
/** What takes longer does so because of its client. */
const FRESH_SECS = 3;
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
/** A fatal alert, unrecognized_name (RFC 6066 section 3), as it is written before anything is encrypted: Bun 1.4.5 only hangs up. */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 3, 0, 2, 2, 112]);
const LIBC = { write: { args: ["i32", "ptr", "u64"], returns: "i64" } } as const satisfies Record<
  string,
  FFIFunction
>;

/** Throws what Bun.listen throws, EADDRINUSE above all. */
export function createTlsListener(options: TlsListenerOptions): TlsListener {
  return new Handshakes(options);
}

interface Server {
  readonly port: number;
  stop(closeActive?: boolean): void;
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
  /** By an authority that validates a name, which offers this one protocol and no other (RFC 8737 section 3). */
  isForAuthority = false;
  proxied: Proxied | undefined;
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
  #server: Server;
  /** What who names no host is shown: a listener has it from its start. */
  #shown: string | undefined;
  readonly #stopFollowing: () => void;
  readonly #stopSweeping: () => void;
  readonly #libc = openLibc(LIBC);
  /** In memory of their own, as the C library needs them. */
  readonly #plainAnswer = Uint8Array.from(PLAIN_ANSWER);
  readonly #unrecognizedName = Uint8Array.from(UNRECOGNIZED_NAME);
  #tick = 0;
  #isAccepting = true;

  constructor(options: TlsListenerOptions) {
    this.#options = options;
    const { listening, certificates, clock } = options;
    this.#server = this.#listen(whereOf(listening));
    this.port = "fd" in listening ? listening.port : this.#server.port;
    this.#stopFollowing = certificates.follow(async () => this.#showFallback());
    this.#stopSweeping = clock.every(SWEEP_MS, () => this.#sweep());
  }

  #listen(where: object): Server {
    const { placeholder, certificates, ciphers } = this.#options;
    const fallback = certificates.fallback();
    const { chain, key } = fallback ?? placeholder;
    const tls = { cert: chain, key, ciphers, minVersion: TLS_1_2 };
    const server = Bun.listen<SocketOwner>({
      ...where,
      allowHalfOpen: true,
      tls: tls as Bun.TLSOptions,
      socket: this.#handlers() as Bun.SocketHandler<SocketOwner>,
    } as Bun.TCPSocketListenOptions<SocketOwner>);
    this.#shown = fallback?.chain;
    return server;
  }

  /**
   * The certificate for who names no host is that of the listener itself: another one takes its place on the same socket, and nobody is
   * refused meanwhile.
   */
  #showFallback(): void {
    if (!this.#isAccepting || this.#options.certificates.fallback()?.chain === this.#shown) return;
    const fd = duplicateOf(this.#server);
    if (fd === undefined) return;
    const before = this.#server;
    try {
      this.#server = this.#listen({ fd });
      before.stop(false);
    } catch (thrown) {
      this.#options.onDefect(thrown as Error);
    }
  }

  get isBusy(): boolean {
    for (const { beganAt } of this.#pending) if (this.#tick - beganAt <= FRESH_SECS) return true;
    return false;
  }

  stopAccepting(): void {
    if (!this.#isAccepting) return;
    this.#isAccepting = false;
    this.#server.stop(false);
  }

  close(): void {
    this.stopAccepting();
    this.#stopFollowing();
    this.#stopSweeping();
    for (const { socket } of this.#pending) socket.terminate();
  }

  #handlers() {
    return {
      open: (socket: HandshakeSocket) => this.#open(socket),
      // Not called without a name.
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
    const handshake = new Handshake(socket, this.#tick, (over) => {
      this.#pending.delete(over);
      this.#options.firstBytes?.forget(socket);
    });
    socket.data = handshake;
    this.#pending.add(handshake);
    if (this.#pending.size > HANDSHAKES_MOST) {
      const [oldest] = this.#pending;
      if (oldest !== undefined) this.#end(oldest, "crowded");
    }
    const { proxyHeaders } = this.#options;
    if (proxyHeaders === undefined) this.#look(handshake);
    else
      proxyHeaders.expect(socket, (proxied) => {
        handshake.proxied = proxied;
        this.#look(handshake);
      });
  }

  /** Only while a name is being validated: whether it is its authority who asks has to be known before a certificate is chosen. */
  #look(handshake: Handshake): void {
    if (!this.#options.certificates.hasChallenges) return;
    this.#options.firstBytes?.expect(handshake.socket, {
      look: offeredProtocols,
      found(offered) {
        handshake.isForAuthority = offered.length === 1 && offered[0] === CHALLENGE_PROTOCOL;
      },
      deadlineMs: HANDSHAKE_SECS * 1_000,
    });
  }

  /** The context of a name; `true`: it comes later; an error refuses the handshake. */
  #choose(name: string, socket: HandshakeSocket): unknown {
    try {
      const { certificates } = this.#options;
      if ((socket.data as Handshake).isForAuthority)
        return certificates.challengeFor(name)?.context ?? this.#refuseName(socket);
      const found = certificates.contextFor(name);
      if (!(found instanceof Promise)) return found?.context ?? this.#orFallback(socket, "unknown_name");
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

  /** Who names no host, or a foreign one, gets the operator's own default, which is the listener's (undefined), where there is one. */
  #orFallback(socket: HandshakeSocket, result: "no_name" | "unknown_name"): Error | undefined {
    if (this.#shown !== undefined) return undefined;
    return result === "no_name" ? this.#refuse(socket, result) : this.#refuseName(socket);
  }

  #refuse(socket: HandshakeSocket, result: HandshakeResult): Error {
    this.#note(socket, result);
    return new Error("no certificate");
  }

  #refuseName(socket: HandshakeSocket): Error {
    this.#say(socket, this.#unrecognizedName);
    return this.#refuse(socket, "unknown_name");
  }

  #resume(socket: HandshakeSocket, context: SecureContext | undefined): void {
    const handshake = socket.data;
    if (!(handshake instanceof Handshake) || handshake.isOver) return;
    const isRefused = context === undefined && this.#orFallback(socket, "unknown_name") !== undefined;
    socket.resumeSNI(context?.context, isRefused);
  }

  /** The protocol of those that are offered; undefined refuses the handshake. */
  #protocol(socket: HandshakeSocket, name: string | undefined, wire: Uint8Array): string | undefined {
    if (!name && this.#orFallback(socket, "no_name") !== undefined) return undefined;
    if ((socket.data as Handshake).isForAuthority) return name ? CHALLENGE_PROTOCOL : undefined;
    const offered = protocolNames(wire);
    if (this.#options.http2 && offered.includes("h2")) return "h2";
    return offered.includes("http/1.1") ? "http/1.1" : undefined;
  }

  #begin(socket: HandshakeSocket): void {
    const handshake = socket.data as Handshake;
    this.#pending.delete(handshake);
    // Who offers no protocol is asked for a name only now (Bun 1.4.5).
    const isRefused = !socket.getServername() && this.#orFallback(socket, "no_name") !== undefined;
    if (isRefused) return void socket.terminate();
    this.#options.onHandshake("done");
    // Its certificate is all that an authority wants to see.
    if (handshake.isForAuthority) return void socket.end();
    try {
      this.#options.begin(socket, socket.alpnProtocol === "h2" ? "h2" : "http/1.1", handshake.proxied);
    } catch (thrown) {
      this.#options.onDefect(thrown as Error);
      socket.terminate();
    }
  }

  #fail(socket: HandshakeSocket, error: Error | null): void {
    const handshake = socket.data;
    const wasNoted = handshake instanceof Handshake && handshake.isOver;
    const isPlain = /HTTP_REQUEST/.test(error?.message ?? "");
    if (isPlain) this.#say(socket, this.#plainAnswer);
    if (!wasNoted) this.#note(socket, isPlain ? "plain_http" : "failed");
    socket.terminate();
  }

  /** Past TLS, which would only encrypt it: its descriptor is still open. */
  #say(socket: HandshakeSocket, bytes: Uint8Array): void {
    const { fd } = socket as unknown as { readonly fd: number };
    if (this.#libc !== undefined && fd >= 0) this.#libc.write(fd, bytes, BigInt(bytes.length));
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
