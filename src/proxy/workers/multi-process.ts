// The data plane in worker processes beside the program: they are found or started, told the routes, and their counters added up.

import { join } from "node:path";
import type { Route } from "../../core/route.ts";
import type { AddressFlags } from "../../platform/net/unix-socket.ts";
import type { Processes } from "../../platform/process/process.ts";
import { atMost, type Clock, systemClock } from "../../platform/time/clock.ts";
import {
  type DataPlane,
  type DataPlaneOptions,
  type Left,
  NOTHING_LEFT,
  type Wanted,
} from "../data-plane.ts";
import { Notices } from "../front/notices.ts";
import { OwnCounts } from "../own-counts.ts";
import { ShadowCounters } from "../shadow-counters.ts";
import { TrialCounters } from "../trial-counters.ts";
import { claimPort, claimPorts, type FindWorkersOptions, findWorkers } from "./find-workers.ts";
import { type HeldSockets, holdSockets, type Inherited } from "./held-socket.ts";
import { createMergedTraffic } from "./merged-traffic.ts";
import { openOwnDoor } from "./own-door.ts";
import type { FromWorker, WorkerSettings } from "./protocol.ts";
import { createRouteUpdates } from "./route-updates.ts";
import { CertificateTelling } from "./tell-certificates.ts";
import type { WorkerLink } from "./worker-link.ts";
import { FINISH_MS, PUBLISH_MS, WorkerPool } from "./worker-pool.ts";

export interface MultiProcessOptions extends DataPlaneOptions {
  readonly workers: number;
  /** Our own name in `Via`: the same for every supervisor of a directory, as workers outlive one. */
  readonly viaName: string;
  /** Private to us: the sockets of workers lie in it, and one of the supervisor's own. */
  readonly directory: string;
  readonly processes: Processes;
  /** The words that start this program, and what tells its build from others. */
  readonly program: readonly string[];
  readonly build: string;
  /** Whether the workers share one listening socket, which outlives each of them; else each has one of its own. */
  readonly sharesSocket?: boolean;
  /** What came with the start of this process. */
  readonly inherited?: Inherited | undefined;
  /** Told of the sockets once they are held. */
  onHeld?(held: HeldSockets): void;
  /** Sockets that are held already, and go on being held. */
  readonly held?: HeldSockets | undefined;
  /** Told what went wrong with workers. */
  say(text: string): void;
}

export interface FirstRoutes {
  readonly routes: readonly Route[];
  readonly defaultRoute: string | undefined;
}

/** An answer to a drain may come that much after its deadline. */
export const DRAIN_GRACE_MS = 5_000;

/**
 * Takes over the workers that outlived the last supervisor of the directory, replaces those that are of another build or
 * were told other settings, and starts what is missing. Resolves when all of them serve the first routes. Throws a Fault when
 * somebody else has the port; then those that it started are ended, and those that it found serve on.
 */
export async function createMultiProcessPlane(
  options: MultiProcessOptions,
  first: FirstRoutes,
): Promise<DataPlane> {
  const plane = new MultiProcessPlane(options);
  await plane.open(first);
  return plane;
}

class MultiProcessPlane implements DataPlane {
  readonly #options: MultiProcessOptions;
  readonly #clock: Clock;
  /** Workers that see the same say it once. */
  readonly #notices: Notices;
  readonly #crew: FindWorkersOptions;
  readonly #book = createRouteUpdates();
  readonly #traffic;
  readonly #own = new OwnCounts();
  readonly #trials = new TrialCounters();
  readonly #shadows = new ShadowCounters();
  /** The routes with a trial. */
  #judged: ReadonlySet<string> = new Set();
  readonly #seats: WorkerPool;
  readonly #ownSocket: string;
  #door: AsyncDisposable | undefined;
  #held: HeldSockets | undefined;
  readonly #certificates: CertificateTelling | undefined;

