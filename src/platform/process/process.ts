// Processes that outlive their supervisor: started in a session of their own, adopted later, signalled only when surely ours.
import { Fault } from "../../core/fault.ts";
import { type Clock, sleep } from "../time/clock.ts";
import { type Exit, exitOfStatus, witnessExit } from "./exit-status.ts";
import { bootId, type ProcessInfo, pids, readProcess, readProcesses, readVariable } from "./proc.ts";
import { isShortage } from "./spare-descriptors.ts";
import { type SpawnOptions, spawn } from "./spawn.ts";

/** The variable that marks every process of an instance, grandchildren included. */
export const NONCE_VARIABLE = "TEN_NONCE";

/** What names a process for ever: a pid alone may be anybody's by now. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
  readonly nonce: string;
}

/** One process with all that it started: its leader, and the session that the leader leads. */
export interface ManagedProcess extends ProcessIdentity {
  /** It is not our child: that it has ended is noticed a little later, and meanwhile its port may be somebody else's. */
  readonly isAdopted: boolean;
  /** Settles when the leader has ended, never rejects. Of an adopted process noticed within 150 ms. */
  readonly exited: Promise<Exit>;
  /** Whether the leader runs; a zombie does not. */
  alive(): boolean;
  /** Signals the leader's group, or what is left of its session. False when there is nothing of ours to signal. */
  signalGroup(signal: NodeJS.Signals): boolean;
  /**
   * SIGTERM to the group, SIGKILL to the whole session after `graceMs` (0: at once); then the same to what has left the
   * session. Resolves when nothing of it lives; rejects with a Fault when something is left 5 s after SIGKILL. May be
   * called again with less grace.
   */
  stop(graceMs: number): Promise<Exit>;
}

export interface Processes extends Disposable {
  /** Starts a process marked with the nonce; throws a Fault that says what was wrong. It lives on when we die. */
  start(options: SpawnOptions & { readonly nonce: string }): ManagedProcess;
  /** The process again after the supervisor was restarted; undefined when it is not certain that it is this very one. */
  adopt(identity: ProcessIdentity): ManagedProcess | undefined;
  /** What is left of a session whose leader has ended (`findByNonce`): it can only be stopped. */
  remains(session: number, nonce: string): ManagedProcess;
}

/** A live process that carries a nonce; `session` is the pid of the leader it belongs to. */
export interface Marked {
  readonly pid: number;
  readonly session: number;
  readonly startTime: string;
  readonly nonce: string;
}

const ADOPTED_POLL_MS = 150;
const STOP_POLL_MS = 25;
const KILL_PATIENCE_MS = 5000;
/** How long one look at all processes serves: many instances stop side by side, and a look costs milliseconds. */
const SCAN_MAX_AGE_MS = 20;

/** What was seen at or after a time of the monotonic clock. */
type Scan<T> = (sinceMs: number) => readonly T[];

interface Looks {
  readonly clock: Clock;
  readonly all: Scan<ProcessInfo>;
  readonly marked: Scan<Marked>;
}

/** Live processes whose nonce starts with `prefix`: leftovers, and children whose pid nobody had written down. Linux only. */
export function findByNonce(prefix: string): Marked[] {
  return pids().flatMap((pid) => {
    const nonce = pid === process.pid ? undefined : readVariable(pid, NONCE_VARIABLE);
    if (!nonce?.startsWith(prefix)) return [];
    const info = readProcess(pid);
    return info && !info.zombie ? [{ pid, session: info.session, startTime: info.startTime, nonce }] : [];
  });
}

