// One socket to a target: its life, what waits to be written to it, and whom its events are for.
import type { Socket, SocketHandler } from "bun";
import { isRunning } from "../../platform/process/proc.ts";
import type { FailureKind, Origin } from "../http-client.ts";
import { giveBack } from "./give-back.ts";

/** The exchange that a connection serves at the moment, or will serve when it is open. */
export interface Occupant {
  /** Whether it may be sent again when its fate is unknown. */
  readonly repeatable: boolean;
  /** Whether only a connection will do that nobody has used before. */
  readonly needsFresh: boolean;
  /** This connection is opening for it; undefined: none could be tried, and it waits for another until its deadline. */
  awaits(connection: Connection | undefined): void;
  /** The connection is open: writes the request. False when nothing could be written because it was closed already. */
  begin(connection: Connection): boolean;
  fail(kind: FailureKind, message: string): void;
  /** Fails it when its deadline is not after `nowMs`. */
  expireAt(nowMs: number): void;
  onData(bytes: Buffer): void;
  /** Everything written so far has been taken by the kernel. */
  onFlushed(): void;
  /** Called once; `error` when the peer reset the connection instead of closing it. */
  onClosed(error: Error | undefined): void;
}

/** Whoever owns the connection: told when it can be used, and when it cannot. */
export interface Owner {
  onOpened(connection: Connection): void;
  /** It never opened. `code` is the system's or TLS's error code. */
  onUnopened(connection: Connection, code: string, secure: boolean): void;
  /** It is closed, or must not be used, while nobody occupies it. */
  onLost(connection: Connection): void;
}

/** As if nobody listened: who listens there now is somebody else. */
const GONE = Object.assign(new Error("its process has ended"), { code: "ECONNREFUSED" });

export type ConnectionState = "connecting" | "open" | "closed";

export class Connection {
  readonly #owner: Owner;
  #socket: Socket<Connection> | undefined;
  #unwritten: Uint8Array | undefined;
  #paused = false;
  state: ConnectionState = "connecting";
  occupant: Occupant | undefined;
  /** How many exchanges it has carried to their end. */
  served = 0;
  idleSinceMs = 0;
  /** How long it may be idle and still be used. */
  idleLimitMs: number;

  constructor(owner: Owner, idleMs: number) {
    this.#owner = owner;
    this.idleLimitMs = idleMs;
  }

  /** Starts connecting; the owner hears how it went. */
  connect(origin: Origin): void {
    const socket = origin.tls === undefined ? plain : secure;
    const tls = origin.tls && {
      serverName: origin.tls.serverName,
      rejectUnauthorized: true,
      ...(origin.tls.ca !== undefined && { ca: origin.tls.ca }),
    };
    const options = { socket, data: this as Connection, ...(tls && { tls }) };
    try {
      if (origin.holder !== undefined && !isRunning(origin.holder)) throw GONE;
      const connecting =
        origin.unix === undefined
          ? Bun.connect({ ...options, hostname: origin.host, port: origin.port })
          : Bun.connect({ ...options, unix: origin.unix });
      // `connectError` has told the owner; the promise only repeats it.
      connecting.catch(() => {});
    } catch (thrown) {
      queueMicrotask(() => this.unopened(codeOf(thrown)));
    }
  }

  /** The socket's descriptor (which Bun's types do not mention); -1 when there is none. */
  get fd(): number {
    return (this.#socket as { readonly fd?: number } | undefined)?.fd ?? -1;
  }

  /** What the kernel has not taken yet. */
  get unwrittenBytes(): number {
    return this.#unwritten?.byteLength ?? 0;
  }

  get flushed(): boolean {
    return this.#unwritten === undefined;
  }

  /**
   * Writes `bytes[from, to)` in order; what the kernel does not take now is copied and written as it drains. Returns
   * whether the target may have received any of it: false means that the connection was closed already.
   */
  write(bytes: Uint8Array, from: number, to: number): boolean {
    if (this.#unwritten !== undefined) {
      this.#unwritten = Buffer.concat([this.#unwritten, bytes.subarray(from, to)]);
      return true;
    }
    const taken = this.#socket?.write(bytes, from, to - from) ?? -1;
    if (taken < 0) return false;
    // Not `slice`, which for a Buffer makes another view of the same memory.
    if (taken < to - from) this.#unwritten = Buffer.from(bytes.subarray(from + taken, to));
    return true;
  }

  /** Says that nothing more comes from here; the target may go on. */
  shutdown(): void {
    if (this.state === "open") this.#socket?.shutdown();
  }

  /** Stops reading: what the target goes on sending stays in the kernel, and then with the target. */
  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket?.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket?.resume();
  }

  /**
   * Closes at once; `reset` instead of an orderly end. Nobody is called back. A connection that is still connecting
   * cannot be cancelled: it closes as soon as it opens.
   */
  close(reset = false): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.#unwritten = undefined;
    if (reset) this.#socket?.terminate();
    else this.#socket?.end();
  }

  /** Whether a socket exists that `close` can close: not before TCP has connected. */
  get cancellable(): boolean {
    return this.#socket !== undefined;
  }

  attached(socket: Socket<Connection>): void {
    this.#socket = socket;
    if (this.state === "closed") socket.terminate();
  }

  opened(): void {
    if (this.state !== "connecting") return;
    this.state = "open";
    this.#owner.onOpened(this);
  }

  unopened(code: string, isSecure = false): void {
    if (this.state !== "connecting") return;
    this.close(true);
    this.#owner.onUnopened(this, code, isSecure);
  }

  received(bytes: Buffer): void {
    if (this.occupant !== undefined) this.occupant.onData(bytes);
    else if (this.state === "open") {
      this.close(true);
      this.#owner.onLost(this);
    }
  }

  drained(): void {
    const rest = this.#unwritten;
    if (rest === undefined) return;
    const taken = this.#socket?.write(rest) ?? -1;
    if (taken < rest.byteLength) {
      if (taken > 0) this.#unwritten = rest.subarray(taken);
      return;
    }
    this.#unwritten = undefined;
    giveBack(rest);
    this.occupant?.onFlushed();
  }

  ended(error: Error | undefined): void {
    if (this.state === "connecting") this.unopened(codeOf(error));
    if (this.state === "closed") return;
    const occupant = this.occupant;
    this.close();
    if (occupant === undefined) this.#owner.onLost(this);
    else occupant.onClosed(error);
  }
}

/** One set of handlers for all sockets of a kind; the connection travels in `socket.data`. */
const plain: SocketHandler<Connection> = {
  open: (socket) => {
    socket.data.attached(socket);
    socket.data.opened();
  },
  data: (socket, bytes) => socket.data.received(bytes),
  drain: (socket) => socket.data.drained(),
  close: (socket, error) => socket.data.ended(error),
  error: (socket) => socket.terminate(),
  connectError: (socket, error) => socket.data.unopened(codeOf(error)),
};

const secure: SocketHandler<Connection> = {
  ...plain,
  open: (socket) => socket.data.attached(socket),
  handshake: (socket, success, error) =>
    success ? socket.data.opened() : socket.data.unopened(codeOf(error), true),
};

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" ? code : "ECONNRESET";
}
