// A unix datagram socket that keeps what it is sent, as a service manager's does; Bun has none of its own. Linux only.
import { FFIType, ptr } from "bun:ffi";
import { openLibc } from "../../src/platform/libc.ts";
import { type Passed, receiveDescriptor } from "../../src/platform/net/descriptor-passing.ts";
import { until } from "./until.ts";

export interface Datagrams extends Disposable {
  /** The next one, once it is there. */
  next(): Promise<string>;
  /** The next one, which has a descriptor with it. */
  nextPassed(): Promise<Passed>;
}

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 0x80002;
const MSG_DONTWAIT = 0x40;

/** At a path, or with `@` in the abstract namespace. */
export function receiveDatagrams(name: string): Datagrams {
  const { i32, i64_fast: size, u64_fast: count, ptr: pointer } = FFIType;
  const libc = openLibc({
    socket: { args: [i32, i32, i32], returns: i32 },
    bind: { args: [i32, pointer, i32], returns: i32 },
    recv: { args: [i32, pointer, count, i32], returns: size },
    close: { args: [i32], returns: i32 },
  });
  if (!libc) throw new Error("there is no C library");
  const descriptor = libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  const path = name.startsWith("@") ? `\0${name.slice(1)}` : `${name}\0`;
  const address = Uint8Array.from([AF_UNIX, 0, ...Buffer.from(path)]);
  if (libc.bind(descriptor, ptr(address), address.length) !== 0) throw new Error(`cannot bind ${name}`);
  const buffer = new Uint8Array(new ArrayBuffer(4096));
  return {
    next: () =>
      until(
        "a datagram comes",
        () => {
          const length = Number(libc.recv(descriptor, ptr(buffer), buffer.length, MSG_DONTWAIT));
          return length > 0 && Buffer.from(buffer.subarray(0, length)).toString();
        },
        20_000,
      ),
    nextPassed: () =>
      until("a descriptor comes", () => {
        const passed = receiveDescriptor(descriptor);
        return passed !== "nothing yet" && passed;
      }),
    [Symbol.dispose]: () => void libc.close(descriptor),
  };
}
