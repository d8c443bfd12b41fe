// Turns the bytes of a connection into one answer as values: heads of 1xx skipped, then the final head, then pieces of its body. For what reads answers and does not pass them on.
import {
  AnswerHead,
  endOfAnswerHead,
  type Framing,
  NO_ANSWER_RULES,
  readAnswerHead,
} from "../../core/http1/answer-head.ts";
import { Malformed } from "../../core/http1/bytes.ts";
import { ChunkWalker } from "../../core/http1/chunks.ts";
import type { Fields } from "../http-client.ts";

export interface HeadLimits {
  readonly maxHeadBytes: number;
  readonly maxFields: number;
}

export interface Framed {
  readonly framing: Framing;
  /** The announced length; -1: there is none. */
  readonly contentLength: number;
  /** No hop-by-hop ones, none that `Connection` names, at most one Content-Length. */
  readonly fields: Fields;
  /** Whether another request may follow on this connection. */
  readonly persistent: boolean;
  /** What `Keep-Alive: timeout=` announces, in milliseconds. */
  readonly keepAliveMs: number | undefined;
  readonly isEventStream: boolean;
}

/** Interim answers are skipped, but not without end. */
const MAX_INTERIM = 32;
const EMPTY = new Uint8Array(0);

/** One connection's reader; `begin` prepares it for each answer. Pure: it knows bytes, neither sockets nor time. */
export class AnswerReader {
  readonly #limits: HeadLimits;
  readonly #head = new AnswerHead();
  #method = "";
  #partial: Buffer | undefined;
  #partialLength = 0;
  #interim = 0;
  #remaining = 0;
  #chunks: ChunkWalker | undefined;
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
    this.#chunks = undefined;
    this.framed = undefined;
    this.done = false;
    this.surplus = false;
  }

  /** Takes ownership of `bytes` and returns those of the body that were in them. Throws Malformed. */
  push(bytes: Buffer): Uint8Array {
    return this.framed === undefined ? this.#pushHead(bytes) : this.#pushBody(bytes, 0);
  }

  /** The connection was closed in good order: true when that is how this body ends, false when it breaks it off. */
  eof(): boolean {
    if (this.framed?.framing === "close") this.done = true;
    return this.done;
  }

  #pushHead(bytes: Buffer): Uint8Array {
    if (this.#partial === undefined) return this.#scan(bytes, 0);
    const from = Math.max(0, this.#partialLength - 3);
    this.#append(bytes);
    return this.#scan(this.#partial.subarray(0, this.#partialLength), from);
  }

  /** Looks for heads, searching from `from`; what is no whole head is kept for the next push. */
  #scan(bytes: Buffer, from: number): Uint8Array {
    let rest = bytes;
    let search = from;
    for (;;) {
      const end = endOfAnswerHead(rest, search);
      if (end < 0) return this.#keep(rest);
      if (end > this.#limits.maxHeadBytes) throw new Malformed("the head of the answer is too long");
      readAnswerHead(this.#head, rest, end, this.#limits.maxFields, NO_ANSWER_RULES);
      const { status } = this.#head;
      if (status >= 200) return this.#final(rest, end);
      if (status === 101) throw new Malformed("the target switched protocols without being asked");
      if (++this.#interim > MAX_INTERIM) throw new Malformed("too many interim answers");
      rest = rest.subarray(end);
      search = 0;
    }
  }

  #final(bytes: Buffer, end: number): Uint8Array {
    const head = this.#head;
    const framing = head.framing(this.#method === "HEAD");
    const { contentLength, keepAliveMs, isEventStream } = head;
    const fields = head.pairs().map((field) => (field[0] === LENGTH ? lengthField(contentLength) : field));
    const persistent = head.isPersistent(framing);
    this.status = head.status;
    this.framed = { framing, contentLength, fields, persistent, keepAliveMs, isEventStream };
    this.#partial = undefined;
    if (framing === "chunked") this.#chunks = new ChunkWalker();
    this.#remaining = framing === "length" ? contentLength : 0;
    this.done = framing === "none" || (framing === "length" && contentLength === 0);
    return end === bytes.length ? EMPTY : this.#pushBody(bytes, end);
  }

  #pushBody(bytes: Buffer, from: number): Uint8Array {
    if (this.done) {
      this.surplus = true;
      return EMPTY;
    }
    if (this.#chunks !== undefined) return this.#unpack(this.#chunks, bytes, from);
    if (this.framed?.framing === "close") return plain(bytes, from, bytes.length);
    const take = Math.min(bytes.length - from, this.#remaining);
    this.#remaining -= take;
    this.done = this.#remaining === 0;
    this.surplus = from + take < bytes.length;
    return plain(bytes, from, from + take);
  }

  /** What is in the chunks, moved together inside `bytes`: one piece, however many there were. */
  #unpack(chunks: ChunkWalker, bytes: Buffer, from: number): Uint8Array {
    let start = from;
    let length = 0;
    const end = chunks.walk(bytes, from, bytes.length, (at, stop) => {
      if (length === 0) start = at;
      else bytes.copyWithin(start + length, at, stop);
      length += stop - at;
    });
    this.done = chunks.done;
    this.surplus = end < bytes.length;
    return plain(bytes, start, start + length);
  }

  #keep(bytes: Buffer): Uint8Array {
    if (bytes.length >= this.#limits.maxHeadBytes) throw new Malformed("the head of the answer is too long");
    if (bytes.buffer !== this.#partial?.buffer || bytes.byteOffset !== this.#partial.byteOffset) {
      this.#partial = bytes;
      this.#partialLength = bytes.length;
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

const LENGTH = "content-length";

function lengthField(bytes: number): [string, string] {
  return [LENGTH, String(bytes)];
}

/** A Uint8Array over the same memory: what leaves this folder is no Buffer. */
function plain(bytes: Buffer, from: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + from, end - from);
}
