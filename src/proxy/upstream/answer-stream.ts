// The body of an answer as a stream that its reader pulls: when the reader is slow, the connection is not read.

/** What the stream asks of the exchange that feeds it. */
export interface Source {
  pause(): void;
  resume(): void;
  /** The reader has cancelled. */
  cancel(): void;
}

export class AnswerStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly #source: Source;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  /** Pauses the source while more than `bufferBytes` wait for the reader. */
  constructor(bufferBytes: number, first: readonly Uint8Array[], source: Source) {
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
    controller.enqueue(piece);
    if ((controller.desiredSize ?? 0) <= 0) this.#source.pause();
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
