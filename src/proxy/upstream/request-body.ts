// Sends a streamed request body: framed, counted, and only as fast as the connection takes it.
import { messageOf } from "../../core/fault.ts";
import type { StreamBody } from "../http-client.ts";
import type { Connection } from "./connection.ts";
import { giveBack } from "./give-back.ts";

export interface BodyProgress {
  /** Bytes have left. */
  progressed(): void;
  /** The kernel has taken the last byte: called once. */
  completed(): void;
  /** The body broke off, or is not as long as announced: the request cannot be completed. */
  failed(why: string): void;
}

type Reader = ReturnType<StreamBody["stream"]["getReader"]>;

const CRLF = Buffer.from("\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

export class RequestBody {
  readonly #connection: Connection;
  readonly #progress: BodyProgress;
  #reader: Reader | undefined;
  #remaining: number | undefined;
  #cancelled = false;
  #completed = false;
  #wake: (() => void) | undefined;

  constructor(body: StreamBody, connection: Connection, progress: BodyProgress) {
    this.#connection = connection;
    this.#progress = progress;
    this.#remaining = body.length;
    void this.#run(body.stream);
  }

  /** All that has come of it has left: the visitor owes the rest. */
  get isWaiting(): boolean {
    return !this.#completed && this.#connection.flushed;
  }

  /** The kernel has taken what was written so far. */
  flushed(): void {
    this.#wake?.();
  }

  /** Stops reading and writing; the rest of the body is thrown away. */
  cancel(): void {
    this.#cancelled = true;
    this.#wake?.();
    this.#reader?.cancel().catch(() => {});
  }

  async #run(stream: ReadableStream<Uint8Array>): Promise<void> {
    try {
      const reader: Reader = stream.getReader();
      this.#reader = reader;
      for (let next = await reader.read(); !this.#cancelled && !next.done; next = await reader.read()) {
        await this.#write(next.value);
        giveBack(next.value);
        if (this.#cancelled) return;
        this.#progress.progressed();
        // The target may answer now: it has all that was announced, whenever the stream itself says so.
        if (this.#remaining === 0) this.#complete();
      }
      if (this.#cancelled) return;
      await this.#writeEnd();
      if (!this.#cancelled) this.#complete();
    } catch (thrown) {
      if (!this.#cancelled) this.#progress.failed(messageOf(thrown));
    }
  }

  #complete(): void {
    if (this.#completed) return;
    this.#completed = true;
    this.#progress.completed();
  }

  #write(piece: Uint8Array): Promise<void> | undefined {
    if (piece.byteLength === 0) return undefined;
    if (this.#remaining === undefined) {
      const chunk = Buffer.concat([Buffer.from(`${piece.byteLength.toString(16)}\r\n`), piece, CRLF]);
      this.#connection.write(chunk, 0, chunk.byteLength);
      giveBack(chunk);
    } else {
      this.#remaining -= piece.byteLength;
      if (this.#remaining < 0) throw new Error("the request's body is longer than announced");
      this.#connection.write(piece, 0, piece.byteLength);
    }
    return this.#flushed();
  }

  #writeEnd(): Promise<void> | undefined {
    if (this.#remaining === undefined) this.#connection.write(LAST_CHUNK, 0, LAST_CHUNK.byteLength);
    else if (this.#remaining > 0) throw new Error("the request's body is shorter than announced");
    return this.#flushed();
  }

  #flushed(): Promise<void> | undefined {
    if (this.#connection.flushed) return undefined;
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
