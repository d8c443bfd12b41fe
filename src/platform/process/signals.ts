// What a process inherits of signals: dispositions and the mask of whoever started us, which must not reach us or our children.
import { FFIType, ptr } from "bun:ffi";
import { readFileSync } from "node:fs";
import { openLibc } from "../libc.ts";

const SIGPIPE = 13;
const SIGCHLD = 17;
const SIG_SETMASK = 2;
/** sigset_t of glibc and musl: 1,024 bits. */
const SIGSET_BYTES = 128;
/** Those that the C library keeps for itself. */
const FIRST_REALTIME = 32;

/** Which signals a process ignores and which it holds back, by number; undefined where the kernel does not tell. */
export interface InheritedSignals {
  readonly ignored: readonly number[];
  readonly blocked: readonly number[];
}

/** Takes the lines SigBlk and SigIgn of /proc/<pid>/status apart. */
function parseSignals(status: string): InheritedSignals | undefined {
  const [ignored, blocked] = ["SigIgn", "SigBlk"].map((name) => {
    const mask = new RegExp(`^${name}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1];
    return mask === undefined ? undefined : numbersOf(BigInt(`0x${mask}`));
  });
  return ignored && blocked && { ignored, blocked };
}

/**
 * Undoes what whoever started us ignores and blocks: with SIGCHLD ignored the kernel keeps no exit status, and a blocked
 * SIGTERM is blocked in every child. SIGPIPE stays ignored, as Bun wants it. Costs one small read where there is nothing to undo.
 */
export function resetSignals(): void {
  const signals = process.platform === "linux" ? parseSignals(ownStatus()) : undefined;
  if (!signals) return;
  // What a program ignores stays so in its children; what it handles does not. The C library's own are left alone.
  const ignored = signals.ignored.filter((signal) => signal < FIRST_REALTIME && signal !== SIGPIPE);
  if (!ignored.includes(SIGCHLD) && signals.blocked.length === 0) return;
  const { i32, ptr: pointer, u64_fast: handler } = FFIType;
  const libc = openLibc({
    signal: { args: [i32, handler], returns: handler },
    sigprocmask: { args: [i32, pointer, pointer], returns: i32 },
  });
  if (!libc) return;
  // SIG_DFL; only this one is never somebody's wish, as nohup's SIGHUP is.
  if (ignored.includes(SIGCHLD)) libc.signal(SIGCHLD, 0);
  libc.sigprocmask(SIG_SETMASK, ptr(new Uint8Array(new ArrayBuffer(SIGSET_BYTES))), null);
}

function ownStatus(): string {
  try {
    return readFileSync("/proc/self/status", "latin1");
  } catch {
    return "";
  }
}

function numbersOf(mask: bigint): number[] {
  return Array.from({ length: 64 }, (_, bit) => bit + 1).filter(
    (signal) => (mask >> BigInt(signal - 1)) & 1n,
  );
}
