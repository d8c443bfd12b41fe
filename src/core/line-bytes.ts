// A line made as bytes, piece by piece: no text is made of what came as bytes, and one line needs no memory that another has not had.
import { copyRun } from "./http1/bytes.ts";
import { visible } from "./visible.ts";

const QUOTE = 34;
const BACKSLASH = 92;
const ZERO = 48;
const POINT = 46;
const FIRST_BYTES = 4_096;
/** A line that was longer does not keep its memory. */
const KEPT_BYTES = 65_536;
const MOST_INTEGER = 0x7fffffff;

/** 1 for each byte that stands in a JSON text as it is. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, code) =>
  code >= 32 && code < 127 && code !== QUOTE && code !== BACKSLASH ? 1 : 0,
);

/** What would act on a terminal, hide, or turn text around stands as an escape: whoever looks at the log sees it, and the text is the same. */
function jsonOf(text: string): string {
  return visible(JSON.stringify(text));
}

export class LineBytes {
  bytes: Buffer = Buffer.alloc(FIRST_BYTES);
  /** What of them the line has. */
  length = 0;

  /** Begins the next line, with the first `kept` bytes of the last. */
  clear(kept = 0): void {
    this.length = kept;
    if (this.bytes.length <= KEPT_BYTES) return;
    const smaller = Buffer.alloc(FIRST_BYTES);
    this.bytes.copy(smaller, 0, 0, kept);
    this.bytes = smaller;
  }

  /** Text of ASCII, as it is. */
  ascii(text: string): void {
    this.#need(text.length);
    const { bytes } = this;
    let at = this.length;
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
    this.length = at;
  }

  /** Bytes, as they are. */
  run(from: Buffer): void {
    this.#need(from.length);
    this.length = copyRun(from, 0, from.length, this.bytes, this.length);
  }

  /** Any text, as UTF-8. */
  utf8(text: string): void {
    this.#need(text.length * 3);
    this.length += this.bytes.write(text, this.length, "utf8");
  }

  /** Whole numbers from 0. */
  integer(value: number): void {
    if (!(value >= 0 && value <= MOST_INTEGER)) {
      this.ascii(String(value));
      return;
    }
    this.#need(10);
    let at = this.length + 1;
    for (let rest = value | 0; rest >= 10; rest = (rest / 10) | 0) at++;
    this.length = at;
    let rest = value | 0;
    do {
      this.bytes[--at] = ZERO + (rest % 10);
      rest = (rest / 10) | 0;
    } while (rest > 0);
  }

  /** A number from 0, rounded to hundredths, without zeros behind it. */
  hundredths(value: number): void {
    const rounded = Math.round(value * 100);
    if (!(rounded >= 0 && rounded <= MOST_INTEGER)) {
      this.ascii(String(rounded / 100));
      return;
    }
    this.integer((rounded / 100) | 0);
    const part = rounded % 100;
    if (part === 0) return;
    this.#need(3);
    this.bytes[this.length++] = POINT;
    this.bytes[this.length++] = ZERO + ((part / 10) | 0);
    if (part % 10 !== 0) this.bytes[this.length++] = ZERO + (part % 10);
  }

  /** So many digits, with zeros before them. */
  digits(value: number, count: number): void {
    this.#need(count);
    let rest = value;
    for (let at = this.length + count - 1; at >= this.length; at--) {
      this.bytes[at] = ZERO + (rest % 10);
      rest = (rest / 10) | 0;
    }
    this.length += count;
  }

  /** `text[start, end)`, one char a byte, as a JSON text; bytes that are UTF-8 are read as that. */
  quoted(text: string, start = 0, end = text.length): void {
    this.#need(end - start + 2);
    const { bytes } = this;
    let at = this.length;
    bytes[at++] = QUOTE;
    for (let i = start; i < end; i++) {
      const code = text.charCodeAt(i);
      if (code > 126 || PLAIN[code] !== 1) {
        this.utf8(jsonOf(Buffer.from(text.slice(start, end), "latin1").toString("utf8")));
        return;
      }
      bytes[at++] = code;
    }
    bytes[at++] = QUOTE;
    this.length = at;
  }

  /** The same of bytes, behind `before`, which is ASCII. */
  quotedRun(from: Buffer, start: number, end: number, before = ""): void {
    let at = start;
    while (at < end && PLAIN[from[at] as number] === 1) at++;
    if (at < end) {
      this.utf8(jsonOf(before + from.toString("utf8", start, end)));
      return;
    }
    this.#need(before.length + end - start + 2);
    this.bytes[this.length++] = QUOTE;
    if (before !== "") this.ascii(before);
    this.length = copyRun(from, start, end, this.bytes, this.length);
    this.bytes[this.length++] = QUOTE;
  }

  #need(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.alloc(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}
