// When the lines of append logs arrived: pairs of offset and time in a file beside each log, written by whoever looks at its size.
import {
  appendFileSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import type { Clock } from "../time/clock.ts";
import { LOG_LIMITS } from "./log-trim.ts";

/** Looks at logs and notes how far they had grown and when. Never throws: what cannot be noted is noted with the next look. */
export interface LogIndexer {
  /** The size of the log now, 0 when there is none. Costs one stat, and one small write when it grew. `source`: where its file is now. */
  look(path: string, source?: string): number;
}

/** What an index knows of a log. */
export interface LogTimes {
  /**
   * When the line that ends at this offset was there, in milliseconds since the epoch: never too early, and too late by
   * at most the time between two looks. Undefined for what came after the last look.
   */
  at(end: number): number | undefined;
  /** Everything that came at this time or later lies behind this offset. */
  since(timeMs: number): number;
  /** Everything that came at this time or earlier lies before this offset. */
  until(timeMs: number): number;
}

/** The bound of one index: 256 KB, half an hour of a log that never pauses; what is older gets coarser. */
const MAX_MARKS = 16_384;
/** Two doubles, an offset and a time, in the machine's byte order. */
const MARK_BYTES = 16;
/** What one log may hold, and so the reach of its index. */
const REACH_BYTES = LOG_LIMITS.maxBytes;

interface Known {
  readonly size: number;
  /** Tells a file from another that got its inode; undefined when it was read from an index. */
  readonly bornMs: number | undefined;
  readonly marks: number;
}

const NOTHING: Known = { size: 0, bornMs: undefined, marks: 0 };

export function createLogIndexer(clock: Clock, maxMarks = MAX_MARKS): LogIndexer {
  const known = new Map<string, Known>();

  function note(path: string, stats: Stats, before: Known): Known {
    const { size, birthtimeMs: bornMs } = stats;
    // The log was truncated or replaced: offsets begin anew.
    const anew = size < before.size || (before.bornMs !== undefined && before.bornMs !== bornMs);
    if (anew) rmSync(indexPath(path), { force: true });
    const marks = anew ? 0 : before.marks;
    if (size === (anew ? 0 : before.size)) return { size, bornMs, marks };
    // The time of the last write, which is exact, unless somebody has set it to what cannot be.
    const timeMs = Math.min(stats.mtimeMs, clock.now());
    appendFileSync(indexPath(path), toBytes([[size, timeMs]]), { mode: 0o600 });
    return { size, bornMs, marks: marks + 1 < maxMarks ? marks + 1 : thinOut(path, size) };
  }

  return {
    look(path, source = path) {
      try {
        const stats = statSync(source, { throwIfNoEntry: false });
        if (!stats) {
          known.delete(path);
          return 0;
        }
        const before = known.get(path) ?? recall(path);
        const same = before.size === stats.size && before.bornMs === stats.birthtimeMs;
        if (!same) known.set(path, note(path, stats, before));
        return stats.size;
      } catch {
        return known.get(path)?.size ?? 0;
      }
    },
  };
}

/** The index of a log as it is now. */
export function readLogTimes(path: string): LogTimes {
  const marks = readMarks(path);
  return {
    at(end) {
      let [low, high] = [0, marks.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((marks[middle]?.[0] ?? 0) < end) low = middle + 1;
        else high = middle;
      }
      return marks[low]?.[1];
    },
    since: (timeMs) => marks.findLast(([, time]) => time < timeMs)?.[0] ?? 0,
    until: (timeMs) => marks.findLast(([, time]) => time <= timeMs)?.[0] ?? 0,
  };
}

type Mark = readonly [offset: number, timeMs: number];

function indexPath(path: string): string {
  return `${path}.index`;
}

/** What was noted before this process began. A record that a crash cut short is taken off. */
function recall(path: string): Known {
  const size = statSync(indexPath(path), { throwIfNoEntry: false })?.size ?? 0;
  if (size % MARK_BYTES !== 0) truncateSync(indexPath(path), size - (size % MARK_BYTES));
  const marks = readMarks(path);
  const last = marks.at(-1);
  return last ? { size: last[0], bornMs: undefined, marks: marks.length } : NOTHING;
}

/** Marks in their order; whatever is damaged is left out. */
function readMarks(path: string): Mark[] {
  const marks: Mark[] = [];
  let last = 0;
  for (const [offset, timeMs] of fromBytes(readIndex(path))) {
    if (!(offset > last) || !Number.isFinite(timeMs)) continue;
    marks.push([offset, timeMs]);
    last = offset;
  }
  return marks;
}

function readIndex(path: string): Buffer {
  try {
    return readFileSync(indexPath(path));
  } catch {
    return Buffer.alloc(0);
  }
}

/** Drops the marks of what has been trimmed, and every second one of the older half; replaces the index in one step. */
function thinOut(path: string, size: number): number {
  const marks = readMarks(path).filter(([offset]) => offset > size - REACH_BYTES);
  const half = marks.length >> 1;
  const kept = marks.filter((_, place) => place >= half || place % 2 === 1);
  const draft = `${indexPath(path)}.new`;
  writeFileSync(draft, toBytes(kept), { mode: 0o600 });
  renameSync(draft, indexPath(path));
  return kept.length;
}

function toBytes(marks: readonly Mark[]): Buffer {
  return Buffer.from(new Float64Array(marks.flat()).buffer);
}

function fromBytes(bytes: Buffer): Mark[] {
  const count = Math.floor(bytes.length / MARK_BYTES);
  const numbers = new Float64Array(Uint8Array.from(bytes.subarray(0, count * MARK_BYTES)).buffer);
  return Array.from({ length: count }, (_, place) => [numbers[2 * place] ?? 0, numbers[2 * place + 1] ?? 0]);
}