/** The processes of one supervisor. Disposing stops watching adopted ones and ends none. */
export function createProcesses(clock: Clock): Processes {
  const boot = bootId();
  const looks: Looks = {
    clock,
    all: createScan(clock, readProcesses),
    marked: createScan(clock, () => findByNonce("")),
  };
  const adopted = new Set<ManagedProcess>();
  let stopPolling: (() => void) | undefined;

  function poll(): void {
    try {
      for (const session of adopted) if (!session.alive()) adopted.delete(session);
    } catch (thrown) {
      // What cannot be seen now is looked at again, and is not dead.
      if (!isShortage(thrown)) throw thrown;
    }
    if (adopted.size === 0) rest();
  }

  function rest(): void {
    stopPolling?.();
    stopPolling = undefined;
  }

  return {
    start(options) {
      const { nonce } = options;
      const child = spawn({ ...options, env: { ...options.env, [NONCE_VARIABLE]: nonce } });
      child.unref();
      // Even a child that has ended by now is still there as a zombie: only our event loop reaps it.
      const startTime = readProcess(child.pid)?.startTime ?? "";
      // A status that cannot be had, as somebody else has taken it, is an end all the same.
      const exited = child.exited.then(
        () => exitOf(child),
        (): Exit => ({ unknown: true }),
      );
      return new Session({ pid: child.pid, startTime, bootId: boot, nonce }, exited, looks);
    },
    adopt(identity) {
      if (identity.bootId !== boot || !isLeader(readProcess(identity.pid), identity)) return undefined;
      // The other marks name one process of this boot, so a nonce that was lost (a rewritten title) proves nothing
      // against it; a different one does.
      const nonce = readVariable(identity.pid, NONCE_VARIABLE);
      if (nonce !== undefined && nonce !== identity.nonce) return undefined;
      const { promise, resolve } = Promise.withResolvers<Exit>();
      const witness = witnessExit(identity.pid);
      const ended = () => {
        resolve(statusOf(identity) ?? witness?.exit() ?? { unknown: true });
        witness?.[Symbol.dispose]();
      };
      const session = new Session(identity, promise, looks, once(ended));
      adopted.add(session);
      stopPolling ??= clock.every(ADOPTED_POLL_MS, poll);
      return session;
    },
    remains(session, nonce) {
      const identity = { pid: session, startTime: "", bootId: boot, nonce };
      return new Session(identity, Promise.resolve({ unknown: true }), looks);
    },
    [Symbol.dispose]: rest,
  };
}

class Session implements ManagedProcess {
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
  readonly nonce: string;
  readonly isAdopted: boolean;
  readonly exited: Promise<Exit>;
  readonly #clock: Clock;
  readonly #looks: Looks;
  /** Set for adopted processes, whose end nobody tells us. */
  readonly #foundEnded: (() => void) | undefined;
  /** When the leader was first seen to be gone; looks at the session from before that do not count any more. */
  #endedAtMs = 0;
  /** Members seen since the leader ended: while one of them lives, the kernel gives the session's id to nobody else. */
  #survivors: readonly ProcessInfo[] = [];

  constructor(identity: ProcessIdentity, exited: Promise<Exit>, looks: Looks, foundEnded?: () => void) {
    this.pid = identity.pid;
    this.startTime = identity.startTime;
    this.bootId = identity.bootId;
    this.nonce = identity.nonce;
    this.#clock = looks.clock;
    this.#looks = looks;
    this.#foundEnded = foundEnded;
    this.isAdopted = foundEnded !== undefined;
    this.exited = exited.then((exit) => {
      this.#endedAtMs = this.#clock.monotonic();
      if (this.startTime !== "" && groupExists(this.pid)) this.#survivors = this.#session();
      return exit;
    });
  }

  alive(): boolean {
    const alive = isLeader(readProcess(this.pid), this);
    if (!alive) this.#foundEnded?.();
    return alive;
  }

  signalGroup(signal: NodeJS.Signals): boolean {
    return this.alive() ? kill(-this.pid, signal) : this.#signalSession(signal);
  }

