// The data plane inside the program's own process, which leaves it to a worker when it has to go before its successor is there.
import { join } from "node:path";
import { messageOf } from "../../core/fault.ts";
import type { Route } from "../../core/route.ts";
import { listenForChannels } from "../../platform/net/channel.ts";
import { type AddressFlags, claimSocket, removeSocket } from "../../platform/net/unix-socket.ts";
import { type Clock, systemClock } from "../../platform/time/clock.ts";
import { type DataPlane, type Left, NOTHING_LEFT, type ProgramHooks } from "../data-plane.ts";
import { createInProcessPlane, type InProcessPlane } from "../front/in-process.ts";
import { OwnCounts } from "../own-counts.ts";
import type { TargetTraffic } from "../traffic-counters.ts";
import { createUpstream } from "../upstream/upstream.ts";
import { claimPort, claimPorts, findWorkers } from "./find-workers.ts";
import { type HeldSockets, holdSockets, listeningOn } from "./held-socket.ts";
import { countsOf, createMergedTraffic, type MergedTraffic, Reporter } from "./merged-traffic.ts";
import {
  createMultiProcessPlane,
  DRAIN_GRACE_MS,
  type FirstRoutes,
  type MultiProcessOptions,
} from "./multi-process.ts";
import { type FromWorker, PROTOCOL } from "./protocol.ts";
import { createRouteUpdates } from "./route-updates.ts";
import { createWorker } from "./worker.ts";
import type { WorkerLink } from "./worker-link.ts";
import { FINISH_MS, PUBLISH_MS } from "./worker-pool.ts";

export interface SingleProcessOptions extends Omit<MultiProcessOptions, "workers" | "held"> {
  /** Answers requests for the own hosts on connections that are still open here when this process has left its work to others. */
  readonly away: ProgramHooks["own"];
}

/** Listens, and lets those finish that served before. Throws a Fault when somebody else has the port. */
export async function createSingleProcessPlane(
  options: SingleProcessOptions,
  first: FirstRoutes,
): Promise<DataPlane> {
  const clock = options.clock ?? systemClock;
  const counted = new SharedCounts(clock);
  const found = await findWorkers({ ...options, clock, heard: counted.hear });
  const { host, https } = options;
  const claim = (port: number, flags: AddressFlags) => claimPort({ host, port }, found, clock, flags);
  try {
    const holding = { ...options, httpsPort: https?.port, clock, claim };
    const held = options.sharesSocket ? await holdSockets(holding) : undefined;
    if (held !== undefined) options.onHeld?.(held);
    using claimed = held === undefined ? await claimPorts(options, claim) : undefined;
    const where = held === undefined ? { reusePort: claimed?.isShared ?? false } : listeningOn(held, https);
    const state = { isLeft: false };
    const hooks = hooksWhile(() => !state.isLeft, options);
    const plane = createInProcessPlane({ ...options, ...where, hooks }, createUpstream({ clock }));
    const single = new SingleProcessPlane(options, plane, held, found, state, counted);
    await single.publish(first.routes, first.defaultRoute);
    single.begin();
    return single;
  } catch (thrown) {
    for (const link of found) link.release();
    throw thrown;
  }
}

/** What the program is asked; once it has given its work away it is asked nothing more. */
function hooksWhile(isServing: () => boolean, { hooks, away }: SingleProcessOptions): ProgramHooks {
  return {
    ...hooks,
    own: (request, info) => (isServing() ? hooks.own : away)(request, info),
    onTrouble(target, kind) {
      if (isServing()) hooks.onTrouble(target, kind);
    },
    onWanted: (wanted) =>
      isServing() ? hooks.onWanted(wanted) : Promise.reject(new Error("another server serves now")),
  };
}

/** What this process has counted, together with those that served before and finish beside it. */
class SharedCounts {
  readonly #own = new OwnCounts();
  readonly #merged: MergedTraffic;
  /** Undefined: nobody served before, so that the plane's own counters are all. */
  #here: Reporter | undefined;

  constructor(clock: Clock) {
    this.#merged = createMergedTraffic(clock);
  }

  join(plane: InProcessPlane): void {
    this.#here ??= new Reporter(plane.loads);
  }

  readonly hear = (link: WorkerLink, message: FromWorker): void => {
    if (message.kind !== "traffic") return;
    this.#merged.take(link, message.targets);
    for (const [name, count] of message.own) this.#own.add(name, count);
  };

  leave(link: WorkerLink): void {
    this.#merged.leave(link);
  }

  /** What another plane of this process, which is over, has counted. */
  inherit(other: DataPlane, plane: InProcessPlane): void {
    this.join(plane);
    this.#merged.take(other, other.traffic().map(countsOf));
    for (const [name, count] of other.takeOwn()) this.#own.add(name, count);
  }

  retain(routes: readonly Route[]): void {
    this.#merged.retain(new Set(routes.flatMap(({ targets }) => targets.map(({ id }) => id))));
  }

  traffic(plane: InProcessPlane): readonly TargetTraffic[] {
    return this.#tell() ? this.#merged.all() : plane.traffic();
  }

  busy(plane: InProcessPlane): readonly TargetTraffic[] {
    return this.#tell() ? this.#merged.busy() : plane.busy();
  }

