// Reads the access log: its last lines, and further ones as they come, whoever rotates it meanwhile.
import { statSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { createLineReader, type Line, openToRead, readTail } from "../../platform/logs/log-file.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";

const LOOK_EVERY_MS = 250;
/** Who writes looks each second whether its file still has its name, and goes on in it until then: see line-writer. */
const MOVED_MS = 3_000;

/** A line as it was written, parsed; undefined: it is none of ours. */
export type AccessLine = Readonly<Record<string, unknown>>;
type Meant = (line: AccessLine) => boolean;

/** The newest `limit` lines that are meant, oldest first, and where in the file they end; none where there is no file. */
export async function lastLines(
  path: string,
  limit: number,
  isMeant: Meant,
): Promise<{ lines: AccessLine[]; end: number }> {
  const matches = (text: string) => meantIn(text, isMeant) !== undefined;
  const { lines, end } = await readTail(path, { limit, matches });
  return { lines: meantOf(lines, isMeant), end };
}

/** Every line behind `end` that is meant. */
export async function* furtherLines(
  path: string,
  end: number,
  isMeant: Meant,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): AsyncGenerator<AccessLine> {
  await using files = new FollowedFiles(path, end, clock);
  while (!signal.aborted) {
    const news = await files.next();
    yield* meantOf(news, isMeant);
    if (news.length === 0) await sleep(clock, LOOK_EVERY_MS, signal).catch(() => {});
  }
}

interface Followed {
  readonly file: FileHandle;
  readonly inode: number;
  readonly read: (file: FileHandle) => Promise<Line[]>;
  /** On the monotonic clock; undefined while it has its name. */
  movedAtMs: number | undefined;
}

/** The file at a path, and those that were there until just now, to which somebody may still write. */
class FollowedFiles implements AsyncDisposable {
  readonly #path: string;
  readonly #clock: Clock;
  #from: number;
  #files: Followed[] = [];

  constructor(path: string, from: number, clock: Clock) {
    this.#path = path;
    this.#from = from;
    this.#clock = clock;
  }

  /** Complete lines that came since the last call, those of older files first. */
  async next(): Promise<Line[]> {
    await this.#look();
    const news: Line[] = [];
    for (const one of this.#files) {
      const lines = await one.read(one.file);
      news.push(...lines);
      const isOver = one.movedAtMs !== undefined && this.#clock.monotonic() - one.movedAtMs >= MOVED_MS;
      if (lines.length === 0 && isOver) await this.#forget(one);
    }
    return news;
  }

  async #look(): Promise<void> {
    const current = this.#files.find(({ movedAtMs }) => movedAtMs === undefined);
    const inode = statSync(this.#path, { throwIfNoEntry: false })?.ino;
    if (current !== undefined && current.inode === inode) return;
    if (current !== undefined) current.movedAtMs = this.#clock.monotonic();
    const file = await openToRead(this.#path);
    if (file === undefined) return;
    const { ino } = await file.stat();
    const known = this.#files.find((one) => one.inode === ino);
    if (known !== undefined) {
      // It has its name back.
      known.movedAtMs = undefined;
      return file.close();
    }
    const read = createLineReader(this.#from);
    this.#from = 0;
    this.#files.push({ file, inode: ino, read, movedAtMs: undefined });
  }

  async #forget(one: Followed): Promise<void> {
    this.#files = this.#files.filter((other) => other !== one);
    await one.file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#files) await this.#forget(one);
  }
}

function meantOf(lines: readonly Line[], isMeant: Meant): AccessLine[] {
  return lines.map(({ text }) => meantIn(text, isMeant)).filter((line) => line !== undefined);
}

function meantIn(text: string, isMeant: Meant): AccessLine | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const line = JSON.parse(text) as AccessLine;
    return isMeant(line) ? line : undefined;
  } catch {
    return undefined;
  }
}
