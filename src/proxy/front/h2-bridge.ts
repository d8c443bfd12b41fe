// HTTP/2 after its handshake: its bytes go to a server of Bun's on this machine, and each of its requests comes back to our own listener.
import type { Socket } from "bun";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import { ownResponse } from "../answers.ts";
import { giveBack } from "../upstream/give-back.ts";
import { asSocket, feed, StreamSocket } from "./h2-stream.ts";
import type { Listener, ServedElsewhere } from "./listener.ts";
import type { Proxied } from "./proxy-headers.ts";
import type { SocketOwner } from "./tls-listener.ts";

export interface Http2Options {
  readonly clock: Clock;
  /** Where requests go on. */
  listener(): Listener;
  onDefect(error: Error): void;
}

export interface Http2Bridge {
  /** Takes over a socket whose handshake is done. */
  begin(socket: Socket<SocketOwner>, from: From): void;
  /** Whether there are connections that have only just begun: their requests are on their way. */
  readonly isBusy: boolean;
  /** Tells clients that no further requests are taken on their connections, as soon as none `begins` any more. */
  stopAccepting(begins: () => boolean): Promise<void>;
  /** Connections end as they have what was answered, but after a second at most. */
  close(): Promise<void>;
}

/** Whose a connection is. */
interface From {
  readonly peer: string;
  readonly proxied: Proxied | undefined;
  readonly serverName: string | undefined;
}

/** Whose a connection to Bun's server is: nobody else gets an answer there. */
interface Visitor extends From {
  streams: number;
}

/** What a visitor may send before Bun's server has been reached, which takes no time. */
const EARLY_MOST_BYTES = 1_048_576;
/** What a connection begins with (RFC 9113 section 3.4); Bun's server would take HTTP/1.1 as well. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const SWEEP_MS = 10_000;
/** How long the last bytes of answers may take to their visitors when everything has been answered, and when none are left. */
const CLOSE_MS = 1_000;
const QUIET_MS = 100;
const STEP_MS = 20;
/** How long a connection without a request may say nothing. */
const IDLE_SECS = 180;
/** How long one is left alone that has nothing to do at the moment. */
const FRESH_SECS = 1;

export function createHttp2Bridge(options: Http2Options): Http2Bridge {
  return new Bridge(options);
}

class Bridge implements Http2Bridge {
  readonly #options: Http2Options;
  /** By the port of our end of the connection to Bun's server. */
  readonly #visitors = new Map<number, Visitor>();
  readonly #pipes = new Set<Pipe>();
  readonly #server: Bun.Server<undefined>;
  readonly #stopSweeping: () => void;

  constructor(options: Http2Options) {
    this.#options = options;
    const settings = {
      hostname: "127.0.0.1",
      port: 0,
      // Its type does not know it; without TLS it is spoken at once (RFC 9113 section 3.3).
      http2: true,
      idleTimeout: 0,
      development: false,
      maxRequestBodySize: Number.POSITIVE_INFINITY,
      error: (error: Error) => {
        options.onDefect(error);
        return ownResponse("internal");
      },
      fetch: (request: Request, server: Bun.Server<undefined>) => this.#answer(request, server),
    };
    this.#server = Bun.serve(settings);
    this.#stopSweeping = options.clock.every(SWEEP_MS, () => this.#sweep());
  }

  begin(socket: Socket<SocketOwner>, from: From): void {
    const listener = this.#options.listener();
    const visitor = { ...from, streams: 0 };
    const pipe = new Pipe(socket, visitor, this.#options.clock.monotonic, (over, port) => {
      this.#pipes.delete(over);
      listener.letGo(over);
      if (port !== undefined) this.#visitors.delete(port);
    });
    socket.data = pipe;
    if (!listener.hold(pipe, (socket as { readonly fd?: number }).fd ?? -1, from.proxied)) {
      pipe.cut();
      return;
    }
    this.#pipes.add(pipe);
    pipe.connect(this.#server.port ?? 0, (port) => this.#visitors.set(port, visitor));
  }

