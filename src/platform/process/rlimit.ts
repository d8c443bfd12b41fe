// How many files a process may open, as the kernel keeps it; Linux only.
import { FFIType, ptr } from "bun:ffi";
import { openLibc } from "../libc.ts";

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
  const { i32, ptr: pointer } = FFIType;
  const libc = openLibc({ prlimit: { args: [i32, i32, pointer, pointer], returns: i32 } });
  if (!libc) return undefined;
  const pair = () => new BigUint64Array(new ArrayBuffer(16));
  return {
    get(pid) {
      const limits = pair();
      if (libc.prlimit(pid, RLIMIT_NOFILE, null, ptr(limits)) !== 0) return undefined;
      return { soft: limits[0] ?? 0n, hard: limits[1] ?? 0n };
    },
    set(pid, soft, hard) {
      const limits = pair();
      limits.set([soft, hard]);
      return libc.prlimit(pid, RLIMIT_NOFILE, ptr(limits), null) === 0;
    },
  };
}
