// A sink that keeps what is written, as a pipe or as a terminal.
import { bytesOf, type Sink } from "../../src/cli/sink.ts";

export interface MemorySink extends Sink {
  /** All that was written so far. */
  text(): string;
  /** Each write. */
  readonly writes: readonly string[];
  /** Closes the reader's end. */
  close(): void;
}

export function createMemorySink({ isTty = false, columns = 80, rows = 24 } = {}): MemorySink {
  const writes: string[] = [];
  const closed = new AbortController();
  return {
    isTty,
    writes,
    closed: closed.signal,
    failure: undefined,
    close: () => closed.abort(),
    text: () => writes.join(""),
    size: () => (isTty ? { columns, rows } : undefined),
    write: (...pieces) => void writes.push(bytesOf(pieces, isTty)),
  };
}
