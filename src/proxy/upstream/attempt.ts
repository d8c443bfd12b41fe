// One exchange on its way: the request out, the answer in, and each of their ends exactly once.
import { messageOf } from "../../core/fault.ts";
import type { SendOptions, UpstreamRequest, UpstreamResponse } from "../exchange.ts";
import { type FailureKind, UpstreamFailure } from "../exchange.ts";
import type { AnswerReader } from "./answer-reader.ts";
import { AnswerStream } from "./answer-stream.ts";
import type { Connection, Occupant } from "./connection.ts";
import type { Pool } from "./pool.ts";
import { isRepeatable } from "./request.ts";
import { RequestBody } from "./request-body.ts";

/** What all exchanges of a client share. */
export interface AttemptContext {
  now(): number;
  /** Where heads and small bodies are put together: overwritten by each use. */
  readonly scratch: Buffer;
  readonly streamBufferBytes: number;
}

export class Attempt implements Occupant, EventListenerObject {
  readonly repeatable: boolean;
  readonly #context: AttemptContext;
  readonly #pool: Pool;
  readonly #request: UpstreamRequest;
  readonly #head: string;
  readonly #options: SendOptions;
  readonly #resolve: (response: UpstreamResponse) => void;
  readonly #reject: (failure: UpstreamFailure) => void;
  #connection: Connection | undefined;
  #body: RequestBody | undefined;
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
    this.#deadlineMs = context.now() + options.connectTimeoutMs;
  }

  handleEvent(): void {
    this.fail("aborted", "the visitor has left");
  }

  awaits(connection: Connection): void {
    this.#connection = connection;
    this.#watch();
  }

  /** From now on the visitor's leaving is noticed. */
  #watch(): void {
    if (this.#signal !== undefined || this.#ended) return;
    this.#signal = this.#options.signal();
    if (this.#signal.aborted) this.handleEvent();
    else this.#signal.addEventListener("abort", this);
  }

  begin(connection: Connection): boolean {
    this.#connection = connection;
    connection.reader.begin(this.#request.method);
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
      return connection.write(scratch, length);
    }
    if (!connection.write(Buffer.from(head, "latin1"))) return false;
    if (bytes !== undefined) connection.write(bytes);
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
    const { reader } = connection;
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
    if (!hadHead) this.#answer(reader, piece);
    else {
      this.#armForBody(reader);
      this.#stream?.push(piece);
    }
    if (reader.done) this.#finish(connection);
  }

  onClosed(error: Error | undefined): void {
    const connection = this.#connection;
    if (connection !== undefined && error === undefined && connection.reader.eof()) {
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
    else if (this.#requestDone && this.#connection.reader.framed === undefined) {
      this.fail("request_timeout", "the target did not answer in time");
    } else this.fail("stream_timeout", "no byte of a body has moved for too long");
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

  /** Hands the head on, with the whole body when that has come along, else with a stream that began with `piece`. */
  #answer(reader: AnswerReader, piece: Uint8Array): void {
    const framed = reader.framed;
    if (framed === undefined) return;
    let body: UpstreamResponse["body"] = null;
    if (framed.framing.kind === "none") body = null;
    else if (reader.done) body = piece;
    else {
      this.#armForBody(reader);
      this.#stream = new AnswerStream(this.#context.streamBufferBytes, piece, {
        pause: () => this.#connection?.pause(),
        resume: () => {
          if (this.#ended) return;
          this.#armForBody(reader);
          this.#connection?.resume();
        },
        cancel: () => this.fail("aborted", "the answer was no longer wanted"),
      });
      body = this.#stream.readable;
    }
    this.#resolve({ status: reader.status, fields: framed.fields, body });
  }

  #finish(connection: Connection): void {
    const { framed, surplus } = connection.reader;
    const isReusable =
      this.#requestDone && framed?.persistent === true && !surplus && connection.state === "open";
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
    if (this.#connection?.reader.framed === undefined) this.#armForHead();
  }

  #armForHead(): void {
    this.#arm(this.#options.requestTimeoutMs);
  }

  #armForBody(reader: AnswerReader): void {
    const isUnlimited = this.#requestDone && reader.framed?.isEventStream === true;
    this.#arm(isUnlimited ? 0 : this.#options.streamIdleTimeoutMs);
  }

  #arm(delayMs: number): void {
    this.#deadlineMs = delayMs > 0 ? this.#context.now() + delayMs : Number.POSITIVE_INFINITY;
  }
}
