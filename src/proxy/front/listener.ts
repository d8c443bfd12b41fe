// The listening side of the proxy: Bun.serve with every default that matters said aloud, and a close that cuts nobody off early.
import { type Clock, sleep } from "../../platform/time/clock.ts";
import type { Tunnel } from "../forward/tunnel.ts";

/** How long a connection may stay silent between requests, and while a request's head and first bytes arrive. */
const IDLE_SECS = 120;
/** On closing: for how long connections are told to close before the listener goes, while requests still come. */
const FAREWELL_MS = 1_000;
const STEP_MS = 50;
/** WebSockets: a peer that does not answer pings for this long is gone, a quiet one is not. */
const SILENT_SECS = 240;
/** The option among others in a Connection field. */
const CLOSE = /(?:^|,)\s*close\s*(?:,|$)/i;
const MESSAGE_MOST_BYTES = 64 * 1024 * 1024;

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly reusePort: boolean;
  readonly clock: Clock;
  handle(request: Request, listener: Listener): Response | Promise<Response | undefined>;
  /** The answer when `handle` has failed. */
  onError(error: Error): Response;
}

export interface Listener {
  readonly url: URL;
  /**
   * Whether the answer to a request should say that its connection ends: the listener closes, or the client wants it so
   * in `connection`, its field of that name.
   * Bun.serve then closes the connection by itself, but does not say so (RFC 9112 section 9.6).
   */
  endsConnection(connection: string | undefined): boolean;
  addressOf(request: Request): string;
  /** Hands a connection to a tunnel; false when the request is no WebSocket's or its connection has gone. */
  upgrade(request: Request, tunnel: Tunnel, headers: Record<string, string>): boolean;
  /** Lifts or sets the idle limit of the connection that carries a request; harmless when it has gone. */
  setIdleLimit(request: Request, isLimited: boolean): void;
  /** Stops accepting, waits until every client has its answer but at most `deadlineMs`, then cuts the rest. */
  close(deadlineMs: number): Promise<void>;
}

/** Throws what Bun.serve throws, EADDRINUSE above all. */
export function createListener(options: ListenerOptions): Listener {
  const { clock } = options;
  let isClosing = false;
  let arrived = 0;

  const server = Bun.serve<Tunnel>({
    hostname: options.host,
    port: options.port,
    // Without this, two servers on one port would share its connections unnoticed.
    reusePort: options.reusePort,
    development: false,
    idleTimeout: IDLE_SECS,
    // Limits on bodies are per route, and 0 would mean none at all.
    maxRequestBodySize: Number.POSITIVE_INFINITY,
    error: options.onError,
    fetch(request) {
      arrived += 1;
      return options.handle(request, listener);
    },
    websocket: {
      idleTimeout: SILENT_SECS,
      sendPings: true,
      perMessageDeflate: false,
      maxPayloadLength: MESSAGE_MOST_BYTES,
      // The tunnel pauses the sender instead of dropping messages.
      backpressureLimit: 0,
      open: (socket) => socket.data.begin(socket),
      message: (socket, message) => socket.data.fromVisitor(message),
      drain: (socket) => socket.data.visitorDrained(),
      close: (socket, code, reason) => socket.data.visitorClosed(code, reason),
    },
  });

  /** Tells clients that keep connections to close them, for as long as requests still come on them. */
  async function farewell(deadline: number): Promise<void> {
    isClosing = true;
    const end = Math.min(deadline, clock.monotonic() + FAREWELL_MS);
    for (let before = -1; before !== arrived && clock.monotonic() < end; ) {
      before = arrived;
      await sleep(clock, 2 * STEP_MS);
    }
  }

  const listener: Listener = {
    url: server.url,
    endsConnection: (connection) => isClosing || (connection !== undefined && CLOSE.test(connection)),
    addressOf: (request) => server.requestIP(request)?.address ?? "",
    upgrade: (request, tunnel, headers) => server.upgrade(request, { data: tunnel, headers }),
    setIdleLimit: (request, isLimited) => server.timeout(request, isLimited ? IDLE_SECS : 0),
    async close(deadlineMs) {
      const deadline = clock.monotonic() + deadlineMs;
      if (!isClosing) await farewell(deadline);
      const stopped = server.stop();
      while (server.pendingRequests + server.pendingWebSockets > 0 && clock.monotonic() < deadline) {
        await sleep(clock, STEP_MS);
      }
      await Promise.all([stopped, server.stop(true)]);
    },
  };
  return listener;
}
