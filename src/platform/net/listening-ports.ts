// Who listens where: which process answers on a port of this machine, so that a stranger is never taken for an instance.
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import {
  pids,
  readCommandName,
  readDescriptor,
  readDescriptors,
  readProcess,
  readProcesses,
  readVariable,
} from "../process/proc.ts";
import { findByNonce, NONCE_VARIABLE } from "../process/process.ts";
import { withSpareDescriptors } from "../process/spare-descriptors.ts";
import type { Clock } from "../time/clock.ts";

/** An address that a process accepts connections on. */
export interface Listener {
  readonly address: string;
  readonly port: number;
}

/** The leader of a session, and the mark of all that it started: what has left the session (`setsid`, `su`) carries that. */
export interface Owner {
  readonly pid: number;
  readonly nonce: string;
}

/** All answers are undefined where they cannot be known: no Linux, no /proc, or processes of another user. */
export interface ListeningPorts {
  /** Where the processes of an owner listen. */
  listeningPorts(owner: Owner): readonly Listener[] | undefined;
  /**
   * Whether a connection to the loopback address and port is accepted by a process of the owner and by no other. Asked again
   * it costs a look at one process and one descriptor, 10 µs.
   */
  ownsListener(owner: Owner, port: number, address?: string): boolean | undefined;
}

interface Row extends Listener {
  readonly inode: string;
  /** The address as the kernel has it. */
  readonly hex: string;
}

const LISTEN = "0A";
/** The table of sockets costs 1 to 2 ms to read, as the kernel walks all its buckets. */
const TABLE_MAX_AGE_MS = 1000;
const CHUNK_BYTES = 64 * 1024;
/** Larger than any number of listeners that makes sense, so that a strange table cannot hold us up. */
const TABLE_MAX_BYTES = 4 * 1024 * 1024;

export function createListeningPorts(clock: Clock): ListeningPorts {
  /** Where a listening socket was found before; a socket's inode is its own as long as somebody holds it. */
  const known = new Map<string, { readonly pid: number; readonly descriptor: string }>();
  let seenAtMs = Number.NEGATIVE_INFINITY;
  let seen: readonly Row[] | undefined;

  function rowsFrom(sinceMs: number): readonly Row[] | undefined {
    if (seenAtMs < sinceMs) {
      seenAtMs = clock.monotonic();
      seen = readRows();
      const inodes = new Set(seen?.map((row) => row.inode));
      for (const inode of known.keys()) if (!inodes.has(inode)) known.delete(inode);
    }
    return seen;
  }

  function stillHolds({ pid, nonce }: Owner, inode: string): boolean {
    const found = known.get(inode);
    if (!found || readDescriptor(found.pid, found.descriptor) !== socketLink(inode)) return false;
    return readProcess(found.pid)?.session === pid || readVariable(found.pid, NONCE_VARIABLE) === nonce;
  }

  function holds(owner: Owner, inode: string): boolean | undefined {
    if (stillHolds(owner, inode)) return true;
    let hidden = false;
    for (const pid of processesOf(owner)) {
      const descriptors = readDescriptors(pid);
      if (!descriptors && isHidden(pid)) hidden = true;
      for (const [descriptor, link] of descriptors ?? []) {
        if (link !== socketLink(inode)) continue;
        known.set(inode, { pid, descriptor });
        return true;
      }
    }
    return hidden ? undefined : false;
  }

  return {
    listeningPorts(owner) {
      const rows = rowsFrom(Number.POSITIVE_INFINITY);
      if (!rows) return undefined;
      const sockets = new Map<string, Row>(rows.map((row) => [socketLink(row.inode), row]));
      const found = new Set<Row>();
      for (const pid of processesOf(owner)) {
        const descriptors = readDescriptors(pid);
        if (!descriptors && isHidden(pid)) return undefined;
        for (const link of descriptors?.values() ?? []) {
          const row = sockets.get(link);
          if (row) found.add(row);
        }
      }
      return [...found].map(({ address, port }) => ({ address, port })).sort((a, b) => a.port - b.port);
    },
    ownsListener(owner, port, address = "127.0.0.1") {
      // While our socket listens the kernel gives the port to nobody else, so a yes may come from an older table: a hundred
      // instances that are adopted together are found in one.
      const recent = acceptors(rowsFrom(clock.monotonic() - TABLE_MAX_AGE_MS) ?? [], port, address);
      if (recent.length > 0 && recent.every((row) => holds(owner, row.inode) === true)) return true;
      const rows = rowsFrom(Number.POSITIVE_INFINITY);
      if (!rows) return undefined;
      const answers = acceptors(rows, port, address).map((row) => holds(owner, row.inode));
      if (answers.length === 0 || answers.includes(false)) return false;
      return answers.includes(undefined) ? undefined : true;
    },
  };
}

