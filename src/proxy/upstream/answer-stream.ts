// The body of an answer as a stream that its reader pulls: when the reader is slow, the connection is not read.
import { giveBack } from "./give-back.ts";

/** What the stream asks of the exchange that feeds it. */
export interface Source {
  pause(): void;
  resume(): void;
  /** The reader has cancelled. */
  cancel(): void;
}

export class AnswerStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly #bufferBytes: number;
  readonly #source: Source;
  /** What is in the queue, and what has been taken from it lately, the oldest first. */
  readonly #given: Uint8Array[] = [];
  #givenBytes = 0;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  /** Pauses the source while more than `bufferBytes` wait for the reader. */
  constructor(bufferBytes: number, first: readonly Uint8Array[], source: Source) {
    this.#bufferBytes = bufferBytes;
    this.#source = source;
    const underlying: Bun.UnderlyingSource<Uint8Array> = {
      start: (controller) => {
        this.#controller = controller;
        for (const piece of first) this.push(piece);
      },
      pull: () => source.resume(),
      cancel: () => {
        this.#controller = undefined;
        source.cancel();
      },
    };
    this.readable = new ReadableStream(underlying, { highWaterMark: bufferBytes, size: byteLength });
  }

  push(piece: Uint8Array): void {
    const controller = this.#controller;
    if (controller === undefined || piece.byteLength === 0) return;
    this.#giveBackTaken(this.#bufferBytes - (controller.desiredSize ?? 0));
    this.#given.push(piece);
    this.#givenBytes += piece.byteLength;
    controller.enqueue(piece);
    if ((controller.desiredSize ?? 0) <= 0) this.#source.pause();
  }

  /**
   * Bun.serve writes or copies a piece in the microtasks that take it from the queue, and pieces come from the event loop:
   * what had left the queue before is done with.
   */
  #giveBackTaken(queuedBytes: number): void {
    while (this.#givenBytes > queuedBytes) {
      const taken = this.#given.shift();
      if (taken === undefined) return;
      this.#givenBytes -= taken.byteLength;
      giveBack(taken);
    }
  }

  close(): void {
    this.#controller?.close();
    this.#controller = undefined;
  }

  fail(reason: Error): void {
    this.#controller?.error(reason);
    this.#controller = undefined;
  }
}

function byteLength(piece: Uint8Array | undefined): number {
  return piece?.byteLength ?? 0;
}
