// Keeps append logs from filling the disk, without the writer noticing: their beginning is given back, in place.
import { FFIType } from "bun:ffi";
import { closeSync, constants, copyFileSync, fstatSync, ftruncateSync, openSync } from "node:fs";
import { openLibc } from "../libc.ts";

export interface LogTrimmer {
  /**
   * Gives back the beginning of a log that takes more than `maxBytes` of disk, so that `keepBytes` remain. True when it
   * did. A file that is not there, or may not be written, is left as it is.
   *
   * On Linux a hole is punched: no line is lost, readers keep their place, and `ls` shows all bytes ever written while
   * `du` shows those that are left. Elsewhere the file is copied to `.1` and emptied: lines written between the two are lost.
   */
  trim(path: string): boolean;
}

export interface LogTrimOptions {
  readonly maxBytes: number;
  readonly keepBytes: number;
}

/** What one output of one instance may take: 10 MB five times. */
export const LOG_LIMITS: LogTrimOptions = { maxBytes: 50 * 1024 * 1024, keepBytes: 40 * 1024 * 1024 };

const FALLOC_FL_KEEP_SIZE = 0x01;
const FALLOC_FL_PUNCH_HOLE = 0x02;
/** `stat` counts what is allocated in these. */
export const SECTOR_BYTES = 512;
const PAGE_BYTES = 4096;

type PunchHole = (descriptor: number, length: number) => boolean;

export function createLogTrimmer({ maxBytes, keepBytes }: LogTrimOptions = LOG_LIMITS): LogTrimmer {
  let punchHole: PunchHole | undefined;

  function empty(path: string, descriptor: number): boolean {
    copyFileSync(path, `${path}.1`);
    ftruncateSync(descriptor, 0);
    return true;
  }

  return {
    trim(path) {
      let descriptor: number | undefined;
      try {
        descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
        const { size, blocks } = fstatSync(descriptor);
        if (blocks * SECTOR_BYTES <= maxBytes) return false;
        punchHole ??= loadPunchHole();
        // Whole pages only: a reader tells a hole by a page of zeros.
        const length = Math.floor((size - keepBytes) / PAGE_BYTES) * PAGE_BYTES;
        return punchHole(descriptor, length) || empty(path, descriptor);
      } catch {
        return false;
      } finally {
        if (descriptor !== undefined) closeSync(descriptor);
      }
    },
  };
}

/** fallocate of the C library, which Bun does not offer; a function that always declines where there is none. */
function loadPunchHole(): PunchHole {
  const { i32, i64 } = FFIType;
  const libc = openLibc({ fallocate: { args: [i32, i32, i64, i64], returns: i32 } });
  const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  return (descriptor, length) => libc?.fallocate(descriptor, mode, 0, length) === 0;
}
