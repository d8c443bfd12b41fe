// An upgraded connection: bytes both ways as they come, each side read only as fast as the other takes it.
import { closeFrame, FrameBorders, PING_FRAME } from "../../core/websocket-frames.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { FailureKind } from "../http-client.ts";
import type { Connection, Occupant } from "../upstream/connection.ts";
import { giveBack } from "../upstream/give-back.ts";
import type { Pool } from "../upstream/pool.ts";
import type { Client, VisitorTunnel } from "./client.ts";
import type { Load } from "./in-flight.ts";

/** How long either side may take to end its part once the other's has ended. */
const CLOSE_TIMEOUT_MS = 5_000;
/** How often a WebSocket's visitor who is not read is pinged: only an answer to it shows that he has gone. */
const PROBE_MS = 5_000;
const SERVICE_RESTART = 1012;
const REASON = "the service moves on";

/** Owns its connection to the target, and ends the target's load when that is closed. */
export class Tunnel implements Occupant, VisitorTunnel {
  readonly repeatable = false;
  readonly needsFresh = true;
  readonly #client: Client;
  readonly #connection: Connection;
  readonly #pool: Pool;
  readonly #load: Load;
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  /** Of a WebSocket, whose end can be said between two frames. */
  readonly #toVisitor: FrameBorders | undefined;
  readonly #toTarget: FrameBorders | undefined;
  #isLeaving = false;
  /** The close of our own has gone to this side: nothing else follows. */
  #hasToldVisitor = false;
  #hasToldTarget = false;
  #cancelTimer: (() => void) | undefined;
  #cancelProbe: (() => void) | undefined;
  #isOver = false;

  constructor(
    client: Client,
    connection: Connection,
    pool: Pool,
    load: Load,
    clock: Clock,
    isWebSocket: boolean,
    onEnd: (tunnel: Tunnel) => void,
  ) {
    this.#client = client;
    this.#connection = connection;
    this.#pool = pool;
    this.#load = load;
    this.#clock = clock;
    this.#onEnd = () => onEnd(this);
    this.#toVisitor = isWebSocket ? new FrameBorders() : undefined;
    this.#toTarget = isWebSocket ? new FrameBorders() : undefined;
    connection.occupant = this;
    client.enter(this);
  }

  get heldBytes(): number {
    return this.#connection.unwrittenBytes;
  }

  get targetId(): string {
    return this.#load.id;
  }

  /** Whether its target still takes new requests where this one is. */
  get isRouted(): boolean {
    return this.#load.isRouted;
  }

  onData(bytes: Buffer): void {
    if (this.#hasToldVisitor) return;
    let end = bytes.length;
    if (this.#isLeaving && this.#toVisitor !== undefined) {
      end = this.#toVisitor.isAtBorder ? 0 : this.#toVisitor.next(bytes, 0);
      this.#writeToVisitor(bytes, end);
      if (this.#toVisitor.isAtBorder) this.#tellVisitor();
      return;
    }
    this.#toVisitor?.pass(bytes);
    this.#writeToVisitor(bytes, end);
  }

  #writeToVisitor(bytes: Buffer, end: number): void {
    if (end === 0) return;
    if (this.#client.write(bytes, 0, end, true)) {
      if (end === bytes.length) giveBack(bytes);
    } else this.#connection.pause();
  }

  visitorDrained(): void {
    this.#connection.resume();
  }

  fromVisitor(bytes: Buffer): void {
    if (this.#isOver) return;
    if (this.#hasToldVisitor) {
      // His answer to our close, or what he sent before he had it.
      this.#toTarget?.pass(bytes);
      if (this.#toTarget?.isClosing) this.#client.finish();
      return;
    }
    this.#toTarget?.pass(bytes);
    if (!this.#connection.write(bytes, 0, bytes.length)) return;
    if (this.#connection.flushed) giveBack(bytes);
    else {
      this.#client.holdBody();
      this.#probeLater();
    }
  }

  onFlushed(): void {
    this.#cancelProbe?.();
    this.#cancelProbe = undefined;
    this.#client.resumeBody();
  }

  visitorEnded(): void {
    this.#connection.shutdown();
    this.#endLater();
  }

  visitorClosed(isReset: boolean): void {
    this.#end(isReset);
  }

  /** Asks the visitor to come back, to whoever serves then; the target hears the same. Of what is no WebSocket the end cannot be said. */
  sendAway(): void {
    if (this.#isLeaving || this.#isOver || this.#toVisitor === undefined) return;
    this.#isLeaving = true;
    if (this.#toVisitor.isAtBorder) this.#tellVisitor();
    // Whatever either side is in the middle of.
    else this.#endLater();
  }

  #tellVisitor(): void {
    if (this.#hasToldVisitor) return;
    this.#hasToldVisitor = true;
    if (this.#toVisitor?.isClosing !== true) {
      const frame = closeFrame(SERVICE_RESTART, REASON, false);
      this.#client.write(frame, 0, frame.length, true);
    }
    this.#tellTarget();
    this.#connection.resume();
    this.#endLater();
  }

  #tellTarget(): void {
    if (this.#hasToldTarget || this.#toTarget?.isAtBorder !== true || this.#toTarget.isClosing) return;
    this.#hasToldTarget = true;
    const frame = closeFrame(SERVICE_RESTART, "", true);
    this.#connection.write(frame, 0, frame.length);
  }

  onClosed(error: Error | undefined): void {
    this.#pool.leave(this, this.#connection, error !== undefined);
    const hadTold = this.#hasToldVisitor;
    this.#over();
    if (error !== undefined && !hadTold) this.#client.cut();
    else this.#client.finish();
  }

  fail(_kind: FailureKind, _message: string): void {
    this.#end(true);
    this.#client.cut();
  }

  awaits(): void {}

  begin(): boolean {
    return false;
  }

  expireAt(): void {}

  #endLater(): void {
    this.#cancelTimer ??= this.#clock.after(CLOSE_TIMEOUT_MS, () => {
      this.#end(true);
      this.#client.finish();
    });
  }

  /** A visitor who is not read, as his target takes nothing, would leave unseen: a ping is answered with a reset when nobody is there. */
  #probeLater(): void {
    if (this.#toVisitor === undefined) return;
    this.#cancelProbe ??= this.#clock.after(PROBE_MS, () => {
      this.#cancelProbe = undefined;
      if (this.#isOver || this.#hasToldVisitor) return;
      if (this.#toVisitor?.isAtBorder === true) this.#client.write(PING_FRAME, 0, PING_FRAME.length, false);
      this.#probeLater();
    });
  }

  #end(isReset: boolean): void {
    if (this.#isOver) return;
    this.#pool.leave(this, this.#connection, isReset);
    this.#over();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTimer?.();
    this.#cancelProbe?.();
    this.#load.end();
    this.#onEnd();
  }
}
