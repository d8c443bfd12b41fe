// The C library, for the few system calls that Bun does not offer.
import { dlopen, type FFIFunction } from "bun:ffi";

/** glibc's name, musl's two, and macOS's. */
const NAMES: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`, "libc.so"],
  darwin: ["libSystem.B.dylib"],
};

/**
 * Its functions of these names; undefined where it cannot be opened or has not all of them. Memory that they are given has
 * to be an `ArrayBuffer` of its own: a small typed array without one may be moved while the kernel reads or writes it.
 */
export function openLibc<F extends Record<string, FFIFunction>>(functions: F) {
  for (const name of NAMES[process.platform] ?? []) {
    try {
      return dlopen(name, functions).symbols;
    } catch {
      // Another C library, or none: the next name.
    }
  }
  return undefined;
}
