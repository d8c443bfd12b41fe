// As the first process of a container (or as a subreaper) we are given the orphans of others, and have to take their status: else each stays a zombie.
import { FFIType } from "bun:ffi";
import { openLibc } from "../libc.ts";
import type { Clock } from "../time/clock.ts";
import { type ProcessInfo, readProcesses } from "./proc.ts";

const LOOK_EVERY_MS = 1_000;
const WNOHANG = 1;
const PR_GET_CHILD_SUBREAPER = 37;

/** Reaps, once a second until disposed, what was given to us; does nothing where nobody gives us anything. */
export function reapOrphans(clock: Clock): Disposable {
  const { i32, ptr: pointer } = FFIType;
  if (process.platform !== "linux") return { [Symbol.dispose]() {} };
  const libc = openLibc({
    waitpid: { args: [i32, pointer, i32], returns: i32 },
    prctl: { args: [i32, pointer], returns: i32 },
  });
  if (!libc || !(process.pid === 1 || isSubreaper(libc.prctl))) return { [Symbol.dispose]() {} };
  let before: ReadonlySet<string> = new Set();
  const stop = clock.every(LOOK_EVERY_MS, () => {
    const zombies = readProcesses().filter(({ zombie, parent }) => zombie && parent === process.pid);
    // A child of our own is reaped within milliseconds by who waits for it: what is still there a second later is nobody's.
    for (const one of zombies) if (before.has(nameOf(one))) libc.waitpid(one.pid, null, WNOHANG);
    before = new Set(zombies.map(nameOf));
  });
  return { [Symbol.dispose]: stop };
}

function nameOf({ pid, startTime }: ProcessInfo): string {
  return `${pid} ${startTime}`;
}

function isSubreaper(prctl: (option: number, address: Uint8Array<ArrayBuffer>) => number): boolean {
  const answer = new Uint8Array(new ArrayBuffer(4));
  return prctl(PR_GET_CHILD_SUBREAPER, answer) === 0 && answer[0] === 1;
}
