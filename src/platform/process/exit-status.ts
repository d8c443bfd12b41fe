// How a process ended that is not our child: the kernel keeps it for whoever holds a pidfd (Linux 6.15).
import { FFIType, ptr } from "bun:ffi";
import { constants } from "node:os";
import { openLibc } from "../libc.ts";

/**
 * How a process ended; `unknown` for one that was not our child where the kernel tells only its parent, as before Linux 6.15.
 */
export interface Exit {
  readonly code?: number;
  readonly signal?: string;
  readonly unknown?: true;
}

/** Opened while the process lives; to be disposed. */
export interface ExitWitness extends Disposable {
  /** Undefined as long as it is not known: the process lives, or its parent has not taken its status yet. */
  exit(): Exit | undefined;
}

const SYS_PIDFD_OPEN = 434;
/** _IOWR(0xFF, 11, struct pidfd_info), whose first version has 64 bytes. */
const PIDFD_GET_INFO = 0xc040ff0b;
const PIDFD_INFO_EXIT = 1n << 3n;
const INFO_BYTES = 64;
const EXIT_CODE_AT = 60;

/** Undefined where the kernel does not offer it, or not of this process. */
export function witnessExit(pid: number): ExitWitness | undefined {
  if (process.platform !== "linux") return undefined;
  const calls = loaded();
  const descriptor = calls ? Number(calls.syscall(SYS_PIDFD_OPEN, pid, 0)) : -1;
  if (!calls || descriptor < 0) return undefined;
  return {
    exit() {
      const info = new DataView(new ArrayBuffer(INFO_BYTES));
      info.setBigUint64(0, PIDFD_INFO_EXIT, true);
      if (calls.ioctl(descriptor, PIDFD_GET_INFO, ptr(info)) !== 0) return undefined;
      if ((info.getBigUint64(0, true) & PIDFD_INFO_EXIT) === 0n) return undefined;
      return exitOfStatus(info.getInt32(EXIT_CODE_AT, true));
    },
    [Symbol.dispose]: () => void calls.close(descriptor),
  };
}

/** Takes a status of wait(2) apart. */
export function exitOfStatus(status: number): Exit {
  const signal = status & 0x7f;
  if (signal === 0) return { code: (status >> 8) & 0xff };
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
  return { signal: name ?? `signal ${signal}` };
}

const opened: { calls?: ReturnType<typeof load> } = {};

function loaded(): ReturnType<typeof load> {
  if (!("calls" in opened)) opened.calls = load();
  return opened.calls;
}

function load() {
  const { i32, i64_fast: long, u64_fast: request, ptr: pointer } = FFIType;
  return openLibc({
    syscall: { args: [long, long, long], returns: long },
    ioctl: { args: [i32, request, pointer], returns: i32 },
    close: { args: [i32], returns: i32 },
  });
}
