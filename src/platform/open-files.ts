// How many files a child may open: Bun raises our own soft limit as far as it goes, and children must not inherit that.
import { dlopen, FFIType, ptr } from "bun:ffi";
import { Fault } from "../core/fault.ts";

export interface OpenFiles {
  /**
   * Runs `spawn` so that its child has this soft limit, or the hard one where that is lower; with `required`, a limit that
   * cannot be had is a Fault (`unhealthy`) instead. `free` is a descriptor number near the lowest that is free. Only
   * Linux can; elsewhere the child has our limit.
   */
  limit<S extends Bun.Subprocess>(soft: number, required: boolean, free: number, spawn: () => S): S;
}

/** What children get who ask for nothing: what shells and systemd give, and what old programs with select() can count to. */
export const USUAL_OPEN_FILES = 1024;
const RLIMIT_NOFILE = 7;
/** Descriptors that starting a child may need itself. */
const ROOM = 64;
const NOWHERE = ["open_files works on Linux only", "leave it out"] as const;

/** Limits of a process, 0 for ourselves. */
interface Prlimit {
  get(pid: number): { readonly soft: bigint; readonly hard: bigint } | undefined;
  set(pid: number, soft: bigint, hard: bigint): boolean;
}

export function createOpenFiles(): OpenFiles {
  let prlimit: Prlimit | undefined;

  return {
    limit(soft, required, free, spawn) {
      prlimit ??= loadPrlimit();
      const own = prlimit?.get(0);
      if (!prlimit || !own) {
        if (required) throw new Fault("unhealthy", ...NOWHERE);
        return spawn();
      }
      const { hard } = own;
      if (required && BigInt(soft) > hard) {
        const hint = `raise it for ten serve (ulimit -Hn, or LimitNOFILE= of its systemd unit), or ask for at most ${hard}`;
        throw new Fault("unhealthy", `open_files = ${soft} is above the hard limit ${hard}`, hint);
      }
      const wanted = BigInt(soft) < hard ? BigInt(soft) : hard;
      // Inherited, it holds before the program's first instruction. Ours is lowered meanwhile, which costs nothing as long
      // as there are free descriptors below it: nothing else of this program runs before it is restored.
      if (BigInt(free + ROOM) < wanted) {
        prlimit.set(0, wanted, hard);
        try {
          return spawn();
        } finally {
          prlimit.set(0, own.soft, hard);
        }
      }
      // With that many files open it is set afterwards: a program that asks in its first instants sees ours.
      const child = spawn();
      prlimit.set(child.pid, wanted, hard);
      return child;
    },
  };
}

function loadPrlimit(): Prlimit | undefined {
  if (process.platform !== "linux") return undefined;
  for (const name of ["libc.so.6", "libc.so"]) {
    try {
      const { symbols } = dlopen(name, {
        prlimit: { args: [FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
      });
      return {
        get(pid) {
          const limits = new BigUint64Array(2);
          if (symbols.prlimit(pid, RLIMIT_NOFILE, null, ptr(limits)) !== 0) return undefined;
          return { soft: limits[0] ?? 0n, hard: limits[1] ?? 0n };
        },
        set: (pid, soft, hard) =>
          symbols.prlimit(pid, RLIMIT_NOFILE, ptr(BigUint64Array.of(soft, hard)), null) === 0,
      };
    } catch {
      // musl has it under the other name.
    }
  }
  return undefined;
}
