// The writing side of a visitor's socket: what the kernel does not take is kept and goes out first when it takes more.
import { acknowledgedBytes } from "../../platform/net/acknowledged.ts";
import { giveBack } from "../upstream/give-back.ts";

/** What is needed of a socket, whether it speaks TLS or not. */
interface Sink {
  write(bytes: Uint8Array, offset?: number, length?: number): number;
  /** Of a socket; what Bun's types leave out. */
  readonly fd?: number;
  /** Of what is no socket: what has gone on, and what has not. */
  readonly takenBytes?: number;
  readonly heldBytes?: number;
}

export class Outlet {
  readonly #sink: Sink;
  #rest: Buffer | undefined;
  /** Of what was once left: how much has gone since. */
  #flushedBytes = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  get isFlushed(): boolean {
    return this.#rest === undefined;
  }

  /** What the other end has of all that was ever written; what the kernel has taken where it does not say. */
  get takenBytes(): number {
    return this.#sink.takenBytes ?? acknowledgedBytes(this.#sink.fd ?? -1) ?? this.#flushedBytes;
  }

  get heldBytes(): number {
    return (this.#rest?.length ?? 0) + (this.#sink.heldBytes ?? 0);
  }

  /** `isOwned`: nobody else writes to these bytes, so they are kept as they are. False when not all was taken. */
  write(bytes: Buffer, from: number, to: number, isOwned: boolean): boolean {
    if (this.#rest !== undefined) {
      this.#rest = Buffer.concat([this.#rest, bytes.subarray(from, to)]);
      return false;
    }
    const taken = this.#sink.write(bytes, from, to - from);
    // A socket that is closed takes nothing, and is told so by its own event.
    if (taken >= to - from || taken < 0) return true;
    const left = bytes.subarray(from + taken, to);
    this.#rest = isOwned ? left : Buffer.from(left);
    return false;
  }

  /** The kernel takes more: how many bytes it took of what was left. */
  flush(): number {
    const rest = this.#rest;
    if (rest === undefined) return 0;
    const taken = this.#sink.write(rest);
    this.#flushedBytes += Math.max(taken, 0);
    if (taken < rest.length) {
      if (taken > 0) this.#rest = rest.subarray(taken);
      return Math.max(taken, 0);
    }
    this.#rest = undefined;
    giveBack(rest);
    return taken;
  }

  /** Nothing that is left will go out. */
  drop(): void {
    this.#rest = undefined;
  }
}
