// As much of DER (X.690) as certificate requests and key identifiers need: written from parts, read as a tree of places.

type Bytes = Uint8Array<ArrayBufferLike>;
type Part = Bytes | readonly number[];

export const TAG = {
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  utf8: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element: its tag, its length, its contents. */
export function element(tag: number, ...parts: readonly Part[]): Uint8Array<ArrayBuffer> {
  const contents = Buffer.concat(parts.map((part) => Uint8Array.from(part)));
  return new Uint8Array([tag, ...lengthOf(contents.length), ...contents]);
}

export const sequence = (...parts: readonly Part[]) => element(TAG.sequence, ...parts);
export const octets = (contents: Part) => element(TAG.octets, contents);
/** Whole bytes, as all bit strings of certificates are but flags. */
export const bits = (contents: Part) => element(TAG.bits, [0], contents);

/** A number without a sign, from its bytes. */
export function unsigned(bytes: Bytes): Uint8Array<ArrayBuffer> {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const rest = bytes.subarray(start);
  return element(TAG.integer, (rest[0] ?? 0) >= 0x80 ? [0] : [], rest);
}

export function objectId(dotted: string): Uint8Array<ArrayBuffer> {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return element(0x06, [first * 40 + second, ...rest.flatMap(base128)]);
}

/** UTCTime, for years up to 2049 (RFC 5280 section 4.1.2.5.1). */
export function utcTime(ms: number): Uint8Array<ArrayBuffer> {
  const digits = new Date(ms).toISOString().replace(/\D/g, "").slice(2, 14);
  return element(TAG.utcTime, Buffer.from(`${digits}Z`));
}

function lengthOf(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let left = length; left > 0; left >>= 8) bytes.unshift(left & 0xff);
  return [0x80 | bytes.length, ...bytes];
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) bytes.unshift(0x80 | (left & 0x7f));
  return bytes;
}

/** An element that was read: where its contents are. */
export interface Read {
  readonly tag: number;
  readonly contents: Bytes;
  /** The elements inside; empty where the contents are none. */
  readonly inside: readonly Read[];
}

/** The elements that lie one after the other. Throws a RangeError for lengths that do not fit. */
export function readAll(bytes: Bytes): Read[] {
  const found: Read[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { start, end } = extent(bytes, at);
    const contents = bytes.subarray(start, end);
    const tag = bytes[at] ?? 0;
    found.push({
      tag,
      contents,
      get inside() {
        return readAll(contents);
      },
    });
    at = end;
  }
  return found;
}

function extent(bytes: Bytes, at: number): { start: number; end: number } {
  const first = bytes[at + 1] ?? 0;
  const more = first < 0x80 ? 0 : first & 0x7f;
  let length = first < 0x80 ? first : 0;
  for (let index = 0; index < more; index++) length = length * 256 + (bytes[at + 2 + index] ?? 0);
  const start = at + 2 + more;
  if (more > 4 || start + length > bytes.length) throw new RangeError("not DER: a length does not fit");
  return { start, end: start + length };
}

/** The bytes of a text in PEM's armour, of the first block of that label. */
export function fromPem(text: string, label: string): Uint8Array | undefined {
  const block = new RegExp(`-----BEGIN ${label}-----([^-]+)-----END ${label}-----`).exec(text)?.[1];
  return block === undefined ? undefined : Buffer.from(block.replace(/\s/g, ""), "base64");
}

/** RFC 7468: lines of 64 characters. */
export function toPem(bytes: Uint8Array, label: string): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
