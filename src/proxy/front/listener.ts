// The listening side of the proxy: accepts connections, sweeps over them once a second, and closes without cutting anybody off early.
import type { Socket, SocketHandler } from "bun";
import { bracketed } from "../../core/host.ts";
import type { RequestHead } from "../../core/http1/request-head.ts";
import type { RequestRules } from "../../core/http1/request-rules.ts";
import type { AcceptGuard } from "../../platform/net/accept-guard.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import type { AnswerName } from "../answers.ts";
import type { FrontLimits } from "../data-plane.ts";
import type { RequestState } from "../forward/request-state.ts";
import { ClientConnection } from "./client-connection.ts";
import type { Front } from "./front.ts";
import { type ClientShare, ClientShares, type Counted, isLoopback, plain } from "./gate.ts";
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

/** What the operator is told of a client that has too many. */
const TOO_MANY: Readonly<Record<Counted, string>> = {
  connections: "too many connections: new ones are closed",
  requests: "too many requests open: more are refused (429)",
  streams: "too many upgraded connections open: more are refused (429)",
};

/** A connection of strangers, and what it holds. */
export interface Holder {
  readonly peer: string;
  readonly heldBytes: number;
  cut(): void;
}

/** One whose requests come back to this listener one by one, as those of HTTP/2 do. */
export interface ServedElsewhere extends Holder {
  /** Nobody would miss it. */
  readonly isIdle: boolean;
  /** Since something last came or went on it, in seconds. */
  readonly silentSecs: number;
  closeIdle(): void;
}

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
  readonly guard: AcceptGuard;
  /** Told of what was refused or closed, for the operator. */
  readonly notices: Notices;
  isTrusted(address: string): boolean;
  rulesFor(client: ClientConnection): RequestRules;
  /** The request as it goes on; undefined when it has been answered. */
  handle(client: ClientConnection, head: RequestHead): RequestState | undefined;
  onDefect(error: Error): void;
  /** Closes at most so many connections elsewhere that nobody would miss; how many it did. */
  closeOthers?(most: number): number;
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
  /**
   * Counts a connection that is served elsewhere among those of its peer, and its bytes among those of all, until `letGo`; false
   * when its peer has too many.
   */
  hold(holder: ServedElsewhere, descriptor: number, proxied: Proxied | undefined): boolean;
  letGo(holder: ServedElsewhere): void;
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

class TcpListener implements Listener, Front<ClientConnection> {
  readonly url: URL;
  tick = 0;
  isClosing = false;
  readonly minBodyRate: number;
  readonly minReadRate: number;
  readonly #options: ListenerOptions;
  readonly #clients = new Set<ClientConnection>();
  /** Connections of other kinds that hold bytes here. */
  readonly #others = new Set<ServedElsewhere>();
  /** Those that count as one of their peer's connections. */
  readonly #counted = new Map<Holder, ClientShare>();
  readonly #shares: ClientShares;
  readonly #server: { readonly port: number; stop(closeActive?: boolean): void };
  readonly #stopSweeping: () => void;
  readonly #guarded: Disposable;
  #arrived = 0;
  #isAccepting = true;