/** Whether a process runs whose descriptors we may not read: another user's. One that ends has no memory any more, and is root's meanwhile. */
function isHidden(pid: number): boolean {
  const process = readProcess(pid);
  return process !== undefined && !process.zombie && process.rssBytes > 0;
}

/** Who listens on a port that we could not bind, for messages: looks at every process, so it is not for hot paths. */
export function portHolder(port: number): { readonly pid: number; readonly name: string } | undefined {
  const inodes = new Set(
    (readRows() ?? []).flatMap((row) => (row.port === port ? socketLink(row.inode) : [])),
  );
  if (inodes.size === 0) return undefined;
  for (const pid of pids()) {
    const links = [...(readDescriptors(pid)?.values() ?? [])];
    if (links.some((link) => inodes.has(link))) return { pid, name: readCommandName(pid) ?? "?" };
  }
  return undefined;
}

/** Whether a connection, not a listener, has the port at this end. */
export function isConnected(port: number): boolean {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return ["/proc/net/tcp", "/proc/net/tcp6"].some((path) => {
    try {
      const lines = readFileSync(path, "latin1").split("\n");
      return lines.some((line) => line.trim().split(/\s+/)[1]?.endsWith(local) && stateOf(line) !== LISTEN);
    } catch {
      return false;
    }
  });
}

/**
 * The listeners that the kernel chooses from for a connection to this address: a specific one wins over the wildcard, and
 * IPv4 over an IPv6 socket that takes IPv4 as well. More than one share it by SO_REUSEPORT.
 */
function acceptors(rows: readonly Row[], port: number, address: string): readonly Row[] {
  const here = rows.filter((row) => row.port === port);
  const preferred = here.length === 0 ? [] : preferenceOf(address);
  const best = preferred.find((hex) => here.some((row) => row.hex === hex));
  return here.filter((row) => row.hex === best);
}

const ANY = "00000000";
const ANY_V6 = ANY.repeat(4);
/** ::ffff:0.0.0.0/96, as the kernel writes the three words. */
const MAPPED = `${ANY}${ANY}FFFF0000`;

/** What accepts a connection to an address, as the kernel writes it, the first first. */
function preferenceOf(address: string): readonly string[] {
  if (address === "::1") return [`${ANY}${ANY}${ANY}01000000`, ANY_V6];
  const own = Buffer.from(address.split(".").map(Number).reverse()).toString("hex").toUpperCase();
  return [own, `${MAPPED}${own}`, ANY, ANY_V6];
}

/**
 * The leader first: it nearly always is the one that listens, and finding it needs no look at all processes; what has left
 * the session last, as it takes the environment of each.
 */
function* processesOf({ pid: session, nonce }: Owner): Generator<number> {
  yield session;
  for (const info of readProcesses()) if (info.session === session && info.pid !== session) yield info.pid;
  for (const marked of findByNonce(nonce))
    if (marked.nonce === nonce && marked.session !== session) yield marked.pid;
}

function socketLink(inode: string): string {
  return `socket:[${inode}]`;
}

function readRows(): Row[] | undefined {
  const v4 = readListening("/proc/net/tcp");
  if (v4 === undefined) return undefined;
  return [...v4, ...(readListening("/proc/net/tcp6") ?? [])].flatMap((line) => parseRow(line) ?? []);
}

/**
 * The lines of listening sockets. The kernel lists them before all others, so reading stops at the first other one:
 * a machine with 20,000 connections costs no more than an idle one.
 */
function readListening(path: string): string[] | undefined {
  let descriptor: number;
  try {
    descriptor = withSpareDescriptors(() => openSync(path, "r"));
  } catch {
    return undefined;
  }
  try {
    const chunk = new Uint8Array(CHUNK_BYTES);
    const lines: string[] = [];
    let rest = "";
    for (let total = 0; total < TABLE_MAX_BYTES; ) {
      const length = readSync(descriptor, chunk);
      if (length === 0) return lines;
      total += length;
      const parts = (rest + Buffer.from(chunk.buffer, 0, length).toString("latin1")).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) {
        if (stateOf(line) === LISTEN) lines.push(line);
        else if (!line.startsWith("  sl")) return lines;
      }
    }
    return lines;
  } catch {
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** `  0: 0100007F:07E8 00000000:0000 0A ...`: the state is the fourth word. */
function stateOf(line: string): string | undefined {
  return line.trimStart().split(/\s+/, 4)[3];
}

function parseRow(line: string): Row | undefined {
  const words = line.trim().split(/\s+/);
  const [hex = "", port = ""] = (words[1] ?? "").split(":");
  const inode = words[9];
  if (!inode || hex === "") return undefined;
  return { address: addressOf(hex), port: Number.parseInt(port, 16), inode, hex };
}

/** Words of four bytes, each in the byte order of the machine: little-endian wherever Bun runs. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, "hex");
  for (let at = 0; at < bytes.length; at += 4) bytes.subarray(at, at + 4).reverse();
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname;
}
