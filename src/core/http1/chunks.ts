// Follows a chunked body (RFC 9112 section 7.1) to its end without taking it apart: what it has seen travels on as it came, trailers that may not apart.
import { COLON, CR, LF, Malformed, SEMICOLON, SPACE, TAB, TEXT, TOKEN } from "./bytes.ts";
import { trailersThatPass } from "./trailers.ts";

const MOST_SIZE_DIGITS = 13;
/** Of extensions and trailers in one body: no honest peer sends more than a few. */
const MOST_SIDE_BYTES = 65_536;

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
const SIZE_BLANK = 11;
const TRAILER_NAME = 12;

const isNobodys = () => false;

export class ChunkWalker {
  readonly #isOurs: (name: string) => boolean;
  #state = SIZE;
  #size = 0;
  #digits = 0;
  #sideBytes = 0;
  /** Where trailers begin in the bytes that are walked now; -1: nowhere. */
  #trailersAt = -1;
  /** Trailers that have come, while they are not whole. */
  #trailers: Buffer | undefined;
  /** The index behind what goes on as it came of the bytes that were walked last: trailers are held until they are whole. */
  passedTo = 0;
  /** What goes on in the place of the trailers, once the body is done; undefined: there were none. */
  tail: Buffer | undefined;
  /** Bytes of the body itself so far, without its framing. */
  dataBytes = 0;

  /** `isOurs` knows the lower-case names of fields that only we may set: they are no trailers of anybody's. */
  constructor(isOurs: (name: string) => boolean = isNobodys) {
    this.#isOurs = isOurs;
  }

  get done(): boolean {
    return this.#state === DONE;
  }

  /**
   * The index behind what belongs to the body in `bytes[from, to)`; what goes on of it ends at `passedTo`, with `tail` behind it.
   * `onData` is given each piece of the body itself. Throws Malformed for a size, a line's end, an extension or a trailer that
   * could be read in two ways.
   */
  walk(bytes: Buffer, from: number, to: number, onData?: (start: number, end: number) => void): number {
    let at = from;
    this.#trailersAt = this.#trailers === undefined ? -1 : from;
    while (at < to && this.#state !== DONE) {
      if (this.#state !== DATA) {
        const before = this.#state;
        this.#state = this.#step(bytes[at] as number);
        if (before === TRAILER_START && this.#state === TRAILER_NAME && this.#trailersAt < 0)
          this.#trailersAt = at;
        at++;
        continue;
      }
      const take = Math.min(this.#size, to - at);
      onData?.(at, at + take);
      this.dataBytes += take;
      at += take;
      this.#size -= take;
      if (this.#size === 0) this.#state = DATA_CR;
    }
    this.passedTo = at;
    if (this.#trailersAt >= 0) this.#hold(bytes, this.#trailersAt, at);
    return at;
  }

  #hold(bytes: Buffer, from: number, to: number): void {
    const more = bytes.subarray(from, to);
    this.passedTo = from;
    this.#trailers = this.#trailers === undefined ? Buffer.from(more) : Buffer.concat([this.#trailers, more]);
    if (this.#state !== DONE) return;
    this.tail = trailersThatPass(this.#trailers, this.#isOurs);
    this.#trailers = undefined;
  }

  /** The state behind one byte that is not data. */
  #step(byte: number): number {
    switch (this.#state) {
      case SIZE:
        return this.#sizeDigit(byte);
      case SIZE_BLANK:
        return behindSize(byte);
      case EXTENSION:
        return this.#side(byte, EXTENSION, SIZE_LF);
      case SIZE_LF:
        return expect(byte, LF, this.#size === 0 ? TRAILER_START : DATA);
      case DATA_CR:
        return expect(byte, CR, DATA_LF);
      case DATA_LF:
        this.#digits = 0;
        return expect(byte, LF, SIZE);
      case TRAILER_START:
        return byte === CR ? FINAL_LF : this.#name(byte, false);
      case TRAILER_NAME:
        return this.#name(byte, true);
      case TRAILER:
        return this.#side(byte, TRAILER, TRAILER_LF);
      case TRAILER_LF:
        return expect(byte, LF, TRAILER_START);
      default:
        return expect(byte, LF, DONE);
    }
  }

  #sizeDigit(byte: number): number {
    const value = hexValue(byte);
    if (value >= 0) {
      if (++this.#digits > MOST_SIZE_DIGITS) throw new Malformed("a chunk size has too many digits");
      this.#size = this.#size * 16 + value;
      return SIZE;
    }
    if (this.#digits === 0) throw new Malformed("a chunk without a size");
    return behindSize(byte);
  }

  /** The name of a trailer: a line without one, or one that goes on with the line before, is read in two ways. */
  #name(byte: number, hasBegun: boolean): number {
    if (byte === COLON && hasBegun) return this.#side(byte, TRAILER, TRAILER_LF);
    if (TOKEN[byte] === 0) throw new Malformed("a trailer without a name");
    return this.#side(byte, TRAILER_NAME, TRAILER_LF);
  }

  /** The text of an extension or trailer until its CR. */
  #side(byte: number, stay: number, behindCr: number): number {
    if (++this.#sideBytes > MOST_SIDE_BYTES)
      throw new Malformed("chunk extensions and trailers are too long");
    if (byte === CR) return behindCr;
    if (TEXT[byte] !== 1) throw new Malformed("a control character in a chunk extension or trailer");
    return stay;
  }
}

/** Blanks around the semicolon are legal (section 7.1.1), and behind a size everybody takes them; more digits are not. */
function behindSize(byte: number): number {
  if (byte === CR) return SIZE_LF;
  if (byte === SEMICOLON) return EXTENSION;
  if (byte === SPACE || byte === TAB) return SIZE_BLANK;
  throw new Malformed("a chunk size is not hexadecimal");
}

function expect(byte: number, wanted: number, next: number): number {
  if (byte !== wanted) throw new Malformed("a chunk does not end where its size says");
  return next;
}

function hexValue(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
