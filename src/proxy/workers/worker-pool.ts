// The workers of one plane: each has a seat, a seat whose worker ends is filled again, and those without one are finishing.
import { backoff } from "../../core/backoff.ts";
import { messageOf } from "../../core/fault.ts";
import { sleep } from "../../platform/time/clock.ts";
import { type FindWorkersOptions, startWorker } from "./find-workers.ts";
import type { HeldSocket, HeldSockets } from "./held-socket.ts";
import { PROTOCOL, settingsKey, type WorkerSettings } from "./protocol.ts";
import type { Beginning, RouteUpdates } from "./route-updates.ts";
import type { WorkerLink } from "./worker-link.ts";

export interface WorkerPoolOptions {
  /** What the worker of each seat is told. */
  readonly settings: readonly WorkerSettings[];
  readonly crew: FindWorkersOptions;
  readonly build: string;
  readonly book: RouteUpdates;
  /** The sockets that all of them share; undefined where each has its own. */
  held(): HeldSockets | undefined;
  /** Where https is served, on a held socket or at a port, and the certificates of this moment; undefined where it is not. */
  https(held: HeldSocket | undefined, port: number): Promise<Beginning["https"]>;
  /** Tells a worker the certificates, whatever it has heard of them. */
  certify(link: WorkerLink): Promise<void>;
  /** A worker is gone. */
  left(link: WorkerLink): void;
}

/** The place of one worker among all; what fills it changes. */
interface Seat {
  readonly settings: WorkerSettings;
  worker: WorkerLink | undefined;
  /** Its next worker is on its way. */
  filling: Promise<void> | undefined;
  filledAtMs: number;
  failures: number;
}

/** A worker that has not confirmed new routes by then serves old ones: it is replaced. */
export const PUBLISH_MS = 2_000;
const OPEN_MS = 10_000;
/** What a worker without a seat has in flight may take so long. */
export const FINISH_MS = 30_000;
/** The successor of one that lived shorter comes later and later. */
const LIVED_MS = 10_000;
const BACKOFF_BASE_MS = 100;
const BACKOFF_MOST_MS = 10_000;

export class WorkerPool {
  /** All workers that live, those that are finishing too: they still have something in flight. */
  readonly links = new Set<WorkerLink>();
  /** Where they listen; undefined before the first one does. */
  url: URL | undefined;
  httpsUrl: URL | undefined;
  readonly #options: WorkerPoolOptions;
  readonly #seats: readonly Seat[];
  #isClosed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#seats = options.settings.map((settings) => ({
      settings,
      worker: undefined,
      filling: undefined,
      filledAtMs: 0,
      failures: 0,
    }));
  }

  /** Those that are of our build, and hear what is published. */
  speaking(): WorkerLink[] {
    return [...this.links].filter((link) => this.#isOurBuild(link));
  }

  /** Those too that finish for a successor of another build: what they have open counts. */
  draining(): WorkerLink[] {
    return [...this.links].filter(({ hello }) => hello.protocol === PROTOCOL);
  }

  /** Gives the workers that were found their seats back, fills those that are left, and lets others finish. */
  async fillAll(found: readonly WorkerLink[]): Promise<void> {
    for (const link of found) this.#admit(link);
    await Promise.all(found.map((link) => this.#adopt(link)));
    const [one, ...others] = this.#seats.filter(({ worker }) => worker === undefined);
    // The first decides the port when any will do.
    if (one !== undefined) await this.#fill(one);
    await Promise.all(others.map((seat) => this.#fill(seat)));
    for (const link of found) if (this.#seatOf(link) === undefined) void link.dismiss(FINISH_MS);
  }

  /** No seat is filled any more; resolves when nothing is left of what was to fill one. Those that have a link are others' to end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#seats.map(({ filling }) => filling));
  }

  /** The seat of a worker that has ended, or is about to, is filled again. */
  vacate(link: WorkerLink, why: string): void {
    const seat = this.#seatOf(link);
    if (seat === undefined || this.#isClosed) return;
    seat.worker = undefined;
    const hasLived = this.#nowMs() - seat.filledAtMs > LIVED_MS;
    seat.failures = hasLived ? 0 : seat.failures + 1;
    this.#options.crew.say(`worker ${link.hello.pid} ${why} and is replaced`);
    void this.#refill(seat);
  }

  #nowMs(): number {
    return this.#options.crew.clock.monotonic();
  }

  #isOurBuild({ hello }: WorkerLink): boolean {
    return hello.protocol === PROTOCOL && hello.build === this.#options.build;
  }

  #seatOf(link: WorkerLink): Seat | undefined {
    return this.#seats.find(({ worker }) => worker === link);
  }

  #admit(link: WorkerLink): void {
    this.links.add(link);
    void link.gone.then(() => {
      this.links.delete(link);
      this.#options.left(link);
      this.vacate(link, "has ended");
    });
  }

  /** Takes over a worker that was told what the worker of a free seat is told. */
  async #adopt(link: WorkerLink): Promise<void> {
    if (!this.#isOurBuild(link)) return;
    const { hello } = link;
    const isFor = ({ worker, settings }: Seat) =>
      worker === undefined && hello.settings === settingsKey(settings);
    const seat = hello.isClosing ? undefined : this.#seats.find(isFor);
    if (seat !== undefined) this.#seat(seat, link, hello.url, hello.httpsUrl);
    // Also one that is to finish. One that does not obey is killed for it, and its seat filled as any other.
    await link.ask(this.#options.book.whole(), PUBLISH_MS).catch(() => {});
    await this.#options.certify(link);
  }

  #seat(seat: Seat, link: WorkerLink, url: string | null, httpsUrl: string | undefined): void {
    seat.worker = link;
    seat.filledAtMs = this.#nowMs();
    if (url !== null) this.url ??= new URL(url);
    if (httpsUrl !== undefined) this.httpsUrl ??= new URL(httpsUrl);
  }

  #fill(seat: Seat): Promise<void> {
    seat.filling ??= this.#start(seat).finally(() => {
      seat.filling = undefined;
    });
    return seat.filling;
  }

  /** A new worker: it listens when it has the routes of this moment, and hears of all that come. */
  async #start(seat: Seat): Promise<void> {
    const { crew, book } = this.#options;
    const link = await startWorker(crew, () => !this.#isClosed);
    this.#admit(link);
    const held = this.#options.held();
    const { settings } = seat;
    const port = held?.http.socket.address.port ?? Number(this.url?.port || settings.port);
    const httpsPort = Number(this.httpsUrl?.port || (settings.https?.port ?? 0));
    const https = await this.#options.https(held?.https, httpsPort);
    const opening = book.opening({ settings, port, offer: held?.http.offeredAt, https });
    const { url = null, httpsUrl, error } = await link.ask(opening, OPEN_MS);
    if (error !== undefined || this.#isClosed) {
      await link.kill();
      throw new Error(error ?? "it is not wanted any more");
    }
    // They may have become others between the question and the answer.
    await this.#options.certify(link);
    this.#seat(seat, link, url, httpsUrl);
  }

  async #refill(seat: Seat): Promise<void> {
    const { crew } = this.#options;
    while (!this.#isClosed && seat.worker === undefined) {
      const backoffMs = backoff(BACKOFF_BASE_MS, BACKOFF_MOST_MS, seat.failures - 1);
      if (seat.failures > 1) await sleep(crew.clock, backoffMs);
      if (this.#isClosed) return;
      try {
        await this.#fill(seat);
      } catch (thrown) {
        seat.failures += 1;
        if (!this.#isClosed) crew.say(`a worker could not be replaced: ${messageOf(thrown)}`);
      }
    }
  }
}
