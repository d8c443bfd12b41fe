// The starts of one deploy: all of them get healthy, or none is left.
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { DEPLOY_FAILED } from "../../core/probable-cause.ts";
import type { Release } from "../config/release.ts";
import type { InstanceRow } from "../registry/registry.ts";
import type { Instance } from "../supervisor/instance.ts";
import type { Context } from "./context.ts";
import { type Diagnosis, type DiagnosisOf, failedDeploy, NOT_STARTED } from "./diagnosis.ts";
import type { Lifecycle } from "./lifecycle.ts";

export interface BringUpParts {
  readonly context: Context;
  readonly lifecycle: Lifecycle;
  readonly diagnosisOf: DiagnosisOf;
}

/** What a deploy starts. */
export interface Wanted {
  readonly service: string;
  /** What the deploy is called by: an id, or the version of several. */
  readonly id: string;
  readonly ids: readonly string[];
  readonly version: string;
  readonly release: Release;
  readonly timeoutMs: number;
  /** Starts afresh what runs already. */
  readonly replace: boolean;
  /** Whether instances may run twice meanwhile. */
  readonly overlap: boolean;
}

type Progress = (step: "starting" | "waiting", message: string) => void;

export class BringUp {
  readonly #parts: BringUpParts;
  readonly #wanted: Wanted;
  readonly #progress: Progress;
  readonly #signal: AbortSignal;
  /** New ones: a failure withdraws them. */
  readonly #fresh: Instance[] = [];
  /** Those that run, and go on when their successors do not get healthy. */
  readonly #replaced: Instance[] = [];
  readonly #allHealthy = Promise.withResolvers<void>();
  /** Ends the waiting of all when one has failed. */
  readonly #ended = new AbortController();
  #notYetHealthy = 0;
  #failed: { readonly instance: Instance; readonly diagnosis: Promise<Diagnosis> } | undefined;

  constructor(parts: BringUpParts, wanted: Wanted, progress: Progress, signal: AbortSignal) {
    this.#parts = parts;
    this.#wanted = wanted;
    this.#progress = progress;
    this.#signal = signal;
    this.#allHealthy.promise.catch(() => {});
  }