  constructor(options: ListenerOptions) {
    this.#options = options;
    const { listening, clock, limits } = options;
    this.minBodyRate = limits.minBodyRate;
    this.minReadRate = limits.minReadRate;
    this.#shares = new ClientShares(limits);
    // Who has ended his half may still read; each handler is told, and ends the other (Bun 1.4.5 keeps it else).
    const common = { allowHalfOpen: true, socket: this.socketHandlers(false) };
    const { host: hostname, port: asked } = listening;
    this.#server = Bun.listen<ClientConnection>({
      ...common,
      ...whereOf(listening),
    } as Bun.TCPSocketListenOptions<ClientConnection>);
    const port = "fd" in listening ? asked : this.#server.port;
    this.url = new URL(`http://${bracketed(hostname)}:${port}`);
    this.#guarded = options.guard.add((most) => {
      const closed = options.closeOthers?.(most) ?? 0;
      return closed + this.#closeOldest(most - closed);
    });
    this.#stopSweeping = clock.every(SWEEP_MS, () => {
      this.tick += 1;
      this.#sweep();
    });
  }

  get isCrowded(): boolean {
    return this.#options.guard.isShort;
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

  /** As whose a connection counts; undefined: as nobody's. What a proxy says never makes it one of our own. */
  #shareFor(peer: string, proxied: Proxied | undefined): ClientShare | undefined {
    if (proxied?.source !== undefined) return this.#shares.of(proxied.source);
    return isLoopback(peer) || this.#options.isTrusted(peer) ? undefined : this.#shares.of(peer);
  }

  adopt(
    socket: Socket<ClientConnection>,
    { isTls, serverName, peer = plain(socket.remoteAddress ?? ""), proxied, isCounted = true }: Adopted,
  ): void {
    const share = this.#shareFor(peer, proxied);
    if (isCounted && share !== undefined && !this.enter(share, "connections")) {
      socket.terminate();
      return;
    }
    const client = new ClientConnection(this, socket, {
      share,
      peer,
      // What comes through a proxy that only passes bytes on is its visitor's own word.
      peerTrusted: proxied === undefined && this.#options.isTrusted(peer),
      visitor: proxied?.source ?? peer,
      isTls,
      serverName,
    });
    socket.data = client;
    this.#clients.add(client);
    if (isCounted && share !== undefined) this.#counted.set(client, share);
    // Of a socket that is none, as of HTTP/2, there is none.
    this.#options.guard.accepted((socket as { readonly fd?: number }).fd ?? -1);
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

  onSlowReader({ peer }: ClientConnection): void {
    const text = `a connection of ${peer} is cut: it took less than ${this.minReadRate} bytes a second of what it had asked for`;
    this.#options.notices.tell("slow reader", text);
  }

  hold(holder: ServedElsewhere, descriptor: number, proxied: Proxied | undefined): boolean {
    const share = this.#shareFor(holder.peer, proxied);
    if (share !== undefined && !this.enter(share, "connections")) return false;
    if (share !== undefined) this.#counted.set(holder, share);
    this.#others.add(holder);
    this.#options.guard.accepted(descriptor);
    return true;
  }

  letGo(holder: ServedElsewhere): void {
    this.#others.delete(holder);
    this.#uncount(holder);
  }

  #uncount(holder: Holder): void {
    const share = this.#counted.get(holder);
    if (share !== undefined) this.leave(share, "connections");
    this.#counted.delete(holder);
  }

  shareOf(address: string): ClientShare {
    return this.#shares.of(address);
  }

  enter(share: ClientShare, what: Counted): boolean {
    if (this.#shares.enter(share, what)) return true;
    this.#options.notices.tell(`${what} ${share.name}`, `${share.name} has ${TOO_MANY[what]}`);
    return false;
  }

  leave(share: ClientShare, what: Counted): void {
    this.#shares.leave(share, what);
  }

  #sweep(): void {
    let held = 0;
    for (const client of this.#clients) {
      client.sweep(this.tick);
      held += client.heldBytes;
    }
    for (const holder of this.#others) held += holder.heldBytes;
    if (held > this.#options.limits.heldBytes) this.#relieve(held);
  }

  /** Those that hold the most go first: few of them hold what all others need. */
  #relieve(heldBytes: number): void {
    let held = heldBytes;
    const all: Holder[] = [...this.#clients, ...this.#others];
    for (const holder of all.sort((a, b) => b.heldBytes - a.heldBytes)) {
      if (held <= this.#options.limits.heldBytes) return;
      held -= holder.heldBytes;
      const text = `a connection of ${holder.peer} is cut: all together hold too many bytes`;
      this.#options.notices.tell("held", text);
      holder.cut();
    }
  }

  onDefect(error: unknown): void {
    this.#options.onDefect(error instanceof Error ? error : new Error(String(error)));
  }

  gone(client: ClientConnection): void {
    this.#clients.delete(client);
    this.#uncount(client);
  }

  stopAccepting(): void {
    if (!this.#isAccepting) return;
    this.#isAccepting = false;
    this.#server.stop(false);
    this.#options.onStopAccepting?.();
  }

  closeIdle(): void {
    for (const client of this.#clients) client.closeIdle();
  }

  /** So many of those that nobody would miss, idle longest first. */
  #closeOldest(most: number): number {
    const idle: { readonly silentSecs: number; closeIdle(): void }[] = [];
    for (const client of this.#clients)
      if (client.isIdle)
        idle.push({ silentSecs: this.tick - client.movedAt, closeIdle: () => client.closeIdle() });
    for (const holder of this.#others) if (holder.isIdle) idle.push(holder);
    idle.sort((a, b) => b.silentSecs - a.silentSecs);
    const gone = idle.slice(0, most);
    for (const holder of gone) holder.closeIdle();
    return gone.length;
  }

  async close(deadlineMs: number): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + deadlineMs;
    if (!this.isClosing) await this.#farewell(deadline);
    this.stopAccepting();
    for (this.closeIdle(); this.#isBusy() && clock.monotonic() < deadline; this.closeIdle())
      await sleep(clock, STEP_MS);
    this.#stopSweeping();
    this.#guarded[Symbol.dispose]();
    for (const client of this.#clients) client.release();
  }

  #isBusy(): boolean {
    for (const client of this.#clients) if (client.isBusy || client.isFresh) return true;
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