  takeOwn(plane: InProcessPlane): ReadonlyMap<string, number> {
    if (this.#here === undefined) return plane.takeOwn();
    for (const [name, count] of plane.takeOwn()) this.#own.add(name, count);
    return this.#own.take();
  }

  /** This process is one of those that tell. */
  #tell(): boolean {
    if (this.#here !== undefined) this.#merged.take(this, this.#here.moved());
    return this.#here !== undefined;
  }
}

class SingleProcessPlane implements DataPlane {
  readonly url: URL;
  readonly httpsUrl: URL | undefined;
  readonly takeTrials;
  readonly takeShadows;
  readonly #options: SingleProcessOptions;
  readonly #plane: InProcessPlane;
  readonly #held: HeldSockets | undefined;
  /** Those that served before, as long as they have something in flight. */
  readonly #former: Set<WorkerLink>;
  readonly #book = createRouteUpdates();
  #last: FirstRoutes = { routes: [], defaultRoute: undefined };
  readonly #state: { isLeft: boolean };
  readonly #counts: SharedCounts;
  /** What had been counted when this process left its work to others, who tell of what came after that. */
  #counted: readonly TargetTraffic[] | undefined;
  #left: Promise<Left> | undefined;

  constructor(
    options: SingleProcessOptions,
    plane: InProcessPlane,
    held: HeldSockets | undefined,
    found: readonly WorkerLink[],
    state: { isLeft: boolean },
    counts: SharedCounts,
  ) {
    this.#state = state;
    this.#counts = counts;
    if (found.length > 0) counts.join(plane);
    this.#options = options;
    this.#plane = plane;
    this.#held = held;
    this.#former = new Set(found);
    this.url = plane.url;
    this.httpsUrl = plane.httpsUrl;
    this.takeTrials = plane.takeTrials;
    this.takeShadows = plane.takeShadows;
  }

  /** Those that served before finish, now that the first routes are in force here. */
  begin(): void {
    this.#held?.served();
    for (const link of this.#former) {
      void link.dismiss(FINISH_MS);
      void link.gone.then(() => {
        this.#former.delete(link);
        this.#counts.leave(link);
      });
    }
  }

  async publish(routes: readonly Route[], defaultRoute?: string): Promise<void> {
    this.#last = { routes, defaultRoute };
    const published = this.#plane.publish(routes, defaultRoute);
    this.#counts.retain(routes);
    const told = this.#speaking((link) => link.hello.build === this.#options.build);
    if (told.length === 0) return published;
    this.#book.take(routes, defaultRoute);
    const news = this.#book.whole();
    await Promise.all([published, ...told.map((link) => link.ask(news, PUBLISH_MS).catch(() => link.gone))]);
  }

  traffic(): readonly TargetTraffic[] {
    return this.#counted ?? this.#counts.traffic(this.#plane);
  }

  takeOwn(): ReadonlyMap<string, number> {
    return this.#counted === undefined ? this.#counts.takeOwn(this.#plane) : new Map();
  }

  busy(): readonly TargetTraffic[] {
    return this.#counts.busy(this.#plane);
  }

  async drain(target: string, deadlineMs: number) {
    const message = JSON.stringify({ kind: "drain", target, deadlineMs });
    const drained = this.#speaking(() => true).map((link) =>
      link.ask(message, deadlineMs + DRAIN_GRACE_MS).then(
        ({ left = 0 }) => left,
        () => 0,
      ),
    );
    const here = this.#plane.drain(target, deadlineMs);
    const counts = await Promise.all([here.then(({ left }) => left), ...drained]);
    return { left: counts.reduce((sum, left) => sum + left, 0) };
  }

  #speaking(isMeant: (link: WorkerLink) => boolean): WorkerLink[] {
    return [...this.#former].filter((link) => link.hello.protocol === PROTOCOL && isMeant(link));
  }

  async close(deadlineMs: number): Promise<void> {
    const end = (link: WorkerLink) => (deadlineMs > 0 ? link.dismiss(deadlineMs) : link.kill());
    await Promise.all([this.#plane.close(deadlineMs), ...[...this.#former].map(end)]);
    await this.#held?.[Symbol.asyncDispose]();
  }

  leave(deadlineMs: number): Promise<Left> {
    this.#left ??= this.#leave(deadlineMs);
    return this.#left;
  }

  async #leave(deadlineMs: number): Promise<Left> {
    for (const link of this.#former) link.release();
    if (this.#held === undefined || !(await this.#appoint(this.#held))) {
      await this.close(deadlineMs);
      return NOTHING_LEFT;
    }
    this.#state.isLeft = true;
    await this.#held.withdraw();
    const finished = this.#plane.close(deadlineMs);
    await this.#report(finished);
    void finished.then(() => this.#held?.[Symbol.asyncDispose]());
    return { finished };
  }

  /** A worker serves on with the routes of this moment, until the next start takes its place; whether that worked. */
  async #appoint(held: HeldSockets): Promise<boolean> {
    try {
      const successor = await createMultiProcessPlane({ ...this.#options, workers: 1, held }, this.#last);
      await successor.leave(0);
      this.#counts.inherit(successor, this.#plane);
      return true;
    } catch (thrown) {
      this.#options.say(
        `no worker could take over, so connections are refused until the next start: ${messageOf(thrown)}`,
      );
      return false;
    }
  }

  /** Tells the next server, as a worker that finishes would, what is in flight here: its drains wait for that too. */
  async #report(finished: Promise<void>): Promise<void> {
    const { directory, build, away } = this.#options;
    const clock = this.#options.clock ?? systemClock;
    const path = join(directory, `w_${crypto.randomUUID().slice(0, 8)}`);
    this.#counted = this.traffic();
    const worker = createWorker({ build, clock, away, left: { plane: this.#plane, finished } });
    const listening = await claimSocket(path, clock, (unix) => listenForChannels(unix, worker.meet));
    void worker.finished.then(() => {
      listening[Symbol.dispose]();
      removeSocket(path);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#left !== undefined) return;
    for (const link of this.#former) link.release();
    await this.#plane[Symbol.asyncDispose]();
    await this.#held?.[Symbol.asyncDispose]();
  }
}
