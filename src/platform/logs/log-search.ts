// Searches of logs in a process of their own: what reads and decodes megabytes must not keep the event loop from visitors.
import { setPriority } from "node:os";
import { Fault } from "../../core/fault.ts";
import { SEARCH_WORD } from "../executable.ts";
import { type Clock, createDeadline } from "../time/clock.ts";
import { createKeyedLock } from "../time/keyed-lock.ts";
import { type Line, readTail, type Tail } from "./log-file.ts";

/** Where to look in one file: only at lines that end behind `from`, and not behind `to`. */
export interface SearchedFile {
  readonly path: string;
  readonly from: number;
  readonly to?: number | undefined;
}

export interface Search {
  readonly files: readonly SearchedFile[];
  readonly text: string;
  /** How many lines of each file at most, the last ones. */
  readonly limit: number;
}

export interface LogSearch {
  /**
   * The last lines of each file that contain the text, in the order of the files. One search at a time for each `principal`,
   * and one in all, in the order asked for. Throws `stopped_waiting` when its turn or its end does not come in time.
   */
  find(principal: string, search: Search, signal?: AbortSignal): Promise<readonly Tail[]>;
}

export interface LogSearchOptions {
  readonly clock: Clock;
  /** The words that start this program; none: it searches in this process. */
  readonly program: readonly string[];
  /** What one search may take. */
  readonly budgetMs?: number;
  /** Up to so many bytes are searched in this process. */
  readonly smallBytes?: number;
}

const BUDGET_MS = 10_000;
/** For others of the same principal, and then for those of others. */
const WAIT_MS = 20_000;
/** A page that is typed in gives up all but its last: more of one principal wait for nothing. */
const WAITING_EACH = 4;
/** Visitors come first; lower yet, and a busy machine would leave nothing of the budget. */
const NICE = 10;
/** So much is decoded in milliseconds, less than a process takes to start. */
const SMALL_BYTES = 256 * 1024;
/** What is found beyond that is left out, the oldest first. */
const FOUND_BYTES = 16 * 1024 * 1024;

export function createLogSearch(options: LogSearchOptions): LogSearch {
  const { clock, budgetMs = BUDGET_MS, smallBytes = SMALL_BYTES } = options;
  const each = createKeyedLock(clock, WAITING_EACH);
  const all = createKeyedLock(clock);
  const hasProgram = options.program.length > 0;

  return {
    find(principal, wanted, signal) {
      const turn = {
        name: `a search of logs by ${principal}`,
        waitMs: WAIT_MS,
        ...(signal && { signal }),
      };
      return each.run(principal, turn, () =>
        all.run("all", turn, async () => {
          using deadline = createDeadline(clock, budgetMs, signal);
          const search = hasProgram && sizeOf(wanted) > smallBytes ? searchBeside : searchHere;
          try {
            return await search(options.program, wanted, deadline.signal);
          } catch (thrown) {
            if (signal?.aborted || !deadline.signal.aborted) throw thrown;
            throw tooLong(budgetMs);
          }
        }),
      );
    },
  };
}

function sizeOf({ files }: Search): number {
  let bytes = 0;
  for (const { path, from, to = Bun.file(path).size } of files) bytes += Math.max(0, to - from);
  return bytes;
}

function tooLong(budgetMs: number): Fault {
  return new Fault(
    "stopped_waiting",
    `the search of the logs was given up after ${budgetMs / 1000} s`,
    "name an instance, or a shorter time with --since",
  );
}

async function searchBeside(
  program: readonly string[],
  wanted: Search,
  signal: AbortSignal,
): Promise<readonly Tail[]> {
  const child = Bun.spawn([...program, SEARCH_WORD], {
    env: {},
    stdin: new TextEncoder().encode(JSON.stringify(wanted)),
    stdout: "pipe",
    stderr: "ignore",
  });
  const kill = () => child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  try {
    signal.throwIfAborted();
    const [text, exit] = await Promise.all([new Response(child.stdout).text(), child.exited]);
    signal.throwIfAborted();
    if (exit !== 0) throw new Error(`the search of the logs ended with ${child.signalCode ?? exit}`);
    return (JSON.parse(text) as Sent[]).map(received);
  } finally {
    signal.removeEventListener("abort", kill);
    kill();
  }
}

async function searchHere(_: readonly string[], wanted: Search, signal: AbortSignal): Promise<Tail[]> {
  const tails: Tail[] = [];
  let left = FOUND_BYTES;
  for (const { path, from, to } of wanted.files) {
    signal.throwIfAborted();
    const matches = (text: string) => text.includes(wanted.text);
    const { lines, end } = await readTail(path, { limit: wanted.limit, from, to, matches });
    const kept: Line[] = [];
    for (const line of lines.reverse()) {
      left -= line.text.length;
      if (left > 0) kept.push(line);
    }
    tails.push({ lines: kept.reverse(), end });
  }
  return tails;
}

/**
 * The whole of the process that searches: answers its exit code. `write` returns when all of a text is with the reader; Bun.write
 * to a pipe may send again what the pipe has taken in part (1.4.5).
 */
export async function runSearch(write: (text: string) => void): Promise<number> {
  setPriority(NICE);
  const wanted = JSON.parse(await Bun.stdin.text()) as Search;
  const tails = await searchHere([], wanted, new AbortController().signal);
  write(JSON.stringify(tails.map(sent)));
  return 0;
}

/** A tail as JSON: bytes are base64. */
interface Sent {
  readonly end: number;
  readonly lines: readonly { readonly text: string; readonly end: number; readonly base64?: string }[];
}

function sent({ lines, end }: Tail): Sent {
  const plain = lines.map(({ text, end, bytes }) => {
    return { text, end, ...(bytes && { base64: Buffer.from(bytes).toString("base64") }) };
  });
  return { lines: plain, end };
}

function received({ lines, end }: Sent): Tail {
  const whole = lines.map(({ text, end, base64 }) => {
    return { text, end, ...(base64 !== undefined && { bytes: Buffer.from(base64, "base64") }) };
  });
  return { lines: whole, end };
}
