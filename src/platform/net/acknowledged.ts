// How much of what was sent the other end has acknowledged, as its kernel says: Linux only.
import { FFIType, ptr } from "bun:ffi";
import { openLibc } from "../libc.ts";

const IPPROTO_TCP = 6;
const TCP_INFO = 11;
/** `tcpi_bytes_acked` of struct tcp_info (linux/tcp.h, since Linux 4.1). */
const ACKED_AT = 120;
const INFO_BYTES = 256;

/** Opened when first asked for: only slow readers are looked at. */
const opened: { read?: (descriptor: number) => number | undefined } = {};

/** Bytes of a TCP connection since its beginning; undefined where that is not known. */
export function acknowledgedBytes(descriptor: number): number | undefined {
  opened.read ??= load();
  return descriptor < 0 ? undefined : opened.read(descriptor);
}

function load(): (descriptor: number) => number | undefined {
  if (process.platform !== "linux") return () => undefined;
  const { i32, ptr: pointer } = FFIType;
  const libc = openLibc({ getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 } });
  if (!libc) return () => undefined;
  const info = new DataView(new ArrayBuffer(INFO_BYTES));
  const length = new Int32Array(new ArrayBuffer(4));
  return (descriptor) => {
    length[0] = INFO_BYTES;
    const isRead = libc.getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, ptr(info.buffer), ptr(length)) === 0;
    return isRead && (length[0] ?? 0) >= ACKED_AT + 8 ? Number(info.getBigUint64(ACKED_AT, true)) : undefined;
  };
}
