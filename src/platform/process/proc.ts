// What the kernel says about processes: the one file that reads /proc on Linux, or asks ps where there is none.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { isShortage, withSpareDescriptors } from "./spare-descriptors.ts";

/** One process at one moment. `startTime` is opaque: together with the pid and the boot id it names one process for ever. */
export interface ProcessInfo {
  readonly pid: number;
  /** A zombie has ended and only waits for its parent: it counts as dead. */
  readonly zombie: boolean;
  /** Stopped by a signal or a debugger: it does nothing until it is continued. */
  readonly suspended: boolean;
  readonly group: number;
  /** Session id; on systems without /proc it is not known and equals the group. */
  readonly session: number;
  readonly startTime: string;
  /** CPU time used so far, that of its ended and reaped children included. */
  readonly cpuMs: number;
  readonly rssBytes: number;
  readonly parent: number;
  /** Of a zombie, as wait(2) would give it to its parent; undefined where it is not shown to us. */
  readonly exitStatus?: number | undefined;
}

const LINUX = process.platform === "linux";
/** USER_HZ, the unit of times in /proc: 100 on every architecture that Bun runs on. */
const MS_PER_TICK = 10;
const AT_PAGESZ = 6n;
const PAGE_BYTES = pageBytes();

/** The process, or undefined when there is none (or it ended while we looked). */
export function readProcess(pid: number): ProcessInfo | undefined {
  if (!LINUX) return parsePs(ps("-p", String(pid)))[0];
  const stat = read(`/proc/${pid}/stat`);
  return stat === undefined ? undefined : parseStat(stat);
}

/** Whether this very process runs; 12 µs. */
export function isRunning({ pid, startTime }: Pick<ProcessInfo, "pid" | "startTime">): boolean {
  const info = readProcess(pid);
  return info !== undefined && !info.zombie && info.startTime === startTime;
}

/** Every process that this user may see; about 12 µs each. */
export function readProcesses(): ProcessInfo[] {
  if (!LINUX) return parsePs(ps("-A"));
  return pids().flatMap((pid) => readProcess(pid) ?? []);
}

/** Ids of every process that this user may see. */
export function pids(): number[] {
  if (!LINUX) return readProcesses().map((info) => info.pid);
  return withSpareDescriptors(() => readdirSync("/proc")).flatMap((name) =>
    /^[0-9]+$/.test(name) ? [Number(name)] : [],
  );
}

/**
 * A variable of the environment that the process was started with; undefined when it is not there or may not be read.
 * A process that rewrites its title, or replaces itself with a cleaned environment, loses it.
 */
export function readVariable(pid: number, name: string): string | undefined {
  if (!LINUX) return undefined;
  const environment = read(`/proc/${pid}/environ`);
  const entry = environment?.split("\0").find((text) => text.startsWith(`${name}=`));
  return entry?.slice(name.length + 1);
}

/** The command line that a process was started with, word by word; undefined when it has ended. */
export function readWords(pid: number): string[] | undefined {
  return read(`/proc/${pid}/cmdline`)?.split("\0").slice(0, -1);
}

/** What a process's descriptors point to, by descriptor; undefined when it has ended or may not be inspected. */
export function readDescriptors(pid: number): Map<string, string> | undefined {
  try {
    const directory = `/proc/${pid}/fd`;
    const entries = new Map<string, string>();
    for (const name of withSpareDescriptors(() => readdirSync(directory))) {
      const link = readDescriptor(pid, name);
      if (link !== undefined) entries.set(name, link);
    }
    return entries;
  } catch {
    return undefined;
  }
}

