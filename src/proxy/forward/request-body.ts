// The body of a request on its way through: counted and followed to its end, held whole when it is small, passed on as it comes otherwise.
import { Malformed } from "../../core/http1/bytes.ts";
import { ChunkWalker } from "../../core/http1/chunks.ts";
import type { RequestHead } from "../../core/http1/request-head.ts";
import type { RequestRules } from "../../core/http1/request-rules.ts";
import type { Connection } from "../upstream/connection.ts";
import { giveBack } from "../upstream/give-back.ts";

/** Larger ones are never held for a second try. */
export const HELD_MOST_BYTES = 65_536;

/** How far a body can still be sent: it has none or is held; nobody has been sent any of it yet; or a part has gone. */
export type BodyState = "held" | "unread" | "begun";

interface Framed {
  readonly isChunked: boolean;
  readonly contentLength: number;
  /** Whose fields are ours alone, in trailers too. */
  readonly rules: RequestRules | undefined;
}

export class RequestBody {
  /** The announced one; undefined: chunked. */
  readonly length: number | undefined;
  readonly #walker: ChunkWalker | undefined;
  readonly #mostBytes: number;
  #left: number;
  /** What has come and is needed: not sent yet, or held for another try. */
  readonly #pieces: Buffer[] = [];
  #sentPieces = 0;
  #heldBytes = 0;
  /** A part has been sent and let go. */
  #hasGone = false;
  /** Its last byte has come. */
  isComplete: boolean;
  /** More has come than the route allows. */
  isTooLarge = false;

  /** `mostBytes`: 0 is no limit. */
  constructor({ isChunked, contentLength, rules }: Framed, mostBytes: number) {
    this.#walker = isChunked ? new ChunkWalker((name) => rules?.isOurs(name) === true) : undefined;
    this.length = isChunked ? undefined : Math.max(contentLength, 0);
    this.#left = this.length ?? 0;
    this.#mostBytes = mostBytes;
    this.isComplete = this.length === 0;
    this.isTooLarge = mostBytes > 0 && this.#left > mostBytes;
  }

  get isEmpty(): boolean {
    return this.length === 0;
  }

  /** Whether it is taken whole before it goes on, and can be sent again. */
  get isSmall(): boolean {
    return this.length !== undefined && this.length <= HELD_MOST_BYTES;
  }

  get state(): BodyState {
    if (this.#hasGone) return "begun";
    return this.isComplete ? "held" : "unread";
  }

  get hasBegun(): boolean {
    return this.#pieces.length > 0 || this.#hasGone;
  }

  /** Bytes that wait for the target. */
  get unsentBytes(): number {
    let bytes = 0;
    for (let i = this.#sentPieces; i < this.#pieces.length; i++) bytes += (this.#pieces[i] as Buffer).length;
    return bytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Takes what belongs to it of `bytes[from...]`; returns the index behind. Throws Malformed. */
  take(bytes: Buffer, from: number): number {
    const end = this.#walker?.walk(bytes, from, bytes.length) ?? Math.min(bytes.length, from + this.#left);
    if (this.#walker === undefined) {
      this.#left -= end - from;
      this.isComplete = this.#left === 0;
    } else {
      this.isComplete = this.#walker.done;
      if (this.#mostBytes > 0 && this.#walker.dataBytes > this.#mostBytes) this.isTooLarge = true;
    }
    if (this.isTooLarge) return end;
    const passed = this.#walker?.passedTo ?? end;
    if (passed > from)
      this.#keep(from === 0 && passed === bytes.length ? bytes : bytes.subarray(from, passed));
    if (this.#walker?.tail !== undefined) this.#keep(this.#walker.tail);
    return end;
  }

  #keep(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#heldBytes += piece.length;
  }

  /** Another target gets it from its beginning. Only while it is `held` or `unread`. */
  rewind(): void {
    this.#sentPieces = 0;
  }

  /** Appends what fits of it to a head that leaves in the same write; returns the index behind. */
  append(to: Buffer, at: number): number {
    let out = at;
    for (; this.#sentPieces < this.#pieces.length; this.#sentPieces++) {
      const piece = this.#pieces[this.#sentPieces] as Buffer;
      if (out + piece.length > to.length) break;
      piece.copy(to, out);
      out += piece.length;
    }
    return out;
  }

  /** Writes what has come and is not sent; lets go of what has been, where it may not be sent again. */
  send(connection: Connection): void {
    for (; this.#sentPieces < this.#pieces.length; this.#sentPieces++) {
      const piece = this.#pieces[this.#sentPieces] as Buffer;
      connection.write(piece, 0, piece.length);
    }
    this.#letGo();
  }

  #letGo(): void {
    if (this.isSmall || this.#sentPieces === 0) return;
    // In chunks, and whole before anything of it was sent: an empty one comes with its head.
    if (this.isComplete && !this.#hasGone && this.#heldBytes <= HELD_MOST_BYTES) return;
    this.#hasGone = true;
    // A part of a longer piece of memory may have others beside it.
    for (const piece of this.#pieces.splice(0, this.#sentPieces))
      if (piece.byteLength === piece.buffer.byteLength) giveBack(piece);
    this.#sentPieces = 0;
    this.#heldBytes = this.unsentBytes;
  }
}

/** What most requests have: nothing about it ever changes. */
const NO_BODY = new RequestBody({ isChunked: false, contentLength: 0, rules: undefined }, 0);

export function bodyOf(head: RequestHead, mostBytes: number): RequestBody {
  return head.isChunked || head.contentLength > 0 ? new RequestBody(head, mostBytes) : NO_BODY;
}

/** The expectation is met by the target, or refused (RFC 9110 section 10.1.1). */
export function expectsContinue(head: RequestHead): boolean {
  const expectation = head.text("expect", head.expect);
  if (expectation === undefined) return false;
  if (expectation.toLowerCase() !== "100-continue")
    throw new Malformed("an expectation that nobody can meet", 417);
  return head.minor === 1;
}
