// The program's own log: one line for people at a time; a log that cannot be written never stops the program.
import { FFIType } from "bun:ffi";
import { closeSync, constants, fstatSync, openSync, readlinkSync, writeSync } from "node:fs";
import { messageOf } from "../core/fault.ts";
import { visible } from "../core/visible.ts";
import { openLibc } from "./libc.ts";
import type { Clock } from "./time/clock.ts";

export type LogLevel = "info" | "warn" | "error";

export interface Log {
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
  /** Where it goes to a file that was moved away: to a new one of the old name from now on. */
  reopen(): void;
  /** Lines that could not be written so far. */
  readonly dropped: number;
}

/** Writes one line, or throws; what it cannot write at once it must refuse, not wait for. */
export type LogSink = (line: string) => void;

/** At most three bytes each, so that a line stays below 4,096 bytes: a pipe takes it whole or not at all (PIPE_BUF). */
const TEXT_MAX_CHARS = 1300;

/**
 * Lines go to `sink`; those that it refuses (disk full, reader gone or stalled) are counted, and the count is told with the next
 * one that succeeds.
 */
export function createLog(clock: Clock, sink: LogSink = stderrSink()): Log {
  const reopen = reopenerOf(2);
  let dropped = 0;
  let untold = 0;

  function write(level: LogLevel, text: string): void {
    try {
      if (untold > 0) sink(lineOf(clock, "warn", `${untold} lines of this log could not be written`));
      untold = 0;
      sink(lineOf(clock, level, text));
    } catch {
      dropped++;
      untold++;
    }
  }

  return {
    info: (text) => write("info", text),
    warn: (text) => write("warn", text),
    error: (text) => write("error", text),
    reopen() {
      try {
        reopen();
      } catch (thrown) {
        write("warn", `the log goes on where it was: ${messageOf(thrown)}`);
      }
    },
    get dropped() {
      return dropped;
    },
  };
}

/** Line breaks and control characters of foreign texts are made visible: one event is one line. */
function lineOf(clock: Clock, level: LogLevel, text: string): string {
  const time = new Date(clock.now()).toISOString();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const oneLine = text.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, (char) => JSON.stringify(char).slice(1, -1));
  const escaped = visible(oneLine);
  const plain = escaped.length > TEXT_MAX_CHARS ? `${escaped.slice(0, TEXT_MAX_CHARS - 1)}…` : escaped;
  return `${time} ${level.padEnd(5)} ${plain}\n`;
}

/**
 * Standard error, without ever waiting for it: a pipe whose reader stalls, or a terminal stopped by Ctrl-S, would
 * otherwise hold up all traffic. Such a one is opened anew, as the descriptor's flags are shared with whoever gave it
 * to us; a file is not, as two descriptors with places of their own would overwrite each other's lines.
 */
function stderrSink(): LogSink {
  let descriptor = 2;
  try {
    const stats = fstatSync(2);
    if (stats.isFIFO() || stats.isCharacterDevice()) {
      descriptor = openSync("/dev/stderr", constants.O_WRONLY | constants.O_NONBLOCK);
    }
  } catch {
    // Closed, or a terminal of somebody else's: the descriptor as it is.
  }
  return (line) => void writeSync(descriptor, line);
}

/** Opens the file that a descriptor leads to now once more, by the name that it has now, and puts it in its place. */
function reopenerOf(descriptor: number): () => void {
  const path = fileOf(descriptor);
  if (path === undefined) return () => {};
  return () => {
    const libc = openLibc({ dup2: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 } });
    const opened = openSync(path, "a", 0o640);
    libc?.dup2(opened, descriptor);
    closeSync(opened);
  };
}

/** Undefined for a terminal, a pipe or a journal, which nobody moves away, and elsewhere than on Linux. */
function fileOf(descriptor: number): string | undefined {
  try {
    if (process.platform === "linux" && fstatSync(descriptor).isFile())
      return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    // Closed.
  }
  return undefined;
}
