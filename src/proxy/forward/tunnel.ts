// One proxied WebSocket: messages, closes and back-pressure between a visitor's socket and a target's.
import type { ServerWebSocket } from "bun";
import type { Clock } from "../../platform/time/clock.ts";
import type { Load } from "./in-flight.ts";

/** Above this much unsent on one side the other side is no longer read, until it is below the lower mark. */
const HIGH_WATER_BYTES = 1_048_576;
const LOW_WATER_BYTES = 262_144;
/** The target's socket has no event for "sent": it is looked at this often, while the visitor is paused only. */
const POLL_MS = 10;
/** How often a visitor who is paused is pinged, as long as his target takes nothing. */
const PROBE_MS = 5_000;
/** How long a target may take to answer a close before it is cut. */
const CLOSE_TIMEOUT_MS = 5_000;
const NO_STATUS = 1005;
const ABNORMAL = 1006;
export const SERVICE_RESTART = 1012;

type Message = string | Buffer<ArrayBuffer>;

/** Owns an open socket to a target, and ends the target's load when that is closed. */
export class Tunnel {
  readonly #target: WebSocket;
  readonly #load: Load;
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  #visitor: ServerWebSocket<Tunnel> | undefined;
  /** What the target said before the visitor's side was open: it is paused meanwhile, so this is little. */
  #early: Message[] = [];
  #cancelTimer: (() => void) | undefined;
  #isOver = false;

  constructor(target: WebSocket, load: Load, clock: Clock, onEnd: () => void) {
    this.#target = target;
    this.#load = load;
    this.#clock = clock;
    this.#onEnd = onEnd;
    target.pause();
    target.onmessage = ({ data }) => this.#fromTarget(data);
    target.onclose = ({ code, reason }) => this.#targetClosed(code, reason);
  }

  get targetId(): string {
    return this.#load.id;
  }

  /** Whether its target still takes new requests where this one is. */
  get isRouted(): boolean {
    return this.#load.isRouted;
  }

  /** The visitor's side is open. */
  begin(visitor: ServerWebSocket<Tunnel>): void {
    this.#visitor = visitor;
    for (const message of this.#early) visitor.send(message);
    this.#early = [];
    if (this.#isOver) visitor.close();
    else this.#target.resume();
  }

  fromVisitor(message: Message): void {
    const target = this.#target;
    if (target.readyState !== WebSocket.OPEN) return;
    target.send(message);
    if (target.bufferedAmount > HIGH_WATER_BYTES && this.#visitor?.isPaused === false) {
      this.#visitor.pause();
      this.#resumeVisitorLater(PROBE_MS, target.bufferedAmount);
    }
  }

  /** The visitor has taken what was unsent. */
  visitorDrained(): void {
    const unsent = this.#visitor?.getBufferedAmount() ?? 0;
    if (this.#target.isPaused && unsent < LOW_WATER_BYTES) this.#target.resume();
  }

  visitorClosed(code: number, reason: string): void {
    this.#visitor = undefined;
    this.close(code, reason);
  }

  /** Asks the visitor to come back, to whoever serves then; the target hears the same. */
  sendAway(): void {
    this.#visitor?.close(SERVICE_RESTART, "the service moves on");
    this.close(SERVICE_RESTART, "");
  }

  /** Closes the target's side as the visitor's was. */
  close(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#cancelTimer?.();
    // A paused socket would never see the answer to the close.
    this.#target.resume();
    if (code === ABNORMAL) this.#target.terminate();
    else {
      closeAs(this.#target, code, reason);
      this.#cancelTimer = this.#clock.after(CLOSE_TIMEOUT_MS, () => this.#target.terminate());
    }
  }

  #fromTarget(message: Message): void {
    const visitor = this.#visitor;
    if (visitor === undefined) {
      this.#early.push(message);
      return;
    }
    visitor.send(message);
    if (visitor.getBufferedAmount() > HIGH_WATER_BYTES) this.#target.pause();
  }

  #targetClosed(code: number, reason: string): void {
    this.#isOver = true;
    this.#cancelTimer?.();
    this.#load.end();
    this.#onEnd();
    const visitor = this.#visitor;
    if (visitor === undefined) return;
    if (code === ABNORMAL) visitor.terminate();
    else closeAs(visitor, code, reason);
  }

  /**
   * A paused visitor is not read, so his leaving would stay unseen for as long as his target takes nothing. Sending shows it: a
   * peer that is gone answers a ping with a reset. One that is there loses nothing.
   */
  #resumeVisitorLater(probeInMs: number, unsentThen: number): void {
    this.#cancelTimer = this.#clock.after(POLL_MS, () => {
      const unsent = this.#target.bufferedAmount;
      if (unsent <= LOW_WATER_BYTES) this.#visitor?.resume();
      else if (probeInMs > 0) this.#resumeVisitorLater(probeInMs - POLL_MS, unsentThen);
      else {
        if (unsent >= unsentThen) this.#visitor?.ping();
        this.#resumeVisitorLater(PROBE_MS, unsent);
      }
    });
  }
}

function closeAs(socket: WebSocket | ServerWebSocket<Tunnel>, code: number, reason: string): void {
  if (code === NO_STATUS) socket.close();
  else {
    try {
      socket.close(code, reason);
    } catch {
      // A code that must not be sent, though it came.
      socket.close();
    }
  }
}
