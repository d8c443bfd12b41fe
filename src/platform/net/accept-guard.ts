// Stops accepting connections before descriptors run out: those that could not be served wait in the kernel's queue instead.
import { FFIType, ptr } from "bun:ffi";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { openLibc } from "../libc.ts";
import { isShortage, limitOwnFiles, withSpareDescriptors } from "../process/spare-descriptors.ts";
import type { Clock } from "../time/clock.ts";

const LOOK_EVERY_MS = 100;
/** From here on what nobody would miss is closed, so much of the limit at a time. */
const RELIEVE_AT = 0.9;
const RELIEVE_PART = 1 / 16;
/** So much of the limit may be in use when visitors are let in again. */
const RESUME_AT = 0.9;

export interface AcceptGuard extends Disposable {
  /** Descriptors are short: whoever is done should go. */
  readonly isShort: boolean;
  /** Called for each visitor who is let in, with the descriptor of its connection: the lowest that was free. */
  accepted(descriptor: number): void;
  /** Connections that `close` can close without anybody missing them, so many of those idle longest; how many it did. Until disposed. */
  add(close: (most: number) => number): Disposable;
}

/** Where nothing is guarded. */
export const NO_ACCEPT_GUARD: AcceptGuard = {
  isShort: false,
  accepted() {},
  add: () => ({ [Symbol.dispose]() {} }),
  [Symbol.dispose]() {},
};

const EPOLL_CTL_MOD = 3;
const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;
const SO_DOMAIN = 39;
const AF_INET = 2;
const AF_INET6 = 10;

/** A listening socket in an event loop of this process. */
interface Watched {
  readonly epoll: number;
  readonly socket: number;
  /** `socket:[123]`: tells it from another that got its number. */
  readonly link: string;
  readonly events: number;
  readonly data: bigint;
}

/**
 * From now on, until disposed, a quarter of our descriptors is kept for what serves those that are let in: when visitors
 * have nearly all of the rest, connections are closed that nobody would miss, and when they have it all no more are
 * accepted until some have left. Bun has no way to pause a listener, and its event loop spins
 * when it cannot accept; so the listening TCP sockets are found in our own epoll and not waited for. Unix sockets go on:
 * commands work meanwhile. Linux only; does nothing elsewhere.
 */
export function guardAccepting(clock: Clock, say: (text: string) => void): AcceptGuard {
  const kernel = process.platform === "linux" ? loadKernel() : undefined;
  const limit = kernel ? limitOwnFiles("part") : Number.POSITIVE_INFINITY;
  const closers = new Set<(most: number) => number>();
  /** Until then there is nobody to close: each look goes through all connections. */
  let relieveAtMs = 0;
  let paused: readonly Watched[] | undefined;
  const stop = clock.every(LOOK_EVERY_MS, look);

  function look(): void {
    const free = paused === undefined ? lowestFree() : limit;
    if (free >= limit * RELIEVE_AT) relieve();
    if (paused === undefined && free >= limit) pause();
    else if (paused !== undefined && openCount() < limit * RESUME_AT) resume(paused);
  }

  function relieve(): void {
    const now = clock.monotonic();
    if (now < relieveAtMs) return;
    const most = Math.ceil(limit * RELIEVE_PART);
    let closed = 0;
    for (const close of closers) closed += close(most);
    if (closed === 0) relieveAtMs = now + LOOK_EVERY_MS;
  }

  function pause(): void {
    paused = (kernel ? watchedListeners(kernel) : []).filter((one) => kernel?.modify(one, 0));
    // Not at once: who has just been let in is one of a batch, and the rest of it would take what is kept.
    setImmediate(() => {
      if (paused !== undefined) limitOwnFiles("most");
    });
    say(`${limit} files are open, so new connections wait; more may be open with ulimit -n or LimitNOFILE=`);
  }

  function resume(those: readonly Watched[]): void {
    for (const one of those) if (linkOf(one.socket) === one.link) kernel?.modify(one, one.events);
    paused = undefined;
    limitOwnFiles("part");
    say("new connections are accepted again");
  }

  return {
    get isShort() {
      return paused !== undefined;
    },
    accepted(descriptor) {
      if (descriptor < limit * RELIEVE_AT || paused !== undefined) return;
      relieve();
      // The next one would not fit.
      if (descriptor >= limit - 1 && lowestFree() >= limit) pause();
    },
    add(close) {
      closers.add(close);
      return { [Symbol.dispose]: () => void closers.delete(close) };
    },
    [Symbol.dispose]() {
      stop();
      if (paused !== undefined) resume(paused);
    },
  };
}

/** As the lowest is always given out first, at least so many are open. */
function lowestFree(): number {
  try {
    const descriptor = openSync("/dev/null", "r");
    closeSync(descriptor);
    return descriptor;
  } catch (thrown) {
    return isShortage(thrown) ? Number.POSITIVE_INFINITY : 0;
  }
}

function openCount(): number {
  return withSpareDescriptors(listOpen).length;
}

function listOpen(): number[] {
  return readdirSync("/proc/self/fd").map(Number);
}

function linkOf(descriptor: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return "";
  }
}

function watchedListeners(kernel: Kernel): Watched[] {
  const loops = withSpareDescriptors(listOpen).filter((one) => linkOf(one) === "anon_inode:[eventpoll]");
  return loops.flatMap((epoll) => {
    const text = withSpareDescriptors(() => readFileSync(`/proc/self/fdinfo/${epoll}`, "latin1"));
    const entries = text.matchAll(/^tfd: +(\d+) events: +([0-9a-f]+) data: +([0-9a-f]+)/gm);
    return [...entries]
      .map(([, socket, events, data]) => ({
        epoll,
        socket: Number(socket),
        link: linkOf(Number(socket)),
        events: Number.parseInt(events ?? "", 16),
        data: BigInt(`0x${data}`),
      }))
      .filter(({ socket }) => kernel.listensOnTcp(socket));
  });
}

interface Kernel {
  listensOnTcp(socket: number): boolean;
  modify(watched: Watched, events: number): boolean;
}

function loadKernel(): Kernel | undefined {
  const { i32, ptr: pointer } = FFIType;
  const libc = openLibc({
    epoll_ctl: { args: [i32, i32, i32, pointer], returns: i32 },
    getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 },
  });
  if (!libc) return undefined;
  // struct epoll_event is packed on x64 only.
  const dataAt = process.arch === "x64" ? 4 : 8;

  const option = (socket: number, name: number): number => {
    const value = new Int32Array(new ArrayBuffer(4));
    const length = new Int32Array(new ArrayBuffer(4)).fill(4);
    return libc.getsockopt(socket, SOL_SOCKET, name, ptr(value), ptr(length)) === 0 ? (value[0] ?? 0) : 0;
  };

  return {
    listensOnTcp: (socket) =>
      option(socket, SO_ACCEPTCONN) === 1 && [AF_INET, AF_INET6].includes(option(socket, SO_DOMAIN)),
    modify({ epoll, socket, data }, events) {
      const event = new DataView(new ArrayBuffer(16));
      event.setUint32(0, events, true);
      event.setBigUint64(dataAt, data, true);
      return libc.epoll_ctl(epoll, EPOLL_CTL_MOD, socket, ptr(event.buffer)) === 0;
    },
  };
}
