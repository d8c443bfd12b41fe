// A descriptor goes to another process with a message over a unix socket: SCM_RIGHTS of sendmsg(2) and recvmsg(2). Linux only.
import { FFIType, ptr } from "bun:ffi";
import { closeSync, writeSync } from "node:fs";
import { openLibc } from "../libc.ts";
import { type Clock, sleep } from "../time/clock.ts";

const AF_UNIX = 1;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SOCK_STREAM_CLOEXEC = 0x80001;
const MSG_DONTWAIT_NOSIGNAL = 0x4040;
const MSG_DONTWAIT_CMSG_CLOEXEC = 0x40000040;
/** struct msghdr of 64-bit Linux: name and its length, pieces and their number, control data and their length, flags. */
const MSGHDR_BYTES = 56;
/** struct cmsghdr with one int behind it: its length, and what it takes with padding. */
const CONTROL_BYTES = 20;
const CONTROL_SPACE = 24;
const MESSAGE_MOST_BYTES = 4096;
/** What was sent is there at once; a sender that has to be waited for is busy or stopped. */
const RECEIVE_MS = 2_000;
const STEP_MS = 2;

export interface Passed {
  /** Closed on exec; the receiver's to close. */
  readonly descriptor: number;
  readonly message: string;
}

export interface Fetched extends Passed {
  /** Says something to the giver, or nothing, and hangs up. */
  end(text?: string): void;
}

const { i32, i64_fast: size, ptr: pointer } = FFIType;
const FUNCTIONS = {
  socket: { args: [i32, i32, i32], returns: i32 },
  connect: { args: [i32, pointer, i32], returns: i32 },
  sendmsg: { args: [i32, pointer, i32], returns: size },
  recvmsg: { args: [i32, pointer, i32], returns: size },
} as const;

const load = () => (process.platform === "linux" ? openLibc(FUNCTIONS) : undefined);
/** Opened when first asked for, as most commands have no use for it. */
const opened: { libc?: ReturnType<typeof load> } = {};

function libc() {
  if (!("libc" in opened)) opened.libc = load();
  return opened.libc;
}

/** The parts of a message in memory that does not move, for as long as this is held. */
class Message {
  readonly header = new DataView(new ArrayBuffer(MSGHDR_BYTES));
  readonly control = new DataView(new ArrayBuffer(CONTROL_SPACE));
  readonly #piece = new DataView(new ArrayBuffer(16));

  readonly bytes: Uint8Array;
  readonly #name: Uint8Array | undefined;

  constructor(bytes: Uint8Array, name?: Uint8Array) {
    const { header } = this;
    this.bytes = bytes;
    this.#name = name;
    if (this.#name !== undefined) {
      header.setBigUint64(0, BigInt(ptr(this.#name)), true);
      header.setUint32(8, this.#name.length, true);
    }
    this.#piece.setBigUint64(0, BigInt(ptr(bytes)), true);
    this.#piece.setBigUint64(8, BigInt(bytes.length), true);
    header.setBigUint64(16, BigInt(ptr(this.#piece.buffer)), true);
    header.setBigUint64(24, 1n, true);
    header.setBigUint64(32, BigInt(ptr(this.control.buffer)), true);
    header.setBigUint64(40, BigInt(CONTROL_SPACE), true);
  }
}

/**
 * Sends a message with a descriptor over a unix socket of ours, which keeps it too; whether all of it was taken. `to` is the
 * address, a struct sockaddr_un, where the socket is not connected. Never waits.
 */
export function sendDescriptor(socket: number, text: string, descriptor: number, to?: Uint8Array): boolean {
  const bytes = own(Buffer.from(text));
  const message = new Message(bytes, to);
  message.control.setBigUint64(0, BigInt(CONTROL_BYTES), true);
  message.control.setInt32(8, SOL_SOCKET, true);
  message.control.setInt32(12, SCM_RIGHTS, true);
  message.control.setInt32(16, descriptor, true);
  const sent = libc()?.sendmsg(socket, ptr(message.header.buffer), MSG_DONTWAIT_NOSIGNAL);
  return Number(sent ?? -1) === bytes.length;
}

/** Asks whoever gives one away at this path; undefined when nobody does, or not in time. */
export async function fetchDescriptor(path: string, clock: Clock): Promise<Fetched | undefined> {
  const kernel = libc();
  if (kernel === undefined) return undefined;
  const socket = kernel.socket(AF_UNIX, SOCK_STREAM_CLOEXEC, 0);
  if (socket < 0) return undefined;
  const address = unixAddress(path);
  const isConnected = kernel.connect(socket, ptr(address), address.length) === 0;
  const passed = isConnected ? await firstPassed(socket, clock) : undefined;
  if (passed === undefined) closeSync(socket);
  return passed && { ...passed, end: (text = "") => hangUp(socket, text) };
}

async function firstPassed(socket: number, clock: Clock): Promise<Passed | undefined> {
  const deadline = clock.monotonic() + RECEIVE_MS;
  for (;;) {
    const passed = receiveDescriptor(socket);
    if (passed !== "nothing yet") return passed;
    if (clock.monotonic() > deadline) return undefined;
    await sleep(clock, STEP_MS);
  }
}

function hangUp(socket: number, text: string): void {
  try {
    if (text !== "") writeSync(socket, text);
  } catch {
    // Who gave it has gone.
  } finally {
    closeSync(socket);
  }
}

/** The next message of a unix socket, which has a descriptor with it; undefined: it has none, or there will be no more. */
export function receiveDescriptor(socket: number): Passed | "nothing yet" | undefined {
  const message = new Message(new Uint8Array(new ArrayBuffer(MESSAGE_MOST_BYTES)));
  const { header, control, bytes } = message;
  const length = Number(libc()?.recvmsg(socket, ptr(header.buffer), MSG_DONTWAIT_CMSG_CLOEXEC) ?? -1);
  if (length < 0) return "nothing yet";
  const isRights =
    length > 0 &&
    header.getBigUint64(40, true) >= BigInt(CONTROL_BYTES) &&
    control.getInt32(8, true) === SOL_SOCKET &&
    control.getInt32(12, true) === SCM_RIGHTS;
  if (!isRights) return undefined;
  const text = Buffer.from(bytes.subarray(0, length)).toString();
  return { descriptor: control.getInt32(16, true), message: text };
}

/** struct sockaddr_un: the family, then the path with its NUL, or, for `@name`, a NUL and the abstract name without one. */
export function unixAddress(socket: string): Uint8Array {
  const name = socket.startsWith("@") ? `\0${socket.slice(1)}` : `${socket}\0`;
  return own(Buffer.from([AF_UNIX, 0, ...Buffer.from(name)]));
}

/** The same bytes in memory that does not move. */
export function own(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new ArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
