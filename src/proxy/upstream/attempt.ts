// One exchange on its way: the request out, the answer in, and each of their ends exactly once.
import { messageOf } from "../../core/fault.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { SendOptions, UpstreamRequest, UpstreamResponse } from "../http-client.ts";
import { type FailureKind, UpstreamFailure } from "../http-client.ts";
import { AnswerReader, type Framed } from "./answer-reader.ts";
import { AnswerStream } from "./answer-stream.ts";
import type { Connection, Occupant } from "./connection.ts";
import type { Limits } from "./limits.ts";
import type { Pool } from "./pool.ts";
import { isRepeatable } from "./request.ts";
import { RequestBody } from "./request-body.ts";

/**
 * Many backends write the head and a small body apart. Waiting this long for the second part saves the stream, and the
 * visitor gets the Content-Length; what is not whole by then streams.
 */
const LINGER_MS = 1;
const SMALL_BODY_BYTES = 65_536;

/** What all exchanges of a client share. */
export interface AttemptContext {
  readonly clock: Clock;
  /** What deadlines are kept by. */
  activeMs(): number;
  /** Where heads and small bodies are put together: overwritten by each use. */
  readonly scratch: Buffer;
  readonly limits: Limits;
}

export class Attempt implements Occupant, EventListenerObject {
  readonly repeatable: boolean;
  readonly needsFresh = false;
  readonly #reader: AnswerReader;
  readonly #context: AttemptContext;
  readonly #pool: Pool;
  readonly #request: UpstreamRequest;
  readonly #head: string;
  readonly #options: SendOptions;
  readonly #resolve: (response: UpstreamResponse) => void;
  readonly #reject: (failure: UpstreamFailure) => void;
  #connection: Connection | undefined;
  #body: RequestBody | undefined;
  /** What has come of a small body that may soon be whole. */
  #pieces: Uint8Array[] | undefined;
  #stream: AnswerStream | undefined;
  #signal: AbortSignal | undefined;
  #deadlineMs: number;
  #requestSent = false;
  /** The kernel has taken the last byte of the request. */
  #requestDone = false;
  #answerBegun = false;
  #ended = false;

  /** `head` is the request's, encoded. The promise behind `resolve` and `reject` settles once. */
  constructor(
    context: AttemptContext,
    pool: Pool,
    request: UpstreamRequest,
    head: string,
    options: SendOptions,
    resolve: (response: UpstreamResponse) => void,
    reject: (failure: UpstreamFailure) => void,
  ) {
    this.#context = context;
    this.#pool = pool;
    this.#request = request;
    this.#head = head;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.repeatable = isRepeatable(request);
    this.#reader = new AnswerReader(context.limits);
    this.#deadlineMs = context.activeMs() + options.connectTimeoutMs;
  }

  /** Whoever waits for the answer does not any more. */
  handleEvent(): void {
    const reason: unknown = this.#signal?.reason;
    const isSaid = reason instanceof Error && reason.name !== "AbortError";
    this.fail("aborted", isSaid ? reason.message : "it was no longer wanted");
  }

  awaits(connection: Connection | undefined): void {
    this.#connection = connection;
    this.#watch();
  }

  /** From now on the end of that waiting is noticed. */
  #watch(): void {
    if (this.#signal !== undefined || this.#ended) return;
    this.#signal = this.#options.signal();
    if (this.#signal.aborted) this.handleEvent();
    else this.#signal.addEventListener("abort", this);
  }

  begin(connection: Connection): boolean {
    this.#connection = connection;
    this.#reader.begin(this.#request.method);
    if (!this.#writeHead(connection)) return false;
    this.#requestSent = true;
    const { body } = this.#request;
    if (body === null || body instanceof Uint8Array) {
      if (connection.flushed) this.#requestWritten();
      else this.#arm(this.#options.streamIdleTimeoutMs);
    } else {
      this.#arm(this.#options.streamIdleTimeoutMs);
      this.#body = new RequestBody(body, connection, {
        progressed: () => this.#arm(this.#options.streamIdleTimeoutMs),
        completed: () => this.#requestWritten(),
        failed: (why) => this.fail("aborted", why),
      });
    }
    return true;
  }

