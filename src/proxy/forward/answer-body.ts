// The body of an answer on its way to the visitor: followed to its end by its framing, and unpacked for who knows no chunks.
import type { AnswerHead, AnswerRules, Framing } from "../../core/http1/answer-head.ts";
import { ChunkWalker } from "../../core/http1/chunks.ts";
import type { RequestHead } from "../../core/http1/request-head.ts";

export class AnswerBody {
  framing: Framing = "none";
  /** The visitor speaks HTTP/1.0: he gets what is in the chunks. */
  isUnpacked = false;
  /** Something followed the answer: its connection must not be used again. */
  hasSurplus = false;
  /** Whether another request may follow on its connection, and how long that may be idle. */
  isPersistent = false;
  keepAliveMs: number | undefined;
  #left = 0;
  #walker: ChunkWalker | undefined;

  /** The answer to a request. */
  begin(answer: AnswerHead, { isHead, minor }: RequestHead, rules: AnswerRules): void {
    this.framing = answer.framing(isHead);
    this.isPersistent = answer.isPersistent(this.framing);
    this.keepAliveMs = answer.keepAliveMs;
    if (this.framing === "length") this.#left = answer.contentLength;
    if (this.framing !== "chunked") return;
    this.#walker = new ChunkWalker((name) => rules.isOurs(name));
    this.isUnpacked = minor === 0;
  }

  /** Only the end of the connection tells the visitor that it is whole. */
  get endsWithClose(): boolean {
    return this.framing === "close" || this.isUnpacked;
  }

  get isWhole(): boolean {
    if (this.framing === "length") return this.#left === 0;
    if (this.framing === "chunked") return this.#walker?.done === true;
    return this.framing === "none";
  }

  /** What follows as its end in the place of its trailers; undefined: it had none, or its visitor knows none. */
  get tail(): Buffer | undefined {
    return this.isUnpacked ? undefined : this.#walker?.tail;
  }

  /** The index behind what goes on of it in `bytes[from...]`. Throws Malformed. `onData` is given what is in chunks. */
  take(bytes: Buffer, from: number, onData?: (start: number, end: number) => void): number {
    const walker = this.#walker;
    const end = walker?.walk(bytes, from, bytes.length, onData) ?? this.#endIn(bytes, from);
    this.hasSurplus = end < bytes.length;
    return walker?.passedTo ?? end;
  }

  /** The answer behind its head in one piece, if `bytes[from...]` has the rest of it. */
  wholeAfter(head: Buffer, bytes: Buffer, from: number): Buffer | undefined {
    const rest = bytes.subarray(from, this.take(bytes, from));
    if (!this.isWhole) return undefined;
    return Buffer.concat(this.tail === undefined ? [head, rest] : [head, rest, this.tail]);
  }

  #endIn(bytes: Buffer, from: number): number {
    if (this.framing === "close") return bytes.length;
    if (this.framing === "none") return from;
    const take = Math.min(this.#left, bytes.length - from);
    this.#left -= take;
    return from + take;
  }
}
