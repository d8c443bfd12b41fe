// Appends lines to a file without ever waiting for it: what the disk does not take in time is dropped and counted.
import { closeSync, constants, fstatSync, openSync, statSync, write, writeSync } from "node:fs";
import type { Clock } from "../time/clock.ts";

export interface LineWriter extends Disposable {
  /** Takes a line, with its end; false: there is no room, and it is dropped. */
  add(line: string): boolean;
}

export interface LineWriterOptions {
  /** Undefined: the standard output. */
  readonly path: string | undefined;
  readonly clock: Clock;
  /** Told how many lines were dropped, as often as it happens. */
  onDropped(lines: number): void;
}

const FLUSH_EVERY_MS = 200;
/** Written at once when so much has come together. */
const FLUSH_CHARS = 65_536;
/** What may wait for the disk. */
const HELD_MOST_CHARS = 4 * 1024 * 1024;
const LOOK_EVERY_MS = 1_000;
/** Whoever reads it is its owner: it says who has asked for what. */
const MODE = 0o600;
const STDOUT = 1;

export function createLineWriter(options: LineWriterOptions): LineWriter {
  return new FileLines(options);
}

class FileLines implements LineWriter {
  readonly #options: LineWriterOptions;
  readonly #stop: () => void;
  #descriptor: number | undefined;
  #inode = 0;
  #held = "";
  #count = 0;
  #isWriting = false;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #isOver = false;

  constructor(options: LineWriterOptions) {
    this.#options = options;
    this.#stop = options.clock.every(FLUSH_EVERY_MS, () => this.#flush());
  }

  add(line: string): boolean {
    if (this.#held.length + line.length > HELD_MOST_CHARS) {
      this.#options.onDropped(1);
      return false;
    }
    this.#held += line;
    this.#count += 1;
    if (this.#held.length >= FLUSH_CHARS && !this.#isWriting) this.#flush();
    return true;
  }

  /** What is left is written before this returns. */
  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stop();
    const count = this.#count;
    if (this.#held !== "" && this.#open()) {
      try {
        writeSync(this.#descriptor as number, Buffer.from(this.#held));
      } catch {
        this.#options.onDropped(count);
      }
    }
    this.#held = "";
    if (!this.#isWriting) this.#close();
  }

  #flush(): void {
    if (this.#isWriting || this.#held === "") return;
    const bytes = Buffer.from(this.#held);
    const count = this.#count;
    this.#held = "";
    this.#count = 0;
    if (!this.#open()) {
      this.#options.onDropped(count);
      return;
    }
    this.#isWriting = true;
    // Whole lines in one write: others append to the same file.
    write(this.#descriptor as number, bytes, 0, bytes.length, null, (error, written) => {
      this.#isWriting = false;
      if (error || written < bytes.length) this.#options.onDropped(count);
      if (error) this.#close();
      if (this.#isOver) this.#close();
      else if (this.#held.length >= FLUSH_CHARS) this.#flush();
    });
  }

  /** Whether it is open, and still the file of that name. */
  #open(): boolean {
    const { clock, path } = this.#options;
    if (path === undefined) {
      this.#descriptor = STDOUT;
      return true;
    }
    const nowMs = clock.monotonic();
    if (this.#descriptor !== undefined && nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return true;
    this.#lookedAtMs = nowMs;
    try {
      if (this.#descriptor !== undefined) {
        if (statSync(path, { throwIfNoEntry: false })?.ino === this.#inode) return true;
        this.#close();
      }
      const { O_APPEND, O_CREAT, O_WRONLY } = constants;
      this.#descriptor = openSync(path, O_WRONLY | O_APPEND | O_CREAT, MODE);
      this.#inode = fstatSync(this.#descriptor).ino;
      return true;
    } catch {
      return false;
    }
  }

  #close(): void {
    if (this.#descriptor !== undefined && this.#descriptor !== STDOUT) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