  constructor(options: MultiProcessOptions) {
    const { build, workers, directory } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#notices = new Notices(this.#clock, (text, target) => options.hooks.onNotice?.(text, target));
    this.#ownSocket = join(directory, "own.sock");
    this.#crew = { ...options, clock: this.#clock, heard: (link, message) => this.#hear(link, message) };
    this.#traffic = createMergedTraffic(this.#clock);
    const { https } = options;
    this.#certificates = https && new CertificateTelling({ https, links: () => this.#seats.speaking() });
    this.#seats = new WorkerPool({
      settings: Array.from({ length: workers }, (_, index) => this.#settingsOf(index / workers)),
      crew: this.#crew,
      build,
      book: this.#book,
      held: () => this.#held ?? options.held,
      left: this.#traffic.leave,
      https: async (held, port) => this.#certificates?.beginning(held, port),
      certify: async (link) => this.#certificates?.tell([link]),
    });
  }

  get url(): URL {
    if (this.#seats.url === undefined) throw new Error("no worker listens yet");
    return this.#seats.url;
  }

  get httpsUrl(): URL | undefined {
    return this.#seats.httpsUrl;
  }

  async open({ routes, defaultRoute }: FirstRoutes): Promise<void> {
    this.#take(routes, defaultRoute);
    const found = await findWorkers(this.#crew);
    let claimed: Disposable | undefined;
    try {
      claimed = await this.#claim(found);
      this.#door = await openOwnDoor(this.#ownSocket, this.#clock, this.#options.hooks);
      await this.#seats.fillAll(found);
    } catch (thrown) {
      // While nobody else may try the port: what was started here and listens would be in his way.
      await this[Symbol.asyncDispose]();
      for (const link of found) link.release();
      throw thrown;
    } finally {
      claimed?.[Symbol.dispose]();
    }
  }

  /** The sockets that workers share, or, where they cannot, the ports for as long as it takes them all to listen. */
  async #claim(found: readonly WorkerLink[]): Promise<Disposable> {
    const { held, sharesSocket = false, https, host } = this.#options;
    const claim = (port: number, flags: AddressFlags) => claimPort({ host, port }, found, this.#clock, flags);
    if (held === undefined && sharesSocket)
      this.#held = await holdSockets({
        ...this.#options,
        httpsPort: https?.port,
        clock: this.#clock,
        claim,
      });
    if (this.#held !== undefined) this.#options.onHeld?.(this.#held);
    const isHeld = held !== undefined || this.#held !== undefined;
    return isHeld ? { [Symbol.dispose]() {} } : claimPorts(this.#options, claim);
  }

  #settingsOf(phase: number): WorkerSettings {
    const { host, port, domain, directHosts, adminHost, trustedProxies, fields, viaName } = this.#options;
    const { directFrom = [], limits = {}, selectorFrom = [], proxyProtocol = false } = this.#options;
    const { accessLog } = this.#options;
    const ownSocket = this.#ownSocket;
    return {
      ...(accessLog && { accessLog }),
      host,
      port,
      domain,
      directHosts,
      adminHost,
      proxyProtocol,
      https: this.#certificates?.settings,
      trustedProxies,
      directFrom,
      limits,
      selectorFrom,
      fields,
      viaName,
      phase,
      ownSocket,
    };
  }

  #hear(link: WorkerLink, message: FromWorker): void {
    const { hooks, say } = this.#options;
    switch (message.kind) {
      case "traffic":
        this.#traffic.take(link, message.targets);
        for (const [name, count] of message.own) this.#own.add(name, count);
        for (const [result, count] of message.handshakes) this.#options.https?.onHandshake(result, count);
        for (const counts of message.trials) if (this.#judged.has(counts.route)) this.#trials.add(counts);
        for (const counts of message.shadows) this.#shadows.add(counts);
        break;
      case "trouble":
        hooks.onTrouble(message.target, message.failure);
        break;
      case "wanted":
        void this.#grant(link, message.id, message.wanted);
        break;
      case "named":
        void this.#certificates?.look(link, message.id, message.name);
        break;
      case "defect":
        hooks.onDefect?.(new Error(message.message));
        break;
      case "warning":
        if (message.target !== undefined)
          this.#notices.tell(message.message, message.message, message.target);
        else say(`worker ${link.hello.pid}: ${message.message}`);
        break;
      case "hello":
        this.#seats.vacate(link, "was told to finish");
    }
  }

  async #grant(link: WorkerLink, wanted: number, what: Wanted): Promise<void> {
    const answer = (isGranted: boolean) => link.tell(JSON.stringify({ kind: "answered", wanted, isGranted }));
    try {
      await this.#options.hooks.onWanted(what);
      answer(true);
    } catch {
      answer(false);
    }
  }

  #take(routes: readonly Route[], defaultRoute: string | undefined): void {
    this.#book.take(routes, defaultRoute);
    this.#judged = new Set(routes.filter(({ trial }) => trial !== undefined).map(({ name }) => name));
    this.#trials.retain(this.#judged);
  }

  async publish(routes: readonly Route[], defaultRoute?: string): Promise<void> {
    this.#take(routes, defaultRoute);
    this.#traffic.retain(new Set(routes.flatMap(({ targets }) => targets.map(({ id }) => id))));
    const news = this.#book.news();
    // One that ends meanwhile, or is killed as it does not confirm, serves no old routes either.
    await Promise.all(
      this.#seats.speaking().map((link) => link.ask(news, PUBLISH_MS).catch(() => link.gone)),
    );
  }

  async drain(target: string, deadlineMs: number) {
    const message = JSON.stringify({ kind: "drain", target, deadlineMs });
    const drained = this.#seats.draining().map((link) =>
      link.ask(message, deadlineMs + DRAIN_GRACE_MS).then(
        ({ left = 0 }) => left,
        () => 0,
      ),
    );
    return { left: (await Promise.all(drained)).reduce((sum, left) => sum + left, 0) };
  }

  traffic() {
    return this.#traffic.all();
  }

  takeOwn() {
    return this.#own.take();
  }

  busy() {
    return this.#traffic.busy();
  }

  takeTrials() {
    return this.#trials.take();
  }

  takeShadows() {
    return this.#shadows.take();
  }

  async close(deadlineMs: number): Promise<void> {
    const end = (link: WorkerLink) => (deadlineMs > 0 ? link.dismiss(deadlineMs) : link.kill());
    await Promise.all([this.#seats.close(), ...[...this.#seats.links].map(end)]);
    await this.#end();
  }

  async leave(): Promise<Left> {
    await this.#seats.close();
    // What they have counted until now is told here, and what they count from now on to the next one.
    const hush = JSON.stringify({ kind: "hush" });
    const hushed = this.#seats.draining().map((link) => link.ask(hush, FINISH_MS).catch(() => {}));
    // Whoever hangs is the next one's to find.
    await atMost(this.#clock, PUBLISH_MS, Promise.all(hushed));
    for (const link of this.#seats.links) link.release();
    await this.#end();
    return NOTHING_LEFT;
  }

  async #end(): Promise<void> {
    this.#certificates?.[Symbol.dispose]();
    await this.#door?.[Symbol.asyncDispose]();
    await this.#held?.[Symbol.asyncDispose]();
  }

  /** Ends what was started here; workers that were found serve on alone: whoever gives up has not done their work. */
  async [Symbol.asyncDispose](): Promise<void> {
    const started = [...this.#seats.links].filter(({ isAdopted }) => !isAdopted);
    await Promise.all([this.#seats.close(), ...started.map((link) => link.kill())]);
    await this.leave();
  }
}
