// The supervisor's end of one worker: its process, its channel, and what has been asked over it and not been answered.
import { type Channel, openChannel } from "../../platform/net/channel.ts";
import { removeSocket } from "../../platform/net/unix-socket.ts";
import type { ManagedProcess } from "../../platform/process/process.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import { OFFER_SUFFIXES } from "./held-socket.ts";
import { type Done, type FromWorker, type Hello, PROTOCOL, readFromWorker } from "./protocol.ts";

export interface WorkerLink {
  /** Who it is, and what it was opened with. */
  readonly hello: Hello;
  readonly process: ManagedProcess;
  /** The path of its socket. */
  readonly socket: string;
  /** It was there before this supervisor. */
  readonly isAdopted: boolean;
  /** Sends a message and forgets it; one of another protocol than ours hears only `close`. */
  tell(line: string): void;
  /**
   * Sends a message, JSON without its number. Rejects when the worker ends first, or has ended; one that has not obeyed in
   * time is killed.
   */
  ask(message: string, patienceMs: number): Promise<Done>;
  /** Lets it finish what is in flight, for at most that long. Resolves when it is gone. */
  dismiss(deadlineMs: number): Promise<void>;
  /** Resolves when it is no more, and nothing of it is left. */
  readonly gone: Promise<void>;
  /** Ends it at once. */
  kill(): Promise<void>;
  /** Leaves it to itself. */
  release(): void;
}

export interface LinkParts {
  readonly socket: string;
  readonly clock: Clock;
  readonly isAdopted: boolean;
  /** Its process, when that is surely ours; undefined ends the link. */
  identify(hello: Hello): ManagedProcess | undefined;
}

const HELLO_MS = 2_000;
/** After that long without a sign of life it hangs, and visitors hang with it. */
const SILENT_LOOKS = 5;
const LOOK_EVERY_MS = 1_000;
/** How long a worker that has finished may take to end. */
const LEAVING_MS = 5_000;
/** What has closed its channel is about to end by itself. */
const PARTING_MS = 1_000;
const STEP_MS = 10;
/** What has arrived while this process itself stood still is read before a worker is called late. */
const GRACE_MS = 100;

/** Connects to the worker that listens there. Rejects when there is none, when it is none of ours, or says nothing. */
export async function linkWorker(
  parts: LinkParts,
  heard: (link: WorkerLink, message: FromWorker) => void,
): Promise<WorkerLink> {
  const greeting = Promise.withResolvers<Hello>();
  let link: Link | undefined;
  const channel = await openChannel(parts.socket, () => ({
    heard(message) {
      // Of another protocol than ours the rest is not for us to read.
      if (link !== undefined && link.hello.protocol !== PROTOCOL) return;
      const read = readFromWorker(message);
      if (link !== undefined) link.hear(read, heard);
      else if (read.kind === "hello") greeting.resolve(read);
    },
    closed() {
      greeting.reject(new Error("it closed its socket"));
      link?.lost();
    },
  }));
  const cancel = parts.clock.after(HELLO_MS, () => greeting.reject(new Error("it does not say who it is")));
  try {
    const hello = await greeting.promise;
    const process = parts.identify(hello);
    if (process === undefined) throw new Error(`process ${hello.pid} is none of ours`);
    link = new Link(parts, hello, process, channel);
    return link;
  } catch (thrown) {
    channel.terminate();
    throw thrown;
  } finally {
    cancel();
  }
}

class Link implements WorkerLink {
  hello: Hello;
  readonly process: ManagedProcess;
  readonly socket: string;
  readonly isAdopted: boolean;
  readonly #clock: Clock;
  readonly #channel: Channel;
  readonly #asked = new Map<number, PromiseWithResolvers<Done>>();
  readonly #gone = Promise.withResolvers<void>();
  readonly #stopLooking: () => void;
  #seq = 0;
  #silentLooks = 0;
  #isLost = false;
  #isReleased = false;

  constructor(parts: LinkParts, hello: Hello, process: ManagedProcess, channel: Channel) {
    this.hello = hello;
    this.process = process;
    this.socket = parts.socket;
    this.isAdopted = parts.isAdopted;
    this.#clock = parts.clock;
    this.#channel = channel;
    this.#stopLooking = parts.clock.every(LOOK_EVERY_MS, () => this.#look());
  }

  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  hear(message: FromWorker, pass: (link: WorkerLink, message: FromWorker) => void): void {
    this.#silentLooks = 0;
    if (message.kind === "hello") this.hello = message;
    if (message.kind === "done") this.#asked.get(message.seq)?.resolve(message);
    else pass(this, message);
  }

  tell(line: string): void {
    this.#channel.send(line);
  }

  ask(message: string, patienceMs: number): Promise<Done> {
    if (this.#isLost) return Promise.reject(this.#end());
    const seq = ++this.#seq;
    const asked = Promise.withResolvers<Done>();
    this.#asked.set(seq, asked);
    let cancel = this.#clock.after(patienceMs, () => {
      cancel = this.#clock.after(GRACE_MS, () => void this.kill());
    });
    this.#channel.send(`{"seq":${seq},${message.slice(1)}`);
    return asked.promise.finally(() => {
      cancel();
      this.#asked.delete(seq);
    });
  }

  async dismiss(deadlineMs: number): Promise<void> {
    const message = JSON.stringify({ kind: "close", deadlineMs });
    await this.ask(message, deadlineMs + LEAVING_MS).catch(() => {});
    return this.gone;
  }

  /** Ticks, not times: while this process itself stands still nobody falls silent. One that was told nothing owes nothing. */
  #look(): void {
    if (this.#seq === 0) return;
    this.#silentLooks += 1;
    if (this.#silentLooks > SILENT_LOOKS && this.hello.protocol === PROTOCOL) void this.kill();
  }

  kill(): Promise<void> {
    if (this.#isReleased) return this.gone;
    this.process.signalGroup("SIGKILL");
    this.#channel.terminate();
    return this.gone;
  }

  #end(): Error {
    return new Error(`worker ${this.hello.pid} has ended`);
  }

  lost(): void {
    this.#isLost = true;
    this.#stopLooking();
    for (const { reject } of this.#asked.values()) reject(this.#end());
    if (this.#isReleased) this.#gone.resolve();
    else void this.#part();
  }

  async #part(): Promise<void> {
    for (let waited = 0; waited < PARTING_MS && this.process.alive(); waited += STEP_MS) {
      await sleep(this.#clock, STEP_MS);
    }
    await this.process.stop(0).catch(() => {});
    for (const suffix of ["", ...Object.values(OFFER_SUFFIXES)]) removeSocket(`${this.socket}${suffix}`);
    this.#gone.resolve();
  }

  release(): void {
    this.#isReleased = true;
    this.#channel.terminate();
  }
}
