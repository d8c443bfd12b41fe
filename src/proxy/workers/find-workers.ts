// Where workers come from: those that outlived the last supervisor are found by their sockets, others are started.
import { readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../core/fault.ts";
import type { Address } from "../../core/route.ts";
import { WORKER_WORD } from "../../platform/executable.ts";
import { type AddressFlags, portTurn, probePort, removeSocket } from "../../platform/net/unix-socket.ts";
import { bootId, readProcess } from "../../platform/process/proc.ts";
import { findByNonce, type ManagedProcess, type Processes } from "../../platform/process/process.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import { PORT_FLAGS } from "./held-socket.ts";
import type { FromWorker, Hello } from "./protocol.ts";
import { linkWorker, type WorkerLink } from "./worker-link.ts";

export interface FindWorkersOptions {
  /** Private to us: sockets lie in it. */
  readonly directory: string;
  readonly processes: Processes;
  readonly clock: Clock;
  /** The words that start this program. */
  readonly program: readonly string[];
  /** Told of what was found and could not be used. */
  say(text: string): void;
  heard(link: WorkerLink, message: FromWorker): void;
}

/** `w_` and a random word: short, as the path of a socket must not be long. */
const SOCKET = /^w_([0-9a-f]{8})$/;
const START_MS = 10_000;
const STEP_MS = 5;
/** What they write themselves is what they die of: the last of it is enough. */
const LOG_MOST_BYTES = 1024 * 1024;

/** In the environment of a worker's process: proves that it is the one whose socket has that name. */
const nonceOf = (word: string) => `worker.${word}`;

/** Links every worker that lives, and removes what dead ones left. Those that hang are ended. */
export async function findWorkers(options: FindWorkersOptions): Promise<WorkerLink[]> {
  const words = readdirSync(options.directory).flatMap((name) => SOCKET.exec(name)?.[1] ?? []);
  const links = await Promise.all(words.map((word) => findWorker(options, word)));
  return links.filter((link) => link !== undefined);
}

async function findWorker(options: FindWorkersOptions, word: string): Promise<WorkerLink | undefined> {
  const { clock, processes } = options;
  const socket = join(options.directory, `w_${word}`);
  const nonce = nonceOf(word);
  const identify = (hello: Hello) => {
    const { pid, startTime, isClosing } = hello;
    const adopted = processes.adopt({ pid, startTime, bootId: bootId(), nonce });
    return adopted ?? (isClosing ? formerServer(hello) : undefined);
  };
  try {
    return await linkWorker({ socket, clock, isAdopted: true, identify }, options.heard);
  } catch (thrown) {
    const [hanging] = findByNonce(nonce);
    if (hanging !== undefined) {
      options.say(`worker ${hanging.pid} of an earlier server is ended: ${messageOf(thrown)}`);
      await processes.remains(hanging.session, nonce).stop(0);
    }
    removeSocket(socket);
    return undefined;
  }
}

export interface PortClaim extends Disposable {
  /** Workers listen there, each on a socket of its own, until others do in their place. */
  readonly isShared: boolean;
}

/** A server that finishes what it has in flight: no child of anybody's for us to end, it does so by itself. */
function formerServer({ pid, startTime }: Hello): ManagedProcess | undefined {
  const alive = () => {
    const found = readProcess(pid);
    return found !== undefined && !found.zombie && found.startTime === startTime;
  };
  if (!alive()) return undefined;
  const unknown = { unknown: true } as const;
  return {
    pid,
    startTime,
    bootId: bootId(),
    nonce: "",
    isAdopted: true,
    exited: new Promise(() => {}),
    alive,
    signalGroup: () => false,
    stop: async () => unknown,
  };
}

/**
 * Makes sure that nobody but these listens there; they may, until others do in their place. Another start of this kind
 * has to wait until the claim is disposed: then somebody listens. Throws a Fault.
 */
export async function claimPort(
  { host, port }: Address,
  found: readonly WorkerLink[],
  clock: Clock,
  flags?: AddressFlags,
): Promise<PortClaim> {
  const claim = await portTurn(port, clock);
  try {
    const isShared = found.some(
      ({ hello: { url, httpsUrl } }) => portOf(url) === port || portOf(httpsUrl ?? null) === port,
    );
    if (!isShared) probePort(host, port, flags);
    return Object.assign(claim, { isShared });
  } catch (thrown) {
    claim[Symbol.dispose]();
    throw thrown;
  }
}

/** The same for http, and for https where that is served: `isShared` when one of them is. */
export async function claimPorts(
  { port, https }: { readonly port: number; readonly https?: { readonly port: number } | undefined },
  claim: (port: number, flags: AddressFlags) => Promise<PortClaim>,
): Promise<PortClaim> {
  using claims = new DisposableStack();
  const http = claims.use(await claim(port, PORT_FLAGS.http));
  const secure = https && claims.use(await claim(https.port, PORT_FLAGS.https));
  const owned = claims.move();
  return Object.assign(owned, { isShared: http.isShared || secure?.isShared === true });
}

function portOf(url: string | null): number | undefined {
  if (url === null) return undefined;
  const { port, protocol } = new URL(url);
  if (port !== "") return Number(port);
  return protocol === "https:" ? 443 : 80;
}

/** Starts one, which waits to be told what to do. Rejects when it does not get that far, or is not wanted any more. */
export async function startWorker(options: FindWorkersOptions, isWanted: () => boolean): Promise<WorkerLink> {
  const { clock, directory, processes, program } = options;
  const word = crypto.randomUUID().slice(0, 8);
  const socket = join(directory, `w_${word}`);
  const log = join(directory, "workers.log");
  keepShort(log);
  const process = processes.start({
    argv: [...program, WORKER_WORD, socket],
    env: {},
    cwd: directory,
    stdoutPath: log,
    stderrPath: log,
    nonce: nonceOf(word),
  });
  try {
    const deadline = clock.monotonic() + START_MS;
    return await untilLinked(options, socket, process, () => isWanted() && clock.monotonic() < deadline);
  } catch (thrown) {
    await process.stop(0);
    removeSocket(socket);
    throw new Error(`a proxy worker did not start: ${messageOf(thrown)}; see ${log}`);
  }
}

async function untilLinked(
  { clock, heard }: FindWorkersOptions,
  socket: string,
  process: ManagedProcess,
  isAwaited: () => boolean,
): Promise<WorkerLink> {
  const identify = () => (isAwaited() ? process : undefined);
  for (;;) {
    try {
      return await linkWorker({ socket, clock, isAdopted: false, identify }, heard);
    } catch (thrown) {
      if (!isAwaited() || !process.alive()) throw thrown;
      await sleep(clock, STEP_MS);
    }
  }
}

function keepShort(path: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_MOST_BYTES) truncateSync(path);
}