/** What one descriptor points to, `socket:[123]` for a socket. */
export function readDescriptor(pid: number, descriptor: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/${descriptor}`);
  } catch {
    return undefined;
  }
}

/** The first word of the process's name as the kernel has it, for messages. */
export function readCommandName(pid: number): string | undefined {
  if (LINUX) return read(`/proc/${pid}/comm`)?.trim();
  return ps("-o", "comm=", "-p", String(pid)).trim() || undefined;
}

/** Names this boot of this machine: a pid of another boot names nothing. */
export function bootId(): string {
  if (LINUX) return read("/proc/sys/kernel/random/boot_id")?.trim() ?? "unknown";
  return run("sysctl", "-n", "kern.boottime").match(/sec = (\d+)/)?.[1] ?? "unknown";
}

let ownStartTime: number | undefined;

/** By how many milliseconds a process of this boot is older than this one; undefined where `startTime` is not a number of ticks. */
export function olderByMs(startTime: string): number | undefined {
  ownStartTime ??= Number(LINUX ? readProcess(process.pid)?.startTime : undefined);
  const byMs = (ownStartTime - Number(startTime)) * MS_PER_TICK;
  return startTime === "" || Number.isNaN(byMs) ? undefined : byMs;
}

/** Takes /proc/<pid>/stat apart. The name in it may hold anything, `)` and newlines included: fields start after the last one. */
export function parseStat(stat: string): ProcessInfo | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const field = (number: number) => fields[number - 3] ?? "";
  const startTime = field(22);
  if (startTime === "") return undefined;
  const zombie = "ZXx".includes(field(3));
  return {
    pid: Number.parseInt(stat, 10),
    zombie,
    suspended: "Tt".includes(field(3)),
    parent: Number(field(4)),
    group: Number(field(5)),
    session: Number(field(6)),
    startTime,
    cpuMs: [14, 15, 16, 17].reduce((sum, number) => sum + Number(field(number)), 0) * MS_PER_TICK,
    rssBytes: Number(field(24)) * PAGE_BYTES,
    ...(zombie && field(52) !== "" && { exitStatus: Number(field(52)) }),
  };
}

const PS_COLUMNS = "pid=,ppid=,pgid=,stat=,rss=,time=,lstart=";

/** Takes the lines of `ps -o pid=,ppid=,pgid=,stat=,rss=,time=,lstart=` apart. */
export function parsePs(text: string): ProcessInfo[] {
  return text.split("\n").flatMap((line) => {
    const [pid, parent, group, stat, rss, time, ...start] = line.trim().split(/\s+/);
    if (!pid || !parent || !group || !stat || start.length === 0) return [];
    return {
      pid: Number(pid),
      zombie: stat.startsWith("Z"),
      suspended: stat.startsWith("T"),
      parent: Number(parent),
      group: Number(group),
      session: Number(group),
      startTime: start.join(" "),
      cpuMs: secondsOf(time ?? "") * 1000,
      rssBytes: Number(rss) * 1024,
    };
  });
}

/** `[days-]hours:minutes:seconds`, with fewer parts for less. */
function secondsOf(time: string): number {
  const [clock = "", days = "0"] = time.split("-").reverse();
  return Number(days) * 86_400 + clock.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}

function ps(...words: string[]): string {
  return run("ps", ...(words.includes("-o") ? [] : ["-o", PS_COLUMNS]), ...words);
}

function run(...argv: string[]): string {
  try {
    const result = Bun.spawnSync(argv, {
      stdin: "ignore",
      stderr: "ignore",
      timeout: 2000,
      env: { LC_ALL: "C" },
    });
    return result.stdout.toString();
  } catch {
    return "";
  }
}

/** Throws when there is no descriptor to read with: that says nothing about the process. */
function read(path: string): string | undefined {
  try {
    return withSpareDescriptors(() => readFileSync(path, "utf8"));
  } catch (thrown) {
    if (isShortage(thrown)) throw thrown;
    return undefined;
  }
}

/** From the auxiliary vector, since arm64 kernels come with pages of 4, 16 or 64 KB. */
function pageBytes(): number {
  try {
    const vector = new BigUint64Array(new Uint8Array(readFileSync("/proc/self/auxv")).buffer);
    for (let at = 0; at + 1 < vector.length; at += 2)
      if (vector[at] === AT_PAGESZ) return Number(vector[at + 1]);
  } catch {
    // Not Linux, or no /proc: the usual size.
  }
  return 4096;
}
