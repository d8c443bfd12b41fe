// Reads the access log: its last lines, backwards from the end, and further ones as they come, whoever rotates it meanwhile.
import { type FileHandle, open, stat } from "node:fs/promises";
import type { Clock } from "../../platform/time/clock.ts";

const PIECE_BYTES = 262_144;
/** How far back a search goes: half a second of reading. */
const FAR_BYTES = 128 * 1024 * 1024;
const LOOK_EVERY_MS = 250;
const NEW_LINE = 10;

/** A line as it was written, parsed; undefined: it is none of ours. */
export type AccessLine = Readonly<Record<string, unknown>>;

/** The newest `limit` lines that are meant, oldest first; none where there is no file. */
export async function lastLines(
  path: string,
  limit: number,
  isMeant: (line: AccessLine) => boolean,
): Promise<AccessLine[]> {
  const file = await opened(path);
  if (file === undefined) return [];
  const found: AccessLine[] = [];
  try {
    const { size } = await file.stat();
    const until = Math.max(0, size - FAR_BYTES);
    let rest = Buffer.alloc(0);
    for (let end = size; end > until && found.length < limit; ) {
      const start = Math.max(until, end - PIECE_BYTES);
      const piece = Buffer.concat([await read(file, start, end - start), rest]);
      // The first line of a piece may have begun before it.
      const first = start === 0 ? 0 : piece.indexOf(NEW_LINE) + 1;
      if (start > 0 && first === 0) rest = piece;
      else {
        rest = piece.subarray(0, first);
        for (const line of piece.subarray(first).toString("utf8").split("\n").reverse()) {
          const entry = parse(line);
          if (entry !== undefined && isMeant(entry) && found.push(entry) >= limit) break;
        }
      }
      end = start;
    }
  } finally {
    await file.close();
  }
  return found.reverse();
}

/** Every line from now on. */
export async function* furtherLines(
  path: string,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<AccessLine> {
  let at = (await stat(path).catch(() => undefined))?.size ?? 0;
  let inode = (await stat(path).catch(() => undefined))?.ino;
  let rest = "";
  while (!signal.aborted) {
    const now = await stat(path).catch(() => undefined);
    if (now !== undefined && (now.ino !== inode || now.size < at)) {
      at = 0;
      rest = "";
    }
    inode = now?.ino ?? inode;
    const text = now !== undefined && now.size > at ? await readFrom(path, at, now.size) : undefined;
    if (text === undefined) {
      await pause(clock, signal);
      continue;
    }
    at += text.length;
    const lines = (rest + text.toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const entry = parse(line);
      if (entry !== undefined) yield entry;
    }
  }
}

async function readFrom(path: string, from: number, to: number): Promise<Buffer | undefined> {
  const file = await opened(path);
  try {
    return file && (await read(file, from, Math.min(to - from, PIECE_BYTES)));
  } finally {
    await file?.close();
  }
}

async function opened(path: string): Promise<FileHandle | undefined> {
  return open(path, "r").catch(() => undefined);
}

async function read(file: FileHandle, from: number, length: number): Promise<Buffer<ArrayBuffer>> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, from);
  return bytes.subarray(0, bytesRead);
}

function parse(line: string): AccessLine | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as AccessLine;
  } catch {
    return undefined;
  }
}

function pause(clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(LOOK_EVERY_MS, end);
    signal.addEventListener("abort", end, { once: true });
  });
}