  /** The head and, where it fits, the body in one write. */
  #writeHead(connection: Connection): boolean {
    const { scratch } = this.#context;
    const { body } = this.#request;
    const bytes = body instanceof Uint8Array ? body : undefined;
    const head = this.#head;
    const length = head.length + (bytes?.byteLength ?? 0);
    if (length <= scratch.length) {
      scratch.write(head, 0, "latin1");
      if (bytes !== undefined) scratch.set(bytes, head.length);
      return connection.write(scratch, 0, length);
    }
    if (!connection.write(Buffer.from(head, "latin1"), 0, head.length)) return false;
    if (bytes !== undefined) connection.write(bytes, 0, bytes.byteLength);
    return true;
  }

  onFlushed(): void {
    if (this.#requestDone) return;
    if (this.#body === undefined) this.#requestWritten();
    else this.#body.flushed();
  }

  onData(bytes: Buffer): void {
    const connection = this.#connection;
    if (connection === undefined || this.#ended) return;
    const reader = this.#reader;
    const hadHead = reader.framed !== undefined;
    const isFirst = !this.#answerBegun;
    this.#answerBegun = true;
    let piece: Uint8Array;
    try {
      piece = reader.push(bytes);
    } catch (thrown) {
      this.fail("garbage", messageOf(thrown));
      return;
    }
    if (reader.framed === undefined) {
      // The whole head has as long again as its first byte had.
      if (isFirst && this.#requestDone) this.#armForHead();
      return;
    }
    if (!hadHead) this.#answer(reader, reader.framed, piece);
    else {
      this.#armForBody(reader);
      this.#pieces?.push(piece);
      this.#stream?.push(piece);
    }
    if (reader.done && !this.#ended) this.#finish(connection);
  }

  onClosed(error: Error | undefined): void {
    const connection = this.#connection;
    if (connection !== undefined && error === undefined && this.#reader.eof()) {
      this.#finish(connection);
      return;
    }
    const how = error === undefined ? "closed" : "reset";
    const when = this.#answerBegun ? "in the middle of its answer" : "before it answered";
    this.fail("reset", `the target ${how} the connection ${when}`);
  }

  expireAt(nowMs: number): void {
    this.#watch();
    if (nowMs < this.#deadlineMs || this.#ended) return;
    if (this.#connection === undefined) this.fail("busy", "no connection to the target became free in time");
    else if (this.#connection.state === "connecting")
      this.fail("connect_timeout", "the target did not accept in time");
    else if (this.#requestDone && this.#reader.framed === undefined) {
      this.fail("request_timeout", "the target did not answer in time");
    } else if (this.#body?.isWaiting === true)
      this.fail("body_timeout", "the visitor has not sent its body in time");
    else this.fail("stream_timeout", "no byte of a body has moved for too long");
  }

  fail(kind: FailureKind, message: string): void {
    if (this.#ended) return;
    const reused = this.#requestSent && (this.#connection?.served ?? 0) > 0;
    const failure = new UpstreamFailure(kind, message, this.#requestSent, this.#answerBegun, reused);
    const connection = this.#connection;
    this.#end();
    this.#pool.leave(this, connection, true);
    this.#options.onEnd(failure);
    if (this.#stream === undefined) this.#reject(failure);
    else this.#stream.fail(failure);
  }

  /** Hands the head on: with the body when that is whole, soon when it will be, else with a stream of it. */
  #answer(reader: AnswerReader, { framing, contentLength }: Framed, piece: Uint8Array): void {
    if (framing === "none") this.#respond(reader, null);
    else if (reader.done) this.#respond(reader, piece);
    else {
      this.#armForBody(reader);
      this.#pieces = [piece];
      if (framing === "length" && contentLength <= SMALL_BODY_BYTES) {
        this.#context.clock.after(LINGER_MS, () => this.#openStream(reader));
      } else this.#openStream(reader);
    }
  }

  #respond(reader: AnswerReader, body: UpstreamResponse["body"]): void {
    this.#resolve({ status: reader.status, fields: reader.framed?.fields ?? [], body });
  }

  #openStream(reader: AnswerReader): void {
    const pieces = this.#pieces;
    if (pieces === undefined || this.#ended) return;
    this.#pieces = undefined;
    this.#stream = new AnswerStream(this.#context.limits.streamBufferBytes, pieces, {
      pause: () => this.#connection?.pause(),
      resume: () => {
        if (this.#ended) return;
        this.#armForBody(reader);
        this.#connection?.resume();
      },
      cancel: () => this.fail("aborted", "the answer was no longer wanted"),
    });
    this.#respond(reader, this.#stream.readable);
  }

  #finish(connection: Connection): void {
    const reader = this.#reader;
    const { framed, surplus } = reader;
    const isReusable =
      this.#requestDone && framed?.persistent === true && !surplus && connection.state === "open";
    // The reader is the next exchange's once the connection is released.
    if (this.#pieces !== undefined) this.#respond(reader, concat(this.#pieces));
    this.#end();
    if (isReusable) this.#pool.release(connection, framed.keepAliveMs);
    else this.#pool.leave(this, connection, false);
    this.#options.onEnd();
    this.#stream?.close();
  }

  #end(): void {
    this.#ended = true;
    this.#connection = undefined;
    this.#signal?.removeEventListener("abort", this);
    this.#body?.cancel();
  }

  #requestWritten(): void {
    if (this.#ended) return;
    this.#requestDone = true;
    if (this.#reader.framed === undefined) this.#armForHead();
  }

  #armForHead(): void {
    this.#arm(this.#options.requestTimeoutMs);
  }

  #armForBody(reader: AnswerReader): void {
    const isUnlimited = this.#requestDone && reader.framed?.isEventStream === true;
    this.#arm(isUnlimited ? 0 : this.#options.streamIdleTimeoutMs);
  }

  #arm(delayMs: number): void {
    this.#deadlineMs = delayMs > 0 ? this.#context.activeMs() + delayMs : Number.POSITIVE_INFINITY;
  }
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces;
  return pieces.length === 1 && only !== undefined
    ? only
    : new Uint8Array(Bun.concatArrayBuffers([...pieces]));
}
