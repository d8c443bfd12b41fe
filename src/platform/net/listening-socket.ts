// The listening socket as a thing of its own: it outlives who accepts on it, so that it can be shared and handed over.
import { FFIType, ptr } from "bun:ffi";
import { closeSync } from "node:fs";
import type { Address } from "../../core/route.ts";
import { openLibc } from "../libc.ts";
import type { Clock } from "../time/clock.ts";
import { fetchDescriptor, sendDescriptor } from "./descriptor-passing.ts";
import { claimSocket, removeSocket } from "./unix-socket.ts";

/**
 * A TCP socket that listens. While any process holds it, connections that nobody accepts wait in its queue; what is accepted
 * belongs to who accepted it. Disposing it closes this process's hold on it.
 */
export interface ListeningSocket extends Disposable {
  readonly descriptor: number;
  /** Where it really listens; the host is an address. */
  readonly address: Address;
  /** Another descriptor of the same socket: `Bun.listen({ fd })` closes what it is given when it stops. */
  duplicate(): number;
}

const F_DUPFD_CLOEXEC = process.platform === "darwin" ? 67 : 1030;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const LOWEST = 3;
const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;
const SO_TYPE = 3;
const SO_DOMAIN = 39;
const SOCK_STREAM = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_TCP = 6;
const TCP_DEFER_ACCEPT = 9;
/** Bun asks for 512, which is one burst; the system caps it (net.core.somaxconn). */
const BACKLOG = 4096;
/** A connection is handed out with its first bytes, or after so long: then none that is being handed over is answered by nobody. */
const DEFER_SECS = 1;

const { i32, ptr: pointer } = FFIType;
const FUNCTIONS = {
  fcntl: { args: [i32, i32, i32], returns: i32 },
  listen: { args: [i32, i32], returns: i32 },
  getsockname: { args: [i32, pointer, pointer], returns: i32 },
  getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 },
  setsockopt: { args: [i32, i32, i32, pointer, i32], returns: i32 },
} as const;

/** Whether listening sockets can be held apart from who accepts on them: on Linux. Elsewhere each listener has its own. */
export function canShareSockets(): boolean {
  return process.platform === "linux" && loaded() !== undefined;
}

/** Listens; nobody accepts yet. `reusePort`: beside others that allow it too. Throws what Bun.listen throws, EADDRINUSE above all. */
export function openListeningSocket({ host, port }: Address, reusePort = false): ListeningSocket {
  const kernel = libc();
  const options = { hostname: host, port, exclusive: !reusePort, reusePort, socket: { data() {} } };
  const bound: Bun.TCPSocketListener & { readonly fd?: number } = Bun.listen(options);
  try {
    const descriptor = kernel.fcntl(bound.fd ?? -1, F_DUPFD_CLOEXEC, LOWEST);
    if (descriptor < 0) throw new Error("the listening socket cannot be duplicated");
    kernel.listen(descriptor, BACKLOG);
    return hold(descriptor);
  } finally {
    bound.stop(true);
  }
}

/** Takes a descriptor over, from now on closed on exec; undefined when it is no TCP socket that listens, and then it stays open. */
export function adoptListeningSocket(descriptor: number): ListeningSocket | undefined {
  const isListening = option(descriptor, SO_ACCEPTCONN) === 1 && option(descriptor, SO_TYPE) === SOCK_STREAM;
  if (!isListening || ![AF_INET, AF_INET6].includes(option(descriptor, SO_DOMAIN) ?? 0)) return undefined;
  libc().fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return hold(descriptor);
}

function hold(descriptor: number): ListeningSocket {
  const seconds = new Int32Array(new ArrayBuffer(4)).fill(DEFER_SECS);
  libc().setsockopt(descriptor, IPPROTO_TCP, TCP_DEFER_ACCEPT, ptr(seconds), 4);
  let isOpen = true;
  return {
    descriptor,
    address: addressOf(descriptor),
    duplicate() {
      const copy = libc().fcntl(descriptor, F_DUPFD_CLOEXEC, LOWEST);
      if (copy < 0) throw new Error("the listening socket cannot be duplicated");
      return copy;
    },
    [Symbol.dispose]() {
      if (isOpen) closeSync(descriptor);
      isOpen = false;
    },
  };
}

