// The decoder of the chunked transfer coding (RFC 9112 section 7.1): incremental, strict, in place.
import { Garbage } from "./head.ts";

const CR = 13;
const LF = 10;
const SEMICOLON = 59;
const MAX_SIZE_DIGITS = 13;
/** Extensions and trailers are skipped, and no honest backend sends more than a few: their bytes in one body are bounded. */
const MAX_SKIPPED_BYTES = 65_536;

const SIZE = 0;
const EXTENSION = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILER_START = 6;
const TRAILER = 7;
const TRAILER_LF = 8;
const FINAL_LF = 9;
const DONE = 10;

/** One chunked body. Feed it the bytes as they come; it owns and overwrites them. */
export class ChunkedDecoder {
  #state = SIZE;
  #size = 0;
  #digits = 0;
  #skipped = 0;
  /** How many bytes of the last `push` belonged to this body; fewer than it had when something follows the body. */
  consumed = 0;

  get done(): boolean {
    return this.#state === DONE;
  }

  /**
   * The decoded bytes of `bytes[from, end)`, moved together inside `bytes`: one piece, however many chunks there were.
   * Throws Garbage for a size, line ending or trailer that is malformed.
   */
  push(bytes: Uint8Array, from: number): Uint8Array {
    const end = bytes.length;
    let at = from;
    let start = from;
    let length = 0;
    while (at < end && this.#state !== DONE) {
      if (this.#state !== DATA) {
        this.#state = this.#step(bytes[at++] as number);
        continue;
      }
      const take = Math.min(this.#size, end - at);
      if (length === 0) start = at;
      else bytes.copyWithin(start + length, at, at + take);
      length += take;
      at += take;
      this.#size -= take;
      if (this.#size === 0) this.#state = DATA_CR;
    }
    this.consumed = at - from;
    return bytes.subarray(start, start + length);
  }

  /** The state behind one byte that is not data. */
  #step(byte: number): number {
    switch (this.#state) {
      case SIZE:
        return this.#sizeDigit(byte);
      case EXTENSION:
        return this.#skip(byte, EXTENSION, SIZE_LF);
      case SIZE_LF:
        return expect(byte, LF, this.#size === 0 ? TRAILER_START : DATA);
      case DATA_CR:
        return expect(byte, CR, DATA_LF);
      case DATA_LF:
        this.#digits = 0;
        return expect(byte, LF, SIZE);
      case TRAILER_START:
        return byte === CR ? FINAL_LF : this.#skip(byte, TRAILER, TRAILER_LF);
      case TRAILER:
        return this.#skip(byte, TRAILER, TRAILER_LF);
      case TRAILER_LF:
        return expect(byte, LF, TRAILER_START);
      default:
        return expect(byte, LF, DONE);
    }
  }

  #sizeDigit(byte: number): number {
    const value = hexValue(byte);
    if (value >= 0) {
      if (++this.#digits > MAX_SIZE_DIGITS) throw new Garbage("a chunk size has too many digits");
      this.#size = this.#size * 16 + value;
      return SIZE;
    }
    if (this.#digits === 0) throw new Garbage("a chunk without a size");
    if (byte === CR) return SIZE_LF;
    if (byte === SEMICOLON) return EXTENSION;
    throw new Garbage("a chunk size is not hexadecimal");
  }

  /** Skips the text of an extension or trailer until its CR. */
  #skip(byte: number, stay: number, behindCr: number): number {
    if (++this.#skipped > MAX_SKIPPED_BYTES) throw new Garbage("chunk extensions and trailers are too long");
    if (byte === LF || byte === 0) throw new Garbage("a control character in a chunk extension or trailer");
    return byte === CR ? behindCr : stay;
  }
}

function expect(byte: number, wanted: number, next: number): number {
  if (byte !== wanted) throw new Garbage("a chunk does not end where its size says");
  return next;
}

function hexValue(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
