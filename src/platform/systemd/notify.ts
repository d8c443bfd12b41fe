// Tells the service manager that started us how far we are: systemd's sd_notify protocol, datagrams to NOTIFY_SOCKET.
import { FFIType, ptr } from "bun:ffi";
import { openLibc } from "../libc.ts";
import { own, sendDescriptor, unixAddress } from "../net/descriptor-passing.ts";

/** Each is one datagram. That nobody listens, or not any more, is no error: the manager has a deadline of its own. */
export interface Notifier {
  /** Started, or through with reading the configuration again. */
  ready(): void;
  reloading(): void;
  /** `patienceMs`: how long the end may take at most, where that may be longer than the unit says. */
  stopping(patienceMs?: number): void;
  /** Gives the manager a copy of a descriptor, which the next start of the unit gets (FileDescriptorStoreMax=). */
  keep(descriptor: number, name: string): void;
  /** The manager closes what it keeps under that name. */
  forget(name: string): void;
  /** Still turning: to be said at half of the time after which the manager would kill us. */
  alive(): void;
}

/** How often `alive` is to be said; undefined when nobody waits for it, or not from us. */
export function watchdogMs(usec: string | undefined, pid: string | undefined): number | undefined {
  const limitUsec = Number(usec);
  const isOurs = pid === undefined || Number(pid) === process.pid;
  return isOurs && limitUsec > 0 ? limitUsec / 2000 : undefined;
}

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 0x80002;
const MSG_DONTWAIT_NOSIGNAL = 0x4040;
const CLOCK_MONOTONIC = 1;
/** The manager's queue may be full for a moment; waiting in the system call would have no end. */
const TRIES = 10;
const RETRY_MS = 5;

/** `socket` is what NOTIFY_SOCKET says, a path or `@` and an abstract name; without it, or elsewhere than on Linux, nobody is told. */
export function createNotifier(socket: string | undefined): Notifier {
  const send = socket === undefined || process.platform !== "linux" ? undefined : openSender(socket);
  return {
    ready: () => send?.("READY=1\n"),
    // systemd tells this reload from an earlier one by the time, which it measures with the same clock.
    reloading: () => send?.(`RELOADING=1\nMONOTONIC_USEC=${send.nowUsec()}\n`),
    alive: () => send?.("WATCHDOG=1\n"),
    stopping(patienceMs) {
      const longer = patienceMs === undefined ? "" : `EXTEND_TIMEOUT_USEC=${Math.ceil(patienceMs * 1000)}\n`;
      send?.(`STOPPING=1\n${longer}`);
    },
    keep: (descriptor, name) => send?.(`FDSTORE=1\nFDNAME=${name}\n`, descriptor),
    forget: (name) => send?.(`FDSTOREREMOVE=1\nFDNAME=${name}\n`),
  };
}

interface Sender {
  (message: string, descriptor?: number): void;
  nowUsec(): bigint;
}

function openSender(socket: string): Sender | undefined {
  const { i32, i64_fast: size, u64_fast: count, ptr: pointer } = FFIType;
  const libc = openLibc({
    socket: { args: [i32, i32, i32], returns: i32 },
    sendto: { args: [i32, pointer, count, i32, pointer, i32], returns: size },
    close: { args: [i32], returns: i32 },
    clock_gettime: { args: [i32, pointer], returns: i32 },
  });
  if (!libc) return undefined;
  const address = unixAddress(socket);

  function send(message: string, passed?: number): void {
    const descriptor = libc?.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0) ?? -1;
    if (descriptor < 0) return;
    const bytes = own(Buffer.from(message));
    for (let tries = 0; tries < TRIES; tries++) {
      const args = [ptr(bytes), bytes.length, MSG_DONTWAIT_NOSIGNAL, ptr(address), address.length] as const;
      if (passed !== undefined && sendDescriptor(descriptor, message, passed, address)) break;
      if (passed === undefined && Number(libc?.sendto(descriptor, ...args)) === bytes.length) break;
      Bun.sleepSync(RETRY_MS);
    }
    libc?.close(descriptor);
  }

  return Object.assign(send, {
    nowUsec() {
      const time = new BigInt64Array(new ArrayBuffer(16));
      libc.clock_gettime(CLOCK_MONOTONIC, ptr(time));
      const [seconds = 0n, nanos = 0n] = time;
      return seconds * 1_000_000n + nanos / 1000n;
    },
  });
}
