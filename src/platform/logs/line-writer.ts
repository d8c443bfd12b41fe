// Appends lines to a file without ever waiting for it: what the disk does not take in time is dropped and counted.
import { closeSync, constants, fstatSync, openSync, statSync, write, writeSync } from "node:fs";
import type { Clock } from "../time/clock.ts";

export interface LineWriter extends Disposable {
  /** Takes a copy of the first `length` bytes, a line with its end; false: there is no room, and it is dropped. */
  add(line: Buffer, length: number): boolean;
}

export interface LineWriterOptions {
  /** Undefined: the standard output. */
  readonly path: string | undefined;
  readonly clock: Clock;
  /** Told how many lines were dropped, as often as it happens. */
  onDropped(lines: number): void;
  /** Adds what is still to be added: before each write that its time has come for, and before the end. */
  onTurn?(): void;
}

const FLUSH_EVERY_MS = 200;
/** Written at once when so much has come together. */
const FLUSH_BYTES = 65_536;
/** What may wait for the disk. */
const HELD_MOST_BYTES = 4 * 1024 * 1024;
/** Memory that is kept for the next lines; what a slow disk has made larger is given back. */
const KEPT_BYTES = 2 * FLUSH_BYTES;
const LOOK_EVERY_MS = 1_000;
/** Whoever reads it is its owner: it says who has asked for what. */
const MODE = 0o600;
const STDOUT = 1;
const LINE_END = 10;

export function createLineWriter(options: LineWriterOptions): LineWriter {
  return new FileLines(options);
}

class FileLines implements LineWriter {
  readonly #options: LineWriterOptions;
  readonly #stop: () => void;
  #descriptor: number | undefined;
  #inode = 0;
  #held = Buffer.alloc(KEPT_BYTES);
  #length = 0;
  /** The memory that is not being filled: taken from when what was in it is written. */
  #spare: Buffer<ArrayBuffer> | undefined;
  #isWriting = false;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #isOver = false;

  constructor(options: LineWriterOptions) {
    this.#options = options;
    this.#stop = options.clock.every(FLUSH_EVERY_MS, () => {
      options.onTurn?.();
      this.#flush();
    });
  }

  add(line: Buffer, length: number): boolean {
    const end = this.#length + length;
    if (end > HELD_MOST_BYTES) {
      this.#options.onDropped(1);
      return false;
    }
    if (end > this.#held.length) this.#enlarge(end);
    line.copy(this.#held, this.#length, 0, length);
    this.#length = end;
    if (end >= FLUSH_BYTES && !this.#isWriting) this.#flush();
    return true;
  }

  /** What is left is written before this returns. */
  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#options.onTurn?.();
    this.#isOver = true;
    this.#stop();
    let written = 0;
    try {
      while (written < this.#length && this.#open())
        written += writeSync(this.#descriptor as number, this.#held, written, this.#length - written);
    } catch {
      // Told below.
    }
    this.#dropped(this.#held, written, this.#length);
    this.#length = 0;
    if (!this.#isWriting) this.#close();
  }

  #enlarge(needed: number): void {
    const larger = Buffer.alloc(Math.min(HELD_MOST_BYTES, Math.max(needed, this.#held.length * 2)));
    this.#held.copy(larger, 0, 0, this.#length);
    this.#held = larger;
  }

  #flush(): void {
    if (this.#isWriting || this.#length === 0) return;
    const bytes = this.#held;
    const length = this.#length;
    this.#length = 0;
    if (!this.#open()) {
      this.#dropped(bytes, 0, length);
      return;
    }
    this.#held = this.#spare ?? Buffer.alloc(KEPT_BYTES);
    this.#spare = undefined;
    this.#isWriting = true;
    this.#write(bytes, 0, length);
  }

  /** Whole lines in one write, as others append to the same file: only what a full disk has cut is written in two. */
  #write(bytes: Buffer<ArrayBuffer>, from: number, length: number): void {
    write(this.#descriptor as number, bytes, from, length - from, null, (error, written) => {
      const at = from + (error ? 0 : written);
      if (!error && written > 0 && at < length && !this.#isOver) {
        this.#write(bytes, at, length);
        return;
      }
      this.#isWriting = false;
      this.#dropped(bytes, at, length);
      if (bytes.length <= KEPT_BYTES) this.#spare = bytes;
      if (error || this.#isOver) this.#close();
      else if (this.#length >= FLUSH_BYTES) this.#flush();
    });
  }

  /** Lines that end there are lost. */
  #dropped(bytes: Buffer, from: number, end: number): void {
    let lines = 0;
    for (let at = from; at < end; at++) if (bytes[at] === LINE_END) lines++;
    if (lines > 0) this.#options.onDropped(lines);
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
