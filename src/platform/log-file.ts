// Reading the files that instances append their output to: the last lines, and what comes after them.
import { type FileHandle, open } from "node:fs/promises";

/** Reads what was appended to one file since the last look. */
export interface LineFollower {
  /**
   * The complete lines that came since the last call, at most about 1 MB of them. A file that was truncated, replaced or
   * made only now is read from its beginning. Calls must not overlap.
   */
  next(): Promise<string[]>;
}

const BLOCK_BYTES = 64 * 1024;
const FOLLOW_BYTES = 1024 * 1024;
/** How far back the last lines are looked for: a search for what is not there must end. */
const SEARCH_BYTES = 64 * 1024 * 1024;
/** A line that does not end is passed on in parts of about this size. */
const LINE_BYTES = 256 * 1024;
const PAGE_BYTES = 4096;
const NEWLINE = 0x0a;

/** The last lines that match, at most `limit`, oldest first; a file that is not there has none. Costs what it reads, from the end. */
export async function lastLines(
  path: string,
  limit: number,
  matches: (line: string) => boolean = () => true,
): Promise<string[]> {
  const found: string[] = [];
  await withFile(path, async (file) => {
    for await (const lines of linesFromEnd(file)) {
      for (const line of lines.reverse()) if (found.length < limit && matches(line)) found.push(line);
      if (found.length >= limit) return;
    }
  });
  return found.reverse();
}

/** The lines of one block after the other, the last block first; those within one in their order. */
async function* linesFromEnd(file: FileHandle): AsyncGenerator<string[]> {
  const { size } = await file.stat();
  let rest: Uint8Array = new Uint8Array();
  for (let end = size; end > 0 && size - end < SEARCH_BYTES; ) {
    const start = Math.floor((end - 1) / BLOCK_BYTES) * BLOCK_BYTES;
    const read = await readAt(file, start, end - start);
    const block = withoutHole(read);
    const bytes = Buffer.concat([block, rest]);
    if (block.length < read.length) return yield linesOf(afterNewline(bytes));
    if (start === 0) return yield linesOf(bytes);
    const whole = afterNewline(bytes);
    rest = bytes.subarray(0, bytes.length - whole.length);
    yield linesOf(whole);
    if (rest.length > LINE_BYTES) {
      yield linesOf(rest);
      rest = new Uint8Array();
    }
    end = start;
  }
}

/** Follows a file from its beginning, or from where it ends at the first call of `next`. */
export function createLineFollower(path: string, from: "beginning" | "end"): LineFollower {
  let offset = from === "beginning" ? 0 : undefined;
  let inode: number | undefined;
  let rest: Uint8Array = new Uint8Array();

  async function read(file: FileHandle): Promise<string[]> {
    const { size, ino } = await file.stat();
    if (inode !== undefined && (ino !== inode || size < (offset ?? 0))) {
      offset = 0;
      rest = new Uint8Array();
    }
    inode = ino;
    offset ??= size;
    // From a page's beginning, so that a hole is met in whole pages.
    const skip = offset % PAGE_BYTES;
    const read = await readAt(file, offset - skip, Math.min(FOLLOW_BYTES, size - offset) + skip);
    const fresh = withoutHole(read);
    offset += Math.max(0, read.length - skip);
    // A hole: what we were about to read was trimmed, and the first line behind it is not whole.
    const trimmed = fresh.length < read.length;
    const bytes = trimmed ? afterNewline(fresh) : Buffer.concat([rest, fresh.subarray(skip)]);
    const cut = bytes.length > LINE_BYTES + FOLLOW_BYTES ? bytes.length : bytes.lastIndexOf(NEWLINE) + 1;
    rest = bytes.subarray(cut);
    if (rest.length <= LINE_BYTES) return linesOf(bytes.subarray(0, cut));
    rest = new Uint8Array();
    return linesOf(bytes);
  }

  return {
    async next() {
      const lines = (await withFile(path, read)) ?? [];
      // A file that is not there yet has all its lines before it.
      offset ??= 0;
      return lines;
    },
  };
}

/** Undefined when there is no such file. */
async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T | undefined> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (!file) return undefined;
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, start: number, length: number): Promise<Uint8Array> {
  const buffer = Buffer.alloc(Math.max(0, length));
  if (buffer.length === 0) return buffer;
  const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
  return buffer.subarray(0, bytesRead);
}

/** What follows the last page of nothing but zeros: where a log was trimmed. `bytes` begin at a page of the file. */
function withoutHole(bytes: Uint8Array): Uint8Array {
  for (let at = Math.floor(bytes.length / PAGE_BYTES) * PAGE_BYTES; at >= PAGE_BYTES; at -= PAGE_BYTES) {
    if (bytes.subarray(at - PAGE_BYTES, at).every((byte) => byte === 0)) return bytes.subarray(at);
  }
  return bytes;
}

/** What follows the first end of a line; nothing when there is none. */
function afterNewline(bytes: Uint8Array): Uint8Array {
  const at = bytes.indexOf(NEWLINE);
  return at < 0 ? new Uint8Array() : bytes.subarray(at + 1);
}

/** Whole lines are decoded, so no character is cut in two; bytes that are no UTF-8 become U+FFFD. */
function linesOf(bytes: Uint8Array): string[] {
  if (bytes.length === 0) return [];
  const lines = new TextDecoder().decode(bytes).split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
