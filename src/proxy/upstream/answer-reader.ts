// Turns the bytes of a connection into one answer: heads of 1xx skipped, then the final head, then pieces of its body.
import { ChunkedDecoder } from "./chunked.ts";
import { type Framed, frame } from "./framing.ts";
import { checkPartial, endOfHead, Garbage, type Head, parseHead } from "./head.ts";

export interface HeadLimits {
  readonly maxHeadBytes: number;
  readonly maxFields: number;
}

/** Interim answers are skipped, but not without end. */
const MAX_INTERIM = 32;
const EMPTY = new Uint8Array(0);

/** One connection's reader; `begin` prepares it for each answer. Pure: it knows bytes, neither sockets nor time. */
export class AnswerReader {
  readonly #limits: HeadLimits;
  #method = "";
  #partial: Buffer | undefined;
  #partialLength = 0;
  #interim = 0;
  #remaining = 0;
  #chunked: ChunkedDecoder | undefined;
  /** Set once the final head is complete. */
  status = 0;
  framed: Framed | undefined;
  /** The last byte of the answer has been read. */
  done = false;
  /** Something followed the answer: the connection must not be used again. */
  surplus = false;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  begin(method: string): void {
    this.#method = method;
    this.#partial = undefined;
    this.#partialLength = 0;
    this.#interim = 0;
    this.#chunked = undefined;
    this.framed = undefined;
    this.done = false;
    this.surplus = false;
  }

  /** Takes ownership of `bytes` and returns those of the body that were in them. Throws Garbage. */
  push(bytes: Buffer): Uint8Array {
    return this.framed === undefined ? this.#pushHead(bytes) : this.#pushBody(bytes, 0);
  }

  /** The connection was closed in good order: true when that is how this body ends, false when it breaks it off. */
  eof(): boolean {
    if (this.framed?.framing.kind === "close") this.done = true;
    return this.done;
  }

  #pushHead(bytes: Buffer): Uint8Array {
    if (this.#partial === undefined) return this.#scan(bytes, bytes.length, 0);
    const from = Math.max(0, this.#partialLength - 3);
    this.#append(bytes);
    return this.#scan(this.#partial, this.#partialLength, from);
  }

  /** Looks for heads in `bytes[0, length)`, searching from `from`; what is no whole head is kept for the next push. */
  #scan(bytes: Buffer, length: number, from: number): Uint8Array {
    let head = bytes;
    let size = length;
    let search = from;
    for (;;) {
      const end = endOfHead(head, search, size);
      if (end < 0) return this.#keep(head, size);
      if (end > this.#limits.maxHeadBytes) throw new Garbage("the head of the answer is too long");
      const parsed = parseHead(head, end, this.#limits.maxFields);
      if (parsed.status >= 200)
        return this.#final(parsed, size === head.length ? head : head.subarray(0, size), end);
      if (parsed.status === 101) throw new Garbage("the target switched protocols without being asked");
      if (++this.#interim > MAX_INTERIM) throw new Garbage("too many interim answers");
      head = head.subarray(end);
      size -= end;
      search = 0;
    }
  }

  #final(head: Head, bytes: Buffer, end: number): Uint8Array {
    const framed = frame(head, this.#method);
    this.status = head.status;
    this.framed = framed;
    this.#partial = undefined;
    const { framing } = framed;
    if (framing.kind === "none") this.done = true;
    else if (framing.kind === "chunked") this.#chunked = new ChunkedDecoder();
    else if (framing.kind === "length") {
      this.#remaining = framing.bytes;
      this.done = framing.bytes === 0;
    }
    return end === bytes.length ? EMPTY : this.#pushBody(bytes, end);
  }

  #pushBody(bytes: Buffer, from: number): Uint8Array {
    const available = bytes.length - from;
    if (this.done) {
      this.surplus = true;
      return EMPTY;
    }
    if (this.#chunked !== undefined) {
      const piece = this.#chunked.push(bytes, from);
      this.done = this.#chunked.done;
      this.surplus = this.#chunked.consumed < available;
      return piece;
    }
    if (this.framed?.framing.kind === "close") return plain(bytes, from, bytes.length);
    const take = Math.min(available, this.#remaining);
    this.#remaining -= take;
    this.done = this.#remaining === 0;
    this.surplus = take < available;
    return plain(bytes, from, from + take);
  }

  #keep(bytes: Buffer, length: number): Uint8Array {
    checkPartial(bytes, length);
    if (length >= this.#limits.maxHeadBytes) throw new Garbage("the head of the answer is too long");
    if (bytes !== this.#partial) {
      this.#partial = bytes.subarray(0, length);
      this.#partialLength = length;
    }
    return EMPTY;
  }

  /** Grows by doubling: a head that drips in costs no more than one that comes at once. */
  #append(bytes: Buffer): void {
    const partial = this.#partial as Buffer;
    const length = this.#partialLength + bytes.length;
    if (length <= partial.length) bytes.copy(partial, this.#partialLength);
    else {
      const grown = Buffer.allocUnsafe(Math.max(1024, length * 2));
      partial.copy(grown, 0, 0, this.#partialLength);
      bytes.copy(grown, this.#partialLength);
      this.#partial = grown;
    }
    this.#partialLength = length;
  }
}

/** A Uint8Array over the same memory: what leaves this folder is no Buffer. */
function plain(bytes: Buffer, from: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + from, end - from);
}