  /** Starts those that do not run healthy already, and answers how many. A failure leaves nothing of the deploy running. */
  async run(): Promise<number> {
    const { service, ids, timeoutMs } = this.#wanted;
    const missing = ids.filter((id) => this.#isMissing(id));
    if (missing.length === 0) return 0;
    this.#progress("starting", `starting ${missing.map((id) => instanceName(service, id)).join(", ")}`);
    this.#notYetHealthy = missing.length;
    try {
      for (const id of missing) await this.#enrol(id);
      const starts = [
        ...this.#fresh.map((instance) => this.#start(instance)),
        ...this.#replaced.map((instance) => this.#replace(instance)),
      ];
      this.#progress("waiting", `waiting until it is healthy (at most ${timeoutMs / 1000} s)`);
      await this.#all(starts);
      this.#signal.throwIfAborted();
      this.#requireStillHealthy();
      return missing.length;
    } catch (thrown) {
      throw await this.#giveUp(thrown);
    }
  }

  /** Stops what was new again: it never gets weight. What ran before goes on. */
  async withdraw(): Promise<void> {
    const { registry, supervisor } = this.#parts.context;
    await Promise.all(
      this.#fresh.map(async ({ service, id }) => {
        const row = registry.find(service, id);
        if (!row) return;
        const stopped = { desired: "stopped", deploying: false, weight: 0 } as const;
        await registry.write((writer) => writer.update(row, stopped));
        await supervisor.halt(row, DEPLOY_FAILED);
      }),
    );
  }

  #isMissing(id: string): boolean {
    const { service, replace } = this.#wanted;
    const row = this.#parts.context.registry.find(service, id);
    return replace || row?.desired !== "running" || row.state !== "healthy";
  }

  /** The row of an instance, committed before its process exists: wanted, without traffic, its deploy undecided. */
  async #enrol(id: string): Promise<void> {
    const { service, version, release, overlap } = this.#wanted;
    const { context, lifecycle } = this.#parts;
    const { registry, supervisor, clock } = context;
    const existing = registry.find(service, id);
    if (existing && overlap && canBeReplaced(existing)) {
      this.#replaced.push(supervisor.of(existing));
      return;
    }
    if (existing) {
      await supervisor.halt(existing, "replaced by a deploy");
      const weight = existing.desired === "running" ? existing.weight : 0;
      const fresh = { desired: "running", deploying: true, restarts: 0, lastExit: null } as const;
      await registry.write((writer) =>
        writer.update(existing, { ...fresh, version, release, weight, createdAt: clock.now() }),
      );
    } else {
      const enrolment = { service, id, version, release, deploying: true, origin: "deploy" } as const;
      await registry.write((writer) => lifecycle.enrol(writer, enrolment));
    }
    this.#fresh.push(supervisor.of(registry.get(service, id)));
  }

  async #start(instance: Instance): Promise<void> {
    const { version, timeoutMs } = this.#wanted;
    const diagnose = this.#parts.diagnosisOf(instance);
    let isBorn = false;
    try {
      await instance.start(`deploy of ${version}`);
      isBorn = true;
      const patience = { timeoutMs, signal: this.#waiting() };
      await this.#parts.context.supervisor.untilHealthy(instance.row, patience);
      this.#oneIsHealthy();
    } catch (thrown) {
      this.#failed ??= { instance, diagnosis: isBorn ? diagnose() : Promise.resolve(NOT_STARTED) };
      throw thrown;
    }
  }

  /** Its successor takes over when all of the deploy are healthy. */
  async #replace(instance: Instance): Promise<void> {
    const { version, release, timeoutMs } = this.#wanted;
    const { registry, supervisor, clock } = this.#parts.context;
    const createdAt = clock.now();
    const diagnose = this.#parts.diagnosisOf(instance);
    let diagnosis: Promise<Diagnosis> | undefined;
    try {
      await supervisor.restart(instance.row, `deploy of ${version}`, {
        build: { version, release },
        stopFirst: false,
        timeoutMs,
        signal: this.#waiting(),
        ready: () => {
          this.#oneIsHealthy();
          return this.#allHealthy.promise;
        },
        onFailure: () => {
          diagnosis = diagnose();
          return diagnosis;
        },
      });
      registry.observe(instance.row, { createdAt });
    } catch (thrown) {
      this.#failed ??= { instance, diagnosis: diagnosis ?? Promise.resolve(NOT_STARTED) };
      throw thrown;
    }
  }

  #waiting(): AbortSignal {
    return AbortSignal.any([this.#signal, this.#ended.signal]);
  }

  #oneIsHealthy(): void {
    this.#notYetHealthy -= 1;
    const all = this.#fresh.length + this.#replaced.length;
    if (all > 1) this.#progress("waiting", `${all - this.#notYetHealthy} of ${all} healthy`);
    if (this.#notYetHealthy === 0) this.#allHealthy.resolve();
  }

  /** The first that fails ends all of them. */
  async #all(starts: readonly Promise<void>[]): Promise<void> {
    try {
      await Promise.all(starts);
    } catch (thrown) {
      this.#allHealthy.reject(thrown);
      this.#ended.abort(thrown);
      await Promise.allSettled(starts);
      throw thrown;
    }
  }

  /** The first to get healthy may have ended while the last one started. */
  #requireStillHealthy(): void {
    const instance = this.#fresh.find(({ row }) => row.state !== "healthy");
    if (!instance) return;
    this.#failed = { instance, diagnosis: this.#parts.diagnosisOf(instance)() };
    throw new Fault("unhealthy", `${instance.name} did not stay healthy: it ${instance.row.reason}`);
  }

  /** Takes back what was started, after a look at what failed while it was still there, and answers what to throw. */
  async #giveUp(thrown: unknown): Promise<unknown> {
    const failed = this.#failed;
    const diagnosis = await failed?.diagnosis;
    await this.withdraw();
    if (this.#signal.aborted) return this.#aborted();
    if (!failed || !diagnosis || !(thrown instanceof Fault) || thrown.code !== "unhealthy") return thrown;
    return failedDeploy(failed.instance.name, thrown, diagnosis);
  }

  #aborted(): Fault {
    const { service, id } = this.#wanted;
    if (this.#signal.reason instanceof Fault) return this.#signal.reason;
    const name = instanceName(service, id);
    return new Fault("stopped_waiting", `the deploy of ${name} was interrupted; it has been stopped`);
  }
}

function canBeReplaced({ desired, state }: InstanceRow): boolean {
  return desired === "running" && (state === "healthy" || state === "unhealthy");
}