  async #answer(request: Request, server: Bun.Server<undefined>): Promise<Response> {
    const visitor = this.#visitors.get(server.requestIP(request)?.port ?? -1);
    // Somebody on this machine has found the port.
    if (visitor === undefined) return new Response(null, { status: 403 });
    const { peer, proxied, serverName } = visitor;
    const socket = new StreamSocket(peer, request.method === "HEAD");
    request.signal.addEventListener("abort", () => socket.left(), { once: true });
    this.#options
      .listener()
      .adopt(asSocket(socket), { isTls: true, serverName, peer, proxied, isCounted: false });
    visitor.streams += 1;
    void socket.done.then(() => {
      visitor.streams -= 1;
    });
    // An answer may come before its request is whole.
    void feed(socket, request).catch(() => socket.refuse());
    return socket.answer;
  }

  get isBusy(): boolean {
    const now = this.#options.clock.monotonic();
    for (const pipe of this.#pipes) if (!pipe.hasBegun && now - pipe.movedAt < CLOSE_MS) return true;
    return false;
  }

  async stopAccepting(begins: () => boolean): Promise<void> {
    while (begins() || this.isBusy) await sleep(this.#options.clock, STEP_MS);
    void this.#server.stop(false);
  }

  async close(): Promise<void> {
    this.#stopSweeping();
    const { clock } = this.#options;
    const until = clock.monotonic() + CLOSE_MS;
    while (this.#pipes.size > 0 && clock.monotonic() < until) {
      for (const pipe of this.#pipes) if (clock.monotonic() - pipe.movedAt > QUIET_MS) pipe.end();
      await sleep(clock, STEP_MS);
    }
    for (const pipe of this.#pipes) pipe.end();
    void this.#server.stop(true);
  }

  #sweep(): void {
    for (const pipe of this.#pipes) if (pipe.streams === 0 && pipe.silentSecs > IDLE_SECS) pipe.end();
  }
}

/** Bytes both ways, each side read only as fast as the other takes. */
class Pipe implements SocketOwner, ServedElsewhere {
  readonly #from: Visitor;
  movedAt: number;
  /** Bun's server has spoken. */
  hasBegun = false;
  port: number | undefined;
  readonly #visitor: Socket<SocketOwner>;
  readonly #now: () => number;
  readonly #onOver: (pipe: Pipe, port: number | undefined) => void;
  #server: Socket<undefined> | undefined;
  /** What each side has not taken yet. */
  #toServer: Buffer | undefined;
  #toVisitor: Buffer | undefined;
  #isOver = false;
  #hasServerEnded = false;
  /** Of the preface. */
  #readBytes = 0;

  constructor(
    visitor: Socket<SocketOwner>,
    from: Visitor,
    now: () => number,
    onOver: (pipe: Pipe, port: number | undefined) => void,
  ) {
    this.#visitor = visitor;
    this.#from = from;
    this.#now = now;
    this.#onOver = onOver;
    this.movedAt = now();
  }

  connect(port: number, onPort: (port: number) => void): void {
    // Not paused meanwhile: what came with the end of the handshake would be held back for ever (Bun 1.4.5).
    Bun.connect<undefined>({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: (socket) => {
          if (this.#isOver) {
            socket.terminate();
            return;
          }
          this.#server = socket;
          socket.setNoDelay(true);
          this.port = socket.localPort;
          onPort(socket.localPort);
          this.#serverDrained();
        },
        data: (_, bytes) => this.#fromServer(bytes),
        drain: () => this.#serverDrained(),
        end: () => this.#serverEnded(),
        close: () => this.#serverEnded(),
        error: () => this.end(),
      },
    }).catch(() => this.end());
  }

  get peer(): string {
    return this.#from.peer;
  }

  get streams(): number {
    return this.#from.streams;
  }

  get silentSecs(): number {
    return (this.#now() - this.movedAt) / 1000;
  }

  /** What has just come may be a request that Bun's server has not told of yet. */
  get isIdle(): boolean {
    return this.streams === 0 && this.heldBytes === 0 && this.silentSecs > FRESH_SECS;
  }

  closeIdle(): void {
    if (this.isIdle) this.end();
  }

  get heldBytes(): number {
    return (this.#toServer?.length ?? 0) + (this.#toVisitor?.length ?? 0);
  }

  data(bytes: Buffer): void {
    this.movedAt = this.#now();
    if (this.#readBytes < PREFACE.length && !this.#isPreface(bytes)) {
      this.end();
      return;
    }
    const taken = this.#toServer === undefined ? (this.#server?.write(bytes) ?? 0) : 0;
    if (taken >= bytes.length || taken < 0) return;
    const rest = bytes.subarray(taken);
    this.#toServer = this.#toServer === undefined ? rest : Buffer.concat([this.#toServer, rest]);
    if (this.#server !== undefined) this.#visitor.pause();
    else if (this.#toServer.length > EARLY_MOST_BYTES) this.end();
  }

  #isPreface(bytes: Buffer): boolean {
    const length = Math.min(bytes.length, PREFACE.length - this.#readBytes);
    const from = this.#readBytes;
    this.#readBytes += length;
    return bytes.subarray(0, length).equals(PREFACE.subarray(from, from + length));
  }

  #serverDrained(): void {
    const rest = this.#toServer;
    if (rest === undefined) return;
    const taken = this.#server?.write(rest) ?? 0;
    if (taken < rest.length) {
      if (taken > 0) this.#toServer = rest.subarray(taken);
      return;
    }
    this.#toServer = undefined;
    this.#visitor.resume();
  }

  #fromServer(bytes: Buffer): void {
    this.hasBegun = true;
    this.movedAt = this.#now();
    const taken = this.#toVisitor === undefined ? this.#visitor.write(bytes) : 0;
    if (taken >= bytes.length || taken < 0) {
      giveBack(bytes);
      return;
    }
    const rest = bytes.subarray(taken);
    this.#toVisitor = this.#toVisitor === undefined ? rest : Buffer.concat([this.#toVisitor, rest]);
    this.#server?.pause();
  }

  drained(): void {
    const rest = this.#toVisitor;
    if (rest === undefined) return;
    const taken = this.#visitor.write(rest);
    if (taken < rest.length) {
      if (taken > 0) this.#toVisitor = rest.subarray(taken);
      return;
    }
    this.#toVisitor = undefined;
    if (this.#hasServerEnded) this.end();
    else this.#server?.resume();
  }

  /** What its visitor has not taken yet still goes out. */
  #serverEnded(): void {
    this.#hasServerEnded = true;
    if (this.#toVisitor === undefined) this.end();
  }

  ended(): void {
    this.end();
  }

  cut(): void {
    this.#visitor.terminate();
    this.end();
  }

  closed(): void {
    this.end();
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onOver(this, this.port);
    this.#server?.end();
    this.#visitor.end();
  }
}
