// Where output goes: stdout or stderr, written at once and whole; on a terminal nothing but our own sequences acts.
import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import { messageOf } from "../core/fault.ts";
import { visibleOnTerminal } from "../core/visible.ts";

/** A sequence of our own that moves the cursor or clears: no text can be one. */
export interface Control {
  readonly sequence: string;
}

export interface Sink {
  /**
   * Returns when everything is written, or when nobody reads any more. Text that apps, receivers or visitors may have a part in
   * is text here: a terminal sees colours and visible characters only, a pipe every byte.
   */
  write(...pieces: readonly (string | Control)[]): void;
  readonly isTty: boolean;
  /** Of the terminal, in characters, as it is now; undefined for a pipe or file. */
  size(): { readonly columns: number; readonly rows: number } | undefined;
  /** Fires when nothing can be written any more: the reader has closed its end, which is no error but a reason to stop; or see `failure`. */
  readonly closed: AbortSignal;
  /** Why something could not be written, though nobody closed anything: a full disk. */
  readonly failure: string | undefined;
}

/** How long to wait before another try when a terminal that somebody made non-blocking is full, in milliseconds. */
const RETRY_MS = 2;

/** Writes synchronously: Bun loses what is still queued for a pipe when the process ends (all but 64 KB of 3 MB, measured). */
export function createSink(fd: 1 | 2): Sink {
  const closed = new AbortController();
  let failure: string | undefined;
  const isTty = isatty(fd);
  return {
    isTty,
    size() {
      const { columns, rows } = fd === 1 ? process.stdout : process.stderr;
      return columns > 0 && rows > 0 ? { columns, rows } : undefined;
    },
    closed: closed.signal,
    get failure() {
      return failure;
    },
    write(...pieces) {
      let rest: Uint8Array = Buffer.from(bytesOf(pieces, isTty));
      while (rest.byteLength > 0 && !closed.signal.aborted) {
        try {
          rest = rest.subarray(writeSync(fd, rest));
        } catch (error) {
          const { code = messageOf(error) } = error as NodeJS.ErrnoException;
          if (code === "EAGAIN") {
            Bun.sleepSync(RETRY_MS);
            continue;
          }
          if (code !== "EPIPE") failure = code === "ENOSPC" ? "there is no space left on its disk" : code;
          closed.abort();
        }
      }
    },
  };
}

/** What is written for these pieces. */
export function bytesOf(pieces: readonly (string | Control)[], isTty: boolean): string {
  return pieces
    .map((piece) => (typeof piece === "string" ? (isTty ? visibleOnTerminal(piece) : piece) : piece.sequence))
    .join("");
}