  async stop(graceMs: number): Promise<Exit> {
    const killAt = this.#clock.monotonic() + graceMs;
    // SIGCONT, as a stopped process would see SIGTERM only once somebody continues it.
    if (graceMs > 0 && this.signalGroup("SIGTERM")) this.signalGroup("SIGCONT");
    for (let leads = this.alive(); leads || this.#members().length > 0; leads = this.alive()) {
      const now = this.#clock.monotonic();
      if (now > killAt + KILL_PATIENCE_MS) throw immortal(this.pid);
      if (now >= killAt) this.#signalSession("SIGKILL");
      const pause = sleep(this.#clock, now < killAt ? Math.min(STOP_POLL_MS, killAt - now) : STOP_POLL_MS);
      await (leads ? Promise.race([this.exited, pause]) : pause);
    }
    await this.#stopEscaped(killAt);
    return this.exited;
  }

  /** What has left the session, as daemons do, still carries our mark: each of them by itself, as its group may be anybody's. */
  async #stopEscaped(killAt: number): Promise<void> {
    for (let asked = false, left = this.#escaped(); left.length > 0; asked = true, left = this.#escaped()) {
      const now = this.#clock.monotonic();
      if (now > killAt + KILL_PATIENCE_MS) throw immortal(this.pid);
      const name = now >= killAt ? "SIGKILL" : "SIGTERM";
      const still = left.filter(({ pid, startTime }) => readProcess(pid)?.startTime === startTime);
      if (name === "SIGKILL" || !asked) for (const { pid } of still) kill(pid, name);
      await sleep(this.#clock, now < killAt ? Math.min(STOP_POLL_MS, killAt - now) : STOP_POLL_MS);
    }
  }

  #escaped(): readonly Marked[] {
    const marked = this.#looks.marked(this.#oldestLook());
    return marked.filter(({ nonce, session }) => nonce === this.nonce && session !== this.pid);
  }

  /** Every group of the session: a shell with job control puts its children into groups of their own. */
  #signalSession(signal: NodeJS.Signals): boolean {
    const groups = new Map(this.#members().map((member) => [member.group, member]));
    const still = [...groups.values()].filter((member) => {
      const now = readProcess(member.pid);
      return now?.startTime === member.startTime && now.session === this.pid && now.group === member.group;
    });
    return still.map((member) => kill(-member.group, signal)).includes(true);
  }

  /** Live processes of the session, or none when it is not proven that the session is still ours. */
  #members(): readonly ProcessInfo[] {
    const members = this.#session();
    if (!members.some((member) => this.#proves(member))) return [];
    this.#survivors = members;
    return members;
  }

  #session(): readonly ProcessInfo[] {
    const all = this.#looks.all(this.#oldestLook());
    return all.filter((info) => info.session === this.pid && !info.zombie);
  }

  #oldestLook(): number {
    return Math.max(this.#endedAtMs, this.#clock.monotonic() - SCAN_MAX_AGE_MS);
  }

  #proves(member: ProcessInfo): boolean {
    if (isLeader(member, this)) return true;
    if (readVariable(member.pid, NONCE_VARIABLE) === this.nonce) return true;
    return this.#survivors.some((one) => one.pid === member.pid && one.startTime === member.startTime);
  }
}

/** Of an adopted process that its parent has not asked about yet. */
function statusOf({ pid, startTime }: ProcessIdentity): Exit | undefined {
  const info = readProcess(pid);
  if (info?.exitStatus === undefined || info.startTime !== startTime) return undefined;
  return exitOfStatus(info.exitStatus);
}

function once(call: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) call();
    isDone = true;
  };
}

function isLeader(info: ProcessInfo | undefined, identity: ProcessIdentity): boolean {
  if (!info || info.zombie || info.startTime !== identity.startTime) return false;
  return info.pid === identity.pid && info.session === info.pid;
}

/** A process, or a group when negative. */
function kill(target: number, signal: NodeJS.Signals): boolean {
  // -1 would be every process there is, and 0 our own group.
  if (Math.abs(target) <= 1) return false;
  try {
    return process.kill(target, signal);
  } catch {
    return false;
  }
}

/** Whether the group has any member, zombies included: 1 µs, where a look at all processes takes milliseconds. */
function groupExists(group: number): boolean {
  try {
    return process.kill(-group, 0);
  } catch {
    return false;
  }
}

function exitOf(child: Bun.Subprocess): Exit {
  if (child.signalCode !== null) return { signal: String(child.signalCode) };
  return child.exitCode === null ? { unknown: true } : { code: child.exitCode };
}

function createScan<T>(clock: Clock, read: () => readonly T[]): Scan<T> {
  let seenAtMs = Number.NEGATIVE_INFINITY;
  let seen: readonly T[] = [];
  return (sinceMs) => {
    if (seenAtMs < sinceMs) {
      seenAtMs = clock.monotonic();
      seen = read();
    }
    return seen;
  };
}

function immortal(pid: number): Fault {
  const hint = `it may hang in the kernel (state D): see ps -o pid,stat,wchan -s ${pid}`;
  return new Fault("internal", `process ${pid} and what it started do not end after SIGKILL`, hint);
}
