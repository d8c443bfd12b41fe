// The borders between WebSocket frames (RFC 6455 section 5.2), followed without looking at what is in them.

const SHORT_LENGTH = 126;
const LONG_LENGTH = 127;
const CLOSE_OPCODE = 8;

/** One direction of one WebSocket. */
export class FrameBorders {
  /** What has come of a head that is not whole. */
  #head: number[] = [];
  #payloadLeft = 0;
  /** A close has begun: nothing that means anything comes behind it (section 5.5.1). */
  isClosing = false;

  /** Whether the next byte begins a frame. */
  get isAtBorder(): boolean {
    return this.#payloadLeft === 0 && this.#head.length === 0;
  }

  /** The index of the first border at or behind `from` in `bytes`; its length when there is none. */
  next(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length && !(at > from && this.isAtBorder)) at = this.#step(bytes, at);
    return at;
  }

  /** Passes all of them by. */
  pass(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) at = this.#step(bytes, at);
  }

  #step(bytes: Uint8Array, at: number): number {
    if (this.#payloadLeft > 0) {
      const take = Math.min(this.#payloadLeft, bytes.length - at);
      this.#payloadLeft -= take;
      return at + take;
    }
    this.#head.push(bytes[at] as number);
    this.#readHead();
    return at + 1;
  }

  #readHead(): void {
    const head = this.#head;
    if (head.length < 2) return;
    const second = head[1] as number;
    const short = second & 0x7f;
    const lengthBytes = short === LONG_LENGTH ? 8 : short === SHORT_LENGTH ? 2 : 0;
    if (head.length < 2 + lengthBytes + ((second & 0x80) === 0 ? 0 : 4)) return;
    let length = lengthBytes === 0 ? short : 0;
    for (let i = 0; i < lengthBytes; i++) length = length * 256 + (head[2 + i] as number);
    this.#payloadLeft = length;
    this.isClosing ||= ((head[0] as number) & 0x0f) === CLOSE_OPCODE;
    this.#head = [];
  }
}

/** A close frame; `mask` is for the direction from a client, where each frame has one (section 5.3): zeros, as nothing is hidden. */
export function closeFrame(code: number, reason: string, isMasked: boolean): Buffer {
  const text = Buffer.from(reason);
  const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), text]);
  const head = [0x80 | CLOSE_OPCODE, payload.length | (isMasked ? 0x80 : 0)];
  return Buffer.concat([Buffer.from(isMasked ? [...head, 0, 0, 0, 0] : head), payload]);
}

/** A ping without a payload, from a server. */
export const PING_FRAME: Buffer = Buffer.from([0x89, 0]);
