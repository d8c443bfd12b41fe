// Where output goes: stdout or stderr, written at once and whole.
import { writeSync } from "node:fs";
import { isatty } from "node:tty";

export interface Sink {
  /** Returns when everything is written, or when nobody reads any more. */
  write(text: string): void;
  readonly isTty: boolean;
  /** Of the terminal, in characters, as it is now; undefined for a pipe or file. */
  size(): { readonly columns: number; readonly rows: number } | undefined;
  /** Fires when the reader has closed its end: not an error, but a reason to stop. */
  readonly closed: AbortSignal;
}

/** How long to wait before another try when a terminal that somebody made non-blocking is full, in milliseconds. */
const RETRY_MS = 2;

/** Writes synchronously: Bun loses what is still queued for a pipe when the process ends (all but 64 KB of 3 MB, measured). */
export function createSink(fd: 1 | 2): Sink {
  const closed = new AbortController();
  return {
    isTty: isatty(fd),
    size() {
      const { columns, rows } = fd === 1 ? process.stdout : process.stderr;
      return columns > 0 && rows > 0 ? { columns, rows } : undefined;
    },
    closed: closed.signal,
    write(text) {
      let rest: Uint8Array = Buffer.from(text);
      while (rest.byteLength > 0 && !closed.signal.aborted) {
        try {
          rest = rest.subarray(writeSync(fd, rest));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === "EAGAIN") Bun.sleepSync(RETRY_MS);
          else closed.abort();
        }
      }
    },
  };
}
