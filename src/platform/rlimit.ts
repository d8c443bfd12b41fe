// How many files a process may open, as the kernel keeps it; Linux only.
import { dlopen, FFIType, ptr } from "bun:ffi";

/** Limits of a process, 0 for ourselves. */
export interface OpenFileLimits {
  get(pid: number): { readonly soft: bigint; readonly hard: bigint } | undefined;
  set(pid: number, soft: bigint, hard: bigint): boolean;
}

const RLIMIT_NOFILE = 7;
/** Opened when first asked for, as most commands have no use for it. */
const opened: { limits?: OpenFileLimits | undefined } = {};

/** Undefined where the C library has no prlimit. */
export function openFileLimits(): OpenFileLimits | undefined {
  if (!("limits" in opened)) opened.limits = load();
  return opened.limits;
}

function load(): OpenFileLimits | undefined {
  if (process.platform !== "linux") return undefined;
  for (const name of ["libc.so.6", "libc.so"]) {
    try {
      const { symbols } = dlopen(name, {
        prlimit: { args: [FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
      });
      // Over buffers of their own: small arrays without one may be moved while the kernel writes into them.
      const pair = () => new BigUint64Array(new ArrayBuffer(16));
      return {
        get(pid) {
          const limits = pair();
          if (symbols.prlimit(pid, RLIMIT_NOFILE, null, ptr(limits)) !== 0) return undefined;
          return { soft: limits[0] ?? 0n, hard: limits[1] ?? 0n };
        },
        set(pid, soft, hard) {
          const limits = pair();
          limits.set([soft, hard]);
          return symbols.prlimit(pid, RLIMIT_NOFILE, ptr(limits), null) === 0;
        },
      };
    } catch {
      // musl has it under the other name.
    }
  }
  return undefined;
}
