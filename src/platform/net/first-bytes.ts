// What a connection begins with, looked at before whoever accepted it reads it: where that decides who reads it, and how.
import { FFIType, type Pointer, ptr } from "bun:ffi";
import { openLibc } from "../libc.ts";
import type { Clock } from "../time/clock.ts";

const { i32, i64, u64, ptr: pointer } = FFIType;
const FUNCTIONS = { recv: { args: [i32, pointer, u64, i32], returns: i64 } } as const;
const MSG_PEEK = 2;
const MSG_DONTWAIT = process.platform === "darwin" ? 0x80 : 0x40;
const MOST_BYTES = 32_768;
/** What does not come at once comes soon, or not at all. */
const LOOK_EVERY_MS = 5;
/** Silent strangers may wait in thousands: after a while this often each is enough. */
const LOOK_MOST_MS = 100;

/** A socket that has been accepted, and that nobody has read from yet. */
export interface Unread {
  pause(): unknown;
  resume(): unknown;
  terminate(): unknown;
}

export interface Expected<Found> {
  /** What the bytes that have come say; undefined: not enough has come. */
  look(bytes: Uint8Array): Found | undefined;
  /** The socket is read from again as soon as this returns. */
  found(found: Found): void;
  /** For so long: then the socket is ended. */
  readonly deadlineMs: number;
}

interface Waiting {
  readonly until: number;
  /** When it is looked at next; who lets one wait is looked at ever less often. */
  nextAt: number;
  stepMs: number;
  /** Whether the wait is over. */
  look(): boolean;
}

type Receive = (fd: number, bytes: Pointer, length: bigint, flags: number) => number | bigint;

/** Undefined where a system call cannot be made. */
export function openFirstBytes(clock: Clock): FirstBytes | undefined {
  const libc = openLibc(FUNCTIONS);
  return libc && new FirstBytes(clock, libc.recv);
}

export class FirstBytes {
  readonly #clock: Clock;
  readonly #recv: Receive;
  /** In memory of its own, as the C library needs it. */
  readonly #bytes = new Uint8Array(new ArrayBuffer(MOST_BYTES));
  readonly #address;
  readonly #waiting = new Map<Unread, Waiting>();
  #stop: (() => void) | undefined;

  constructor(clock: Clock, recv: Receive) {
    this.#clock = clock;
    this.#recv = recv;
    this.#address = ptr(this.#bytes);
  }

  /** Looks at once, and again as more comes; called when the socket has just been accepted. The bytes stay where they are. */
  expect<Found>(socket: Unread, { look, found, deadlineMs }: Expected<Found>): void {
    const tryOnce = () => {
      const bytes = this.#peek(socket);
      if (bytes === undefined) {
        socket.terminate();
        return true;
      }
      const seen = look(bytes);
      if (seen !== undefined) found(seen);
      return seen !== undefined;
    };
    if (tryOnce()) return;
    socket.pause();
    const now = this.#clock.monotonic();
    this.#waiting.set(socket, {
      until: now + deadlineMs,
      nextAt: now + LOOK_EVERY_MS,
      stepMs: LOOK_EVERY_MS,
      look: tryOnce,
    });
    this.#stop ??= this.#clock.every(LOOK_EVERY_MS, () => this.#lookAgain());
  }

  /** Takes so many bytes that have been looked at. */
  take(socket: Unread, length: number): void {
    this.#recv(descriptorOf(socket), this.#address, BigInt(length), MSG_DONTWAIT);
  }

  /** Nothing is expected of this socket any more. */
  forget(socket: Unread): void {
    this.#waiting.delete(socket);
    if (this.#waiting.size === 0) this.#rest();
  }

  #lookAgain(): void {
    const now = this.#clock.monotonic();
    for (const [socket, waiting] of [...this.#waiting]) {
      if (now < waiting.nextAt && now <= waiting.until) continue;
      this.#waiting.delete(socket);
      // What was found may lead to something else that is waited for.
      if (waiting.look()) {
        if (!this.#waiting.has(socket)) socket.resume();
      } else if (now > waiting.until) socket.terminate();
      else {
        waiting.stepMs = Math.min(2 * waiting.stepMs, LOOK_MOST_MS);
        waiting.nextAt = now + waiting.stepMs;
        this.#waiting.set(socket, waiting);
      }
    }
    if (this.#waiting.size === 0) this.#rest();
  }

  #rest(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  /** What has come; undefined when nothing will. */
  #peek(socket: Unread): Uint8Array | undefined {
    const length = Number(
      this.#recv(descriptorOf(socket), this.#address, BigInt(MOST_BYTES), MSG_PEEK | MSG_DONTWAIT),
    );
    if (length === 0) return undefined;
    return this.#bytes.subarray(0, Math.max(length, 0));
  }
}

function descriptorOf(socket: Unread): number {
  return (socket as { readonly fd?: number }).fd ?? -1;
}
