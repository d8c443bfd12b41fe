// Reading the files that instances append their output to: the last lines, and what comes after them.
import { isUtf8 } from "node:buffer";
import { constants, type Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { SECTOR_BYTES } from "./log-trim.ts";

/** One line without its end. */
export interface Line {
  /** Bytes that are no UTF-8 are U+FFFD in it. */
  readonly text: string;
  /** What was really written, where it is no UTF-8. */
  readonly bytes?: Uint8Array;
  /** The offset behind it, its end of line included. */
  readonly end: number;
}

export interface Tail {
  /** Oldest first; the last one may still lack its end. */
  readonly lines: Line[];
  /** The offset behind the last complete line: where a follower goes on. */
  readonly end: number;
}

export interface TailOptions {
  /** How many lines at most. */
  readonly limit: number;
  readonly matches?: (text: string) => boolean;
  /** Only lines that end behind this offset. */
  readonly from?: number;
  /** Only lines that end at this offset or before. */
  readonly to?: number | undefined;
}

/** Reads what was appended to one file since the last look. */
export interface LineFollower {
  /**
   * The complete lines that came since the last call, at most about 1 MB of them. A file that was truncated, replaced or
   * made only now is read from its beginning. Calls must not overlap.
   */
  next(): Promise<Line[]>;
}

const BLOCK_BYTES = 64 * 1024;
const FOLLOW_BYTES = 1024 * 1024;
/** How far back the last lines are looked for: a search for what is not there must end. */
const SEARCH_BYTES = 64 * 1024 * 1024;
/** A line that does not end is passed on in parts of about this size. */
const LINE_BYTES = 256 * 1024;
const PAGE_BYTES = 4096;
const NEWLINE = 0x0a;

/** Bytes of a file and where in it they begin. */
interface Piece {
  readonly bytes: Buffer;
  readonly start: number;
}

/** The last lines that match; a file that is not there has none. Costs what it reads, from the end. */
export async function readTail(path: string, options: TailOptions): Promise<Tail> {
  const tail = await withFile(path, async (file) => {
    const stats = await file.stat();
    const { limit, to = stats.size } = options;
    const complete = await endOfLines(file, stats.size);
    const last = to >= stats.size ? stats.size : await endOfLines(file, to);
    return { lines: limit > 0 ? await lastLines(file, stats, last, options) : [], end: complete };
  });
  return tail ?? { lines: [], end: 0 };
}

async function lastLines(
  file: FileHandle,
  stats: Stats,
  end: number,
  { limit, matches, from = 0 }: TailOptions,
): Promise<Line[]> {
  const found: Line[] = [];
  for await (const lines of linesFromEnd(file, stats, from, end)) {
    for (const line of lines.reverse()) {
      if (found.length < limit && line.end > from && (matches?.(line.text) ?? true)) found.push(line);
    }
    if (found.length >= limit) break;
  }
  return found.reverse();
}

/** The offset behind the last end of a line, or the size when the last line is so long that it comes in parts. */
async function endOfLines(file: FileHandle, size: number): Promise<number> {
  for (let end = size; end > 0 && size - end < LINE_BYTES; end -= BLOCK_BYTES) {
    const { bytes, start } = await readPiece(file, Math.max(0, end - BLOCK_BYTES), end);
    const at = bytes.lastIndexOf(NEWLINE);
    if (at >= 0) return start + at + 1;
  }
  return size <= LINE_BYTES ? 0 : size;
}

/** The lines of one block after the other, the last block first; those within one in their order. */
async function* linesFromEnd(
  file: FileHandle,
  stats: Stats,
  from: number,
  size: number,
): AsyncGenerator<Line[]> {
  let rest: Buffer = Buffer.alloc(0);
  // The rest is the end of a line that began further ahead: as long as it ends behind `from`, it is wanted whole.
  for (let end = size; end > 0 && end + rest.length > from && size - end < SEARCH_BYTES; ) {
    const start = Math.floor((end - 1) / BLOCK_BYTES) * BLOCK_BYTES;
    const read = await readPiece(file, start, end);
    const block = withoutHole(read, stats);
    const piece = { bytes: Buffer.concat([block.bytes, rest]), start: block.start };
    if (block.start > start) return yield linesOf(afterNewline(piece));
    if (start === 0) return yield linesOf(piece);
    const whole = afterNewline(piece);
    rest = piece.bytes.subarray(0, piece.bytes.length - whole.bytes.length);
    yield linesOf(whole);
    if (rest.length > LINE_BYTES) {
      yield linesOf({ bytes: rest, start });
      rest = Buffer.alloc(0);
    }
    end = start;
  }
}

/** Follows a file from an offset on: 0, or the `end` of a tail. `path` is asked each time, as the file may move. */
export function createLineFollower(path: string | (() => string), from: number): LineFollower {
  const read = createLineReader(from);
  const pathNow = typeof path === "string" ? () => path : path;
  return { next: async () => (await withFile(pathNow(), read)) ?? [] };
}

/** The same of a file that is open, whatever becomes of its name. */
export function createLineReader(from: number): (file: FileHandle) => Promise<Line[]> {
  let offset = from;
  let inode: number | undefined;
  let rest: Buffer = Buffer.alloc(0);

  return async (file) => {
    const stats = await file.stat();
    const { size, ino } = stats;
    if ((inode !== undefined && ino !== inode) || size < offset) {
      offset = 0;
      rest = Buffer.alloc(0);
    }
    inode = ino;
    // From a page's beginning, so that a hole is met in whole pages.
    const skip = offset % PAGE_BYTES;
    const piece = await readPiece(file, offset - skip, Math.min(size, offset + FOLLOW_BYTES));
    const fresh = withoutHole(piece, stats);
    offset = Math.max(offset, piece.start + piece.bytes.length);
    // A hole: what we were about to read was trimmed, and the first line behind it is not whole.
    const trimmed = fresh.start > piece.start;
    const bytes = trimmed ? afterNewline(fresh).bytes : Buffer.concat([rest, fresh.bytes.subarray(skip)]);
    const start = offset - bytes.length;
    const endless = bytes.length - (bytes.lastIndexOf(NEWLINE) + 1) > LINE_BYTES;
    const cut = endless ? bytes.length : bytes.lastIndexOf(NEWLINE) + 1;
    rest = bytes.subarray(cut);
    return linesOf({ bytes: bytes.subarray(0, cut), start });
  };
}

/** Undefined when there is no such file; else it is the caller's to close. */
export function openToRead(path: string): Promise<FileHandle | undefined> {
  return open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

/** Undefined when there is no such file. */
async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T | undefined> {
  const file = await openToRead(path);
  if (!file) return undefined;
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function readPiece(file: FileHandle, start: number, end: number): Promise<Piece> {
  const buffer = Buffer.alloc(Math.max(0, end - start));
  if (buffer.length === 0) return { bytes: buffer, start };
  const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
  return { bytes: buffer.subarray(0, bytesRead), start };
}

/**
 * What follows the last page of nothing but zeros: where a log was trimmed. The piece begins at a page of the file. Where all
 * of a file is allocated there is no hole, and zeros are what the app wrote; in a trimmed one they cannot be told apart.
 */
function withoutHole({ bytes, start }: Piece, { size, blocks }: Stats): Piece {
  if (blocks * SECTOR_BYTES >= size) return { bytes, start };
  for (let at = Math.floor(bytes.length / PAGE_BYTES) * PAGE_BYTES; at >= PAGE_BYTES; at -= PAGE_BYTES) {
    if (bytes.subarray(at - PAGE_BYTES, at).every((byte) => byte === 0)) return cutOff({ bytes, start }, at);
  }
  return { bytes, start };
}

/** What follows the first end of a line; nothing when there is none. */
function afterNewline(piece: Piece): Piece {
  const at = piece.bytes.indexOf(NEWLINE);
  return cutOff(piece, at < 0 ? piece.bytes.length : at + 1);
}

function cutOff({ bytes, start }: Piece, count: number): Piece {
  return { bytes: bytes.subarray(count), start: start + count };
}

function linesOf({ bytes, start }: Piece): Line[] {
  const lines: Line[] = [];
  for (let at = 0; at < bytes.length; ) {
    const found = bytes.indexOf(NEWLINE, at);
    const end = found < 0 ? bytes.length : found;
    lines.push(lineOf(bytes.subarray(at, end), start + (found < 0 ? end : end + 1)));
    at = end + 1;
  }
  return lines;
}

/** Whole lines are decoded, so no character is cut in two. */
function lineOf(bytes: Buffer, end: number): Line {
  const text = bytes.toString("utf8");
  return text.includes("\ufffd") && !isUtf8(bytes) ? { text, bytes, end } : { text, end };
}
