// The visitor's side of a request, as those see it who answer: how its connection was accepted and is read is the front's alone.
import type { OwnAnswer } from "../answers.ts";

export interface Client {
  /** The address of the peer, and whether what it says about its own visitors counts. */
  readonly peer: string;
  readonly peerTrusted: boolean;
  /** The peer, or whom a proxy that passes bytes on has named: good for being counted and told on, for no right. */
  readonly visitor: string;
  readonly isTls: boolean;
  /** All that was written to it. */
  readonly sentBytes: number;
  /** Nothing can be written any more. */
  readonly isGone: boolean;
  /**
   * Writes a part of an answer. `isOwned`: nobody else writes to these bytes, and they may be kept and given back. False when not
   * all of it was taken: `visitorDrained` of the request's try follows.
   */
  write(bytes: Buffer, from: number, to: number, isOwned: boolean): boolean;
  /** The line that a head needs to say whether its connection goes on, or none. `endsWithClose`: its body ends with the connection. */
  connectionLine(endsWithClose: boolean): string;
  /** An answer that does not come from a target; the whole of it. */
  answer(answer: OwnAnswer, lines: string): void;
  /** The last byte of the answer has been written. */
  finish(): void;
  /** The answer breaks off: the visitor must not take it for a whole one. Nothing happens when `visit` is over for him. */
  cut(visit?: object): void;
  /** The target takes nothing more of the body for now, or again. */
  holdBody(): void;
  resumeBody(): void;
  /** From now on bytes go to the tunnel as they come. */
  enter(tunnel: VisitorTunnel): void;
}

/** Where the bytes of an upgraded connection go. */
export interface VisitorTunnel {
  /** What the target has not taken yet. */
  readonly heldBytes: number;
  fromVisitor(bytes: Buffer): void;
  /** The visitor has taken what was unsent. */
  visitorDrained(): void;
  /** He sends nothing more, but may still read. */
  visitorEnded(): void;
  visitorClosed(isReset: boolean): void;
}
