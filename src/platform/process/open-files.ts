// How many files a child may open: Bun raises our own soft limit as far as it goes, and children must not inherit that.
import { Fault } from "../../core/fault.ts";
import { openFileLimits } from "./rlimit.ts";

/** What children get who ask for nothing: what shells and systemd give, and what old programs with select() can count to. */
export const USUAL_OPEN_FILES = 1024;
/** Descriptors that starting a child may need itself. */
const ROOM = 64;
const NOWHERE = ["open_files works on Linux only", "leave it out"] as const;

/**
 * Runs `spawn` so that its child has this soft limit, or the hard one where that is lower; with `required`, a limit that
 * cannot be had is a Fault (`unhealthy`) instead. `free` is a descriptor number near the lowest that is free. Only
 * Linux can; elsewhere the child has our limit.
 */
export function limitFiles<S extends Bun.Subprocess>(
  soft: number,
  required: boolean,
  free: number,
  spawn: () => S,
): S {
  const prlimit = openFileLimits();
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
}
