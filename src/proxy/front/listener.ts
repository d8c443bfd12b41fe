// The listening side of the proxy: accepts connections, sweeps over them once a second, and closes without cutting anybody off early.
import type { Socket, SocketHandler } from "bun";
import { bracketed } from "../../core/host.ts";
import type { RequestHead } from "../../core/http1/request-head.ts";
import type { RequestRules } from "../../core/http1/request-rules.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import type { AnswerName } from "../answers.ts";
import type { FrontLimits } from "../data-plane.ts";
import type { RequestState } from "../forward/request-state.ts";
import { ClientConnection, type Front } from "./client-connection.ts";
import { isLoopback, plain, Shares, shareOf } from "./gate.ts";
import type { Notices } from "./notices.ts";
import type { Proxied, ProxyHeaders } from "./proxy-headers.ts";

/** On closing: for how long connections are told to close before the listener goes, while requests still come. */
const FAREWELL_MS = 1_000;
const STEP_MS = 50;
const SWEEP_MS = 1_000;

/** Where to listen: an address, or a listening socket that somebody has opened before and goes on owning. */
export type Listening =
  | { readonly host: string; readonly port: number; readonly reusePort: boolean }
  | { readonly fd: number; readonly host: string; readonly port: number };

/** What is known of a socket that it does not say itself. */
export interface Adopted {
  readonly isTls: boolean;
  /** The host that its handshake named. */
  readonly serverName?: string | undefined;
  /** Whose it is, where another's passes it on. */
  readonly peer?: string;
  /** What a proxy said of it. */
  readonly proxied?: Proxied | undefined;
  /** Whether it is one of its peer's connections; a request of HTTP/2 is not. */
  readonly isCounted?: boolean;
}

export interface ListenerOptions {
  readonly listening: Listening;
  readonly clock: Clock;
  readonly limits: FrontLimits;
  /** Who may say whose a connection is; undefined: nobody. */
  readonly proxyHeaders?: ProxyHeaders | undefined;
  /** Told of what was refused or closed, for the operator. */
  readonly notices: Notices;
  isTrusted(address: string): boolean;
  rulesFor(client: ClientConnection): RequestRules;
  /** The request as it goes on; undefined when it has been answered. */
  handle(client: ClientConnection, head: RequestHead): RequestState | undefined;
  onDefect(error: Error): void;
  /** Whether there are connections elsewhere that are about to become this listener's. */
  isAwaiting?(): boolean;
  /** Nobody is accepted any more: other listeners that hand over to this one do the same. */
  onStopAccepting?(): void;
}

export interface Listener {
  readonly url: URL;
  /** The handlers of sockets that are accepted elsewhere: `open` begins a connection of this listener. */
  socketHandlers(isTls: boolean): SocketHandler<ClientConnection>;
  /** Begins a connection on a socket that was accepted elsewhere, as after a TLS handshake; what happens to the socket then is its `data`'s. */
  adopt(socket: Socket<ClientConnection>, from: Adopted): void;
  /** Counts one more connection of a peer that is none of this listener's, until the answer is called; undefined: the peer has too many. */
  admit(peer: string, proxied: Proxied | undefined): (() => void) | undefined;
  /** Connections that are open. */
  readonly connections: number;
  /** Accepts no more; the socket itself lives on where others hold it. */
  stopAccepting(): void;
  /** Closes connections that nobody would miss. */
  closeIdle(): void;
  /** Stops accepting, waits until every client has its answer but at most `deadlineMs`, then cuts the rest. */
  close(deadlineMs: number): Promise<void>;
}

/** Throws what Bun.listen throws, EADDRINUSE above all. */
export function createListener(options: ListenerOptions): Listener {
  return new TcpListener(options);
}

class TcpListener implements Listener, Front {
  readonly url: URL;
  tick = 0;
  isClosing = false;
  readonly minBodyRate: number;
  readonly #options: ListenerOptions;
  /** With what to call when each is gone. */
  readonly #clients = new Map<ClientConnection, () => void>();
  /** Connections by peer, and requests by client. */
  readonly #connections: Shares;
  readonly #requests: Shares;
  readonly #server: { readonly port: number; stop(closeActive?: boolean): void };
  readonly #stopSweeping: () => void;
  #arrived = 0;
  #isAccepting = true;