/** Another descriptor of a socket that Bun listens on, for another listener in its place; undefined where there is no such thing. */
export function duplicateOf(listener: object): number | undefined {
  const { fd = -1 } = listener as { readonly fd?: number };
  const copy = canShareSockets() && fd >= 0 ? libc().fcntl(fd, F_DUPFD_CLOEXEC, LOWEST) : -1;
  return copy < 0 ? undefined : copy;
}

const opened: { libc?: ReturnType<typeof openLibc<typeof FUNCTIONS>> } = {};

function loaded() {
  if (!("libc" in opened)) opened.libc = openLibc(FUNCTIONS);
  return opened.libc;
}

function libc() {
  const kernel = loaded();
  if (kernel === undefined) throw new Error("there is no C library to share sockets with");
  return kernel;
}

function option(descriptor: number, name: number): number | undefined {
  const value = new Int32Array(new ArrayBuffer(4));
  const length = new Int32Array(new ArrayBuffer(4)).fill(4);
  return libc().getsockopt(descriptor, SOL_SOCKET, name, ptr(value), ptr(length)) === 0
    ? value[0]
    : undefined;
}

/** struct sockaddr_in or sockaddr_in6. */
function addressOf(descriptor: number): Address {
  const bytes = new DataView(new ArrayBuffer(128));
  const length = new Int32Array(new ArrayBuffer(4)).fill(128);
  if (libc().getsockname(descriptor, ptr(bytes.buffer), ptr(length)) !== 0)
    throw new Error("the listening socket has no address");
  const port = bytes.getUint16(2);
  if (bytes.getUint16(0, true) === AF_INET) {
    const parts = Array.from({ length: 4 }, (_, at) => bytes.getUint8(4 + at));
    return { host: parts.join("."), port };
  }
  const groups = Array.from({ length: 8 }, (_, at) => bytes.getUint16(8 + 2 * at).toString(16));
  return { host: new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1), port };
}

/** What goes along with a socket: where its holder was told to listen, so that the next knows whether it is the one it wants. */
export interface Offer {
  readonly asked: Address;
  readonly socket: ListeningSocket;
}

/** A socket that was taken from its holder. Disposing `socket` closes it here only. */
export interface Taken extends Offer {
  /** Tells the holder that somebody else serves on it now, or that nobody will after all. */
  settle(isServed: boolean): void;
}

const SERVED = "served\n";

/**
 * Gives a socket to each process that asks at this path, until disposed: to us and to root, as nobody else reaches it.
 * `onServed`: one of them serves on it.
 */
export async function offerSocket(
  path: string,
  { asked, socket }: Offer,
  clock: Clock,
  onServed: () => void = () => {},
): Promise<AsyncDisposable> {
  const note = JSON.stringify({ host: asked.host, port: asked.port });
  const door = await claimSocket(path, clock, (unix) =>
    Bun.listen({
      unix,
      socket: {
        open(asker) {
          sendDescriptor((asker as { readonly fd?: number }).fd ?? -1, note, socket.descriptor);
        },
        data(_, bytes) {
          if (bytes.toString() === SERVED) onServed();
        },
        end: (asker) => void asker.end(),
      },
    }),
  );
  return {
    async [Symbol.asyncDispose]() {
      door.stop(true);
      removeSocket(path);
    },
  };
}

/** The socket that is offered at this path; undefined when none is. */
export async function takeSocket(path: string, clock: Clock): Promise<Taken | undefined> {
  const fetched = await fetchDescriptor(path, clock);
  if (fetched === undefined) return undefined;
  const socket = adoptListeningSocket(fetched.descriptor);
  const asked = readNote(fetched.message);
  if (socket !== undefined && asked !== undefined)
    return { asked, socket, settle: (isServed) => fetched.end(isServed ? SERVED : "") };
  fetched.end();
  closeSync(fetched.descriptor);
  return undefined;
}

function readNote(text: string): Address | undefined {
  try {
    const { host, port } = JSON.parse(text) as Partial<Address>;
    return typeof host === "string" && typeof port === "number" ? { host, port } : undefined;
  } catch {
    return undefined;
  }
}
