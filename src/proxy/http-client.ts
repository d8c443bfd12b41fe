// One request as it goes upstream and one answer as it comes back: the seam between the front of the proxy and its HTTP client.
import type { Address } from "../core/route.ts";

/** Header fields in wire order, names in lower case; a name may occur more than once (`set-cookie`). */
export type Fields = readonly (readonly [name: string, value: string])[];

/** `length` is the announced Content-Length in bytes; undefined sends the body chunked. */
export interface StreamBody {
  readonly stream: ReadableStream<Uint8Array>;
  readonly length: number | undefined;
}

export interface UpstreamRequest {
  readonly method: string;
  /** Path and query exactly as they go on the request line. */
  readonly path: string;
  /** All fields but framing and connection ones (Content-Length, Transfer-Encoding, Connection): those are the client's. */
  readonly fields: Fields;
  readonly body: Uint8Array | StreamBody | null;
}

export interface UpstreamResponse {
  readonly status: number;
  /** Without hop-by-hop fields and without Transfer-Encoding; Content-Length stays, as the backend sent it. */
  readonly fields: Fields;
  /**
   * Bytes when the whole body was there with the head (what one read holds: at most 512 KB), or a millisecond later when
   * it is announced as no more than 64 KB; a stream otherwise; null when the answer has none (HEAD, 204, 304). A stream
   * errors with an UpstreamFailure when the backend breaks off, so that a short body never looks complete. It must be
   * read or cancelled.
   */
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
}

export interface SendOptions {
  readonly connectTimeoutMs: number;
  /** From the last byte of the request sent to the first byte of the answer's head; 0 = none. */
  readonly requestTimeoutMs: number;
  /** Longest silence while a body flows, either way; 0 = none. Not applied to `text/event-stream`. */
  readonly streamIdleTimeoutMs: number;
  /**
   * Gives the signal that aborts the exchange: the visitor has left. Asked for at most once, when the exchange has to wait
   * for a connection or outlasts a sweep of the deadlines (100 ms): most do not, and listening costs them 1 us of 19.
   */
  readonly signal: () => AbortSignal;
  /**
   * Called exactly once, when the last byte of the exchange has been read from the target, or with the reason when it
   * has failed: before `send` rejects, and also when the body breaks off after `send` has resolved.
   */
  readonly onEnd: (failure?: UpstreamFailure) => void;
}

/** An address, or a socket's: `unix` is its path and wins over host and port. */
export interface Origin extends Address {
  readonly unix?: string;
}

export type FailureKind =
  | "refused"
  | "connect_timeout"
  | "unresolved"
  | "tls"
  | "busy"
  | "reset"
  | "request_timeout"
  | "stream_timeout"
  /** The visitor is late with the body of the request: no fault of the target's. */
  | "body_timeout"
  | "garbage"
  | "aborted";

/** Why an exchange gave no answer, and how far it got: the retry rules depend on the two booleans. */
export class UpstreamFailure extends Error {
  override readonly name = "UpstreamFailure";
  readonly kind: FailureKind;
  /** Whether any byte of the request may have reached the target. False also for an idle socket found closed. */
  readonly requestSent: boolean;
  /** Whether any byte of the answer was read. */
  readonly answerBegun: boolean;
  /**
   * Whether the request went over a connection that had served another before: a `reset` then tells more about that
   * connection's age than about the target's health.
   */
  readonly reused: boolean;

  constructor(
    kind: FailureKind,
    message: string,
    requestSent: boolean,
    answerBegun: boolean,
    reused = false,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.kind = kind;
    this.requestSent = requestSent;
    this.answerBegun = answerBegun;
    this.reused = reused;
  }
}

/** The HTTP client of the proxy: it alone knows how a request travels. */
export interface Upstream extends AsyncDisposable {
  /** Resolves with the head (and small body) of the answer; rejects with an UpstreamFailure and nothing else. */
  send(origin: Origin, request: UpstreamRequest, options: SendOptions): Promise<UpstreamResponse>;
  /** Closes the idle sockets of every origin that is not in the list, at once. */
  retain(origins: readonly Origin[]): void;
}