  constructor(options: ListenerOptions) {
    this.#options = options;
    const { listening, clock, limits } = options;
    this.minBodyRate = limits.minBodyRate;
    this.#connections = new Shares(limits.maxClientConnections);
    this.#requests = new Shares(limits.maxClientRequests);
    // Who has ended his half may still read; each handler is told, and ends the other (Bun 1.4.5 keeps it else).
    const common = { allowHalfOpen: true, socket: this.socketHandlers(false) };
    const { host: hostname, port: asked } = listening;
    this.#server = Bun.listen<ClientConnection>({
      ...common,
      ...whereOf(listening),
    } as Bun.TCPSocketListenOptions<ClientConnection>);
    const port = "fd" in listening ? asked : this.#server.port;
    this.url = new URL(`http://${bracketed(hostname)}:${port}`);
    this.#stopSweeping = clock.every(SWEEP_MS, () => {
      this.tick += 1;
      this.#sweep();
    });
  }

  get connections(): number {
    return this.#clients.size;
  }

  socketHandlers(isTls: boolean): SocketHandler<ClientConnection> {
    return {
      open: (socket) => this.#accept(socket, isTls),
      data: (socket, bytes) => socket.data.data(bytes),
      drain: (socket) => socket.data.drained(),
      end: (socket) => socket.data.ended(),
      close: (socket, error) => socket.data?.closed(error !== undefined && error !== null),
      error: (socket, error) => {
        this.onDefect(error);
        socket.data?.cut();
      },
    };
  }

  #accept(socket: Socket<ClientConnection>, isTls: boolean): void {
    const { proxyHeaders } = this.#options;
    if (proxyHeaders === undefined) {
      this.adopt(socket, { isTls });
      return;
    }
    // Who leaves before it is known whose the connection is.
    const unknown = { data() {}, drained() {}, ended() {}, closed: () => proxyHeaders.forget(socket) };
    socket.data = unknown as unknown as ClientConnection;
    proxyHeaders.expect(socket, (proxied) => this.adopt(socket, { isTls, proxied }));
  }

  admit(peer: string, proxied: Proxied | undefined): (() => void) | undefined {
    const share = this.#shareFor(peer, proxied);
    if (share === undefined) return () => {};
    if (this.#connections.enter(share)) return () => this.#connections.leave(share);
    this.#options.notices.tell(
      `connections ${share}`,
      `${share} has too many connections: new ones are closed`,
    );
    return undefined;
  }

  /** As whose a connection counts; undefined: as nobody's. What a proxy says never makes it one of our own. */
  #shareFor(peer: string, proxied: Proxied | undefined): string | undefined {
    if (proxied?.source !== undefined) return shareOf(proxied.source);
    return isLoopback(peer) || this.#options.isTrusted(peer) ? undefined : shareOf(peer);
  }

  adopt(
    socket: Socket<ClientConnection>,
    { isTls, serverName, peer = plain(socket.remoteAddress ?? ""), proxied, isCounted = true }: Adopted,
  ): void {
    const leave = isCounted ? this.admit(peer, proxied) : () => {};
    if (leave === undefined) {
      socket.terminate();
      return;
    }
    const client = new ClientConnection(this, socket, {
      peer,
      // What comes through a proxy that only passes bytes on is its visitor's own word.
      peerTrusted: proxied === undefined && this.#options.isTrusted(peer),
      visitor: proxied?.source ?? peer,
      isTls,
      share: this.#shareFor(peer, proxied),
      serverName,
      localHost: bracketed(plain(socket.localAddress ?? "127.0.0.1")),
    });
    socket.data = client;
    this.#clients.set(client, leave);
  }

  rulesFor(client: ClientConnection): RequestRules {
    return this.#options.rulesFor(client);
  }

  handle(client: ClientConnection, head: RequestHead): RequestState | undefined {
    this.#arrived += 1;
    return this.#options.handle(client, head);
  }

  onRefused(name: AnswerName, { peer }: ClientConnection): void {
    this.#options.notices.tell(`refused ${name}`, `a request of ${peer} was refused: ${name}`);
  }

  /** Whether a client may have one more request in flight: counted until `leave`. */
  enter(client: string): string | undefined {
    const share = shareOf(client);
    if (this.#requests.enter(share)) return share;
    this.#options.notices.tell(
      `requests ${share}`,
      `${share} has too many requests open: more are refused (429)`,
    );
    return undefined;
  }

  leave(share: string): void {
    this.#requests.leave(share);
  }

  #sweep(): void {
    let held = 0;
    for (const client of this.#clients.keys()) {
      client.sweep(this.tick);
      held += client.heldBytes;
    }
    if (held > this.#options.limits.heldBytes) this.#relieve(held);
  }

  /** Those that hold the most go first: few of them hold what all others need. */
  #relieve(heldBytes: number): void {
    let held = heldBytes;
    const largest = [...this.#clients.keys()].sort((a, b) => b.heldBytes - a.heldBytes);
    for (const client of largest) {
      if (held <= this.#options.limits.heldBytes) return;
      held -= client.heldBytes;
      this.#options.notices.tell(
        "held",
        `a connection of ${client.peer} is cut: all together hold too many bytes`,
      );
      client.cut();
    }
  }

  onDefect(error: unknown): void {
    this.#options.onDefect(error instanceof Error ? error : new Error(String(error)));
  }

  gone(client: ClientConnection): void {
    this.#clients.get(client)?.();
    this.#clients.delete(client);
  }

  stopAccepting(): void {
    if (!this.#isAccepting) return;
    this.#isAccepting = false;
    this.#server.stop(false);
    this.#options.onStopAccepting?.();
  }

  closeIdle(): void {
    for (const client of this.#clients.keys()) client.closeIdle();
  }

  async close(deadlineMs: number): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + deadlineMs;
    if (!this.isClosing) await this.#farewell(deadline);
    this.stopAccepting();
    for (this.closeIdle(); this.#isBusy() && clock.monotonic() < deadline; this.closeIdle())
      await sleep(clock, STEP_MS);
    this.#stopSweeping();
    for (const client of this.#clients.keys()) client.release();
  }

  #isBusy(): boolean {
    for (const client of this.#clients.keys()) if (client.isBusy || client.isFresh) return true;
    return this.#options.isAwaiting?.() === true;
  }

  /** Tells clients that keep connections to close them, for as long as requests still come on them. */
  async #farewell(deadline: number): Promise<void> {
    const { clock } = this.#options;
    this.isClosing = true;
    const end = Math.min(deadline, clock.monotonic() + FAREWELL_MS);
    for (let before = -1; before !== this.#arrived && clock.monotonic() < end; ) {
      before = this.#arrived;
      await sleep(clock, 2 * STEP_MS);
    }
  }
}

/** As Bun.listen wants it; its type knows nothing of descriptors. */
export function whereOf(listening: Listening): object {
  if ("fd" in listening) return { fd: listening.fd };
  const { host: hostname, port, reusePort } = listening;
  // Without `reusePort: false`, two servers on one port would share its connections unnoticed.
  return { hostname, port, reusePort };
}
