// One instance as it lives: its runs, its health and its restarts. The only place where an instance changes state.
import { Fault, messageOf } from "../../core/fault.ts";
import { adoptedHealth } from "../../core/health.ts";
import { instanceName } from "../../core/name.ts";
import { describeNextTry, type Ending, type RestartDecision, Restarts } from "../../core/restart.ts";
import type { CheckResult } from "../../platform/net/health-check.ts";
import { isFree } from "../../platform/net/ports.ts";
import type { Exit } from "../../platform/process/exit-status.ts";
import type { ManagedProcess } from "../../platform/process/process.ts";
import { sleep } from "../../platform/time/clock.ts";
import { createTurns } from "../../platform/time/keyed-lock.ts";
import { createTimers, type Timers } from "../../platform/time/timers.ts";
import type { InstanceRow, Observation } from "../registry/registry.ts";
import type { Life } from "../routing/routes.ts";
import type { InstanceDeps, Replacement, Role, State } from "./instance-deps.ts";
import { type Patience, within } from "./patience.ts";
import { type Build, Run } from "./run.ts";
import { whyNotHealthy } from "./whereabouts.ts";

/** Most apps are healthy by then, and who waits for one that is not wants to know why. */
const SLOW_START_MS = 5_000;
const NO_PROCESS: Observation = { pid: null, startTime: null, nonce: null, port: null };

export class Instance {
  readonly service: string;
  readonly id: string;
  readonly name: string;
  readonly #deps: InstanceDeps;
  /** The run that its row routes to. */
  #run: Run | undefined;
  /** The run that takes over from it when it is healthy. */
  #successor: Run | undefined;
  /** The run that a successor has taken over from, while it drains. */
  #leaving: Run | undefined;
  /** The run that was started last, also after its end. */
  #latest: Run | undefined;
  readonly #restarts = new Restarts();
  #nextTryAtMs: number | undefined;
  /** Started from sleep and not healthy since. */
  #waking = false;
  /** It had to be given another port once since it was last healthy. */
  #hadOtherPort = false;
  readonly #timers: Timers<"startup" | "slow" | "retry" | "sick">;
  /** Starts and ends of one instance follow each other and never overlap; so do replacements, each of which takes several. */
  readonly #oneByOne = createTurns();
  readonly #replacements = createTurns();
  #ending = false;
  readonly #watchers = new Set<() => void>();

  constructor(row: InstanceRow, deps: InstanceDeps) {
    this.service = row.service;
    this.id = row.id;
    this.name = instanceName(row.service, row.id);
    this.#deps = deps;
    this.#timers = createTimers(deps.clock);
  }

  get row(): InstanceRow {
    return this.#deps.registry.get(this.service, this.id);
  }

  get run(): Run | undefined {
    return this.#run;
  }

  get latest(): Run | undefined {
    return this.#latest;
  }

  get life(): Life {
    const at = this.#nextTryAtMs;
    return {
      unchecked: this.#run?.health.unchecked === true,
      probe: this.#run?.silence?.probe,
      waking: this.#waking,
      ...(this.#run?.process.isAdopted && { holder: this.#run.holder }),
      nextTryMs: at === undefined ? undefined : Math.max(0, at - this.#deps.clock.monotonic()),
    };
  }

  /** Starts a process unless one runs. Rejects with a fault when none can be created; health comes later. */
  start(reason: string): Promise<void> {
    return this.#oneByOne(async () => {
      if (this.#run || this.row.desired === "stopped") return;
      this.#clear();
      if (this.#deps.service().schedule !== undefined)
        return this.#become("healthy", `${reason}; it runs by its schedule`, {});
      this.#waking ||= this.row.state === "sleeping";
      this.#become("starting", reason, {});
      this.#run = await this.#launch("routed", this.row);
      this.#expectHealth(this.#run);
    });
  }

  /** Runs what has a schedule once, to its end. Undefined when it runs already, or is not to run. */
  runOnce(reason: string): Promise<Run | undefined> {
    return this.#oneByOne(async () => {
      if (this.#run || this.row.desired === "stopped") return undefined;
      this.#run = await this.#launch("routed", this.row);
      this.#become("healthy", reason, {});
      return this.#run;
    });
  }

  /** Resolves when what has begun to happen to it has happened. */
  settled(): Promise<void> {
    return this.#oneByOne(async () => {});
  }

  /** Like `start`; when no process can be created the restart policy decides, as after an exit. */
  async startAgain(reason: string): Promise<void> {
    try {
      await this.start(reason);
    } catch (thrown) {
      this.#resolve(this.#decide("not_started"), `could not be started: ${messageOf(thrown)}`);
      throw thrown;
    }
  }

  /**
   * Starts a second process beside the one that runs; when it is healthy routes to it, drains the first and ends it. Rejects
   * when it does not get healthy: then the first goes on, and nothing has changed. False when there was none to replace.
   */
  replace(reason: string, how: Replacement): Promise<boolean> {
    return this.#replacements(() => this.#replace(reason, how));
  }

  /** Takes over a process that outlived its supervisor, with the state that the registry remembers. */
  adopt(process: ManagedProcess): void {
    const { state, port, desired, version, release } = this.row;
    const nowMs = this.#deps.clock.monotonic();
    const wasJudged = state === "healthy" || state === "unhealthy";
    const health = wasJudged ? adoptedHealth(state) : undefined;
    const run = new Run(process, port, { version, release }, nowMs, health);
    this.#follow(run);
    this.#run = run;
    if (wasJudged) this.#deps.watch(run, "steady");
    else {
      if (desired === "running") this.#become("starting", "adopted", {});
      this.#expectHealth(run);
    }
  }

  /** Ends all of its processes and waits until their sessions are gone; SIGKILL comes after `graceMs`. */
  end(state: State, reason: string, graceMs: number): Promise<void> {
    return this.#oneByOne(() => this.#end(state, reason, graceMs));
  }

  /** SIGKILL to all of it now, also in the middle of an end with more patience. */
  async kill(reason: string): Promise<void> {
    const ended = this.end("stopped", reason, 0);
    await Promise.all(this.#runs().map((run) => run.process.stop(0)));
    await ended;
  }

  /** Goes to sleep: from now on requests wait for it to wake. */
  sleep(reason: string, graceMs: number): Promise<void> {
    return this.#oneByOne(async () => {
      if (!this.#run || this.#successor || this.row.state !== "healthy") return;
      this.#become("sleeping", reason, {});
      await this.#deps.drain();
      await this.#end("sleeping", reason, graceMs);
    });
  }

  /** Forgets its processes: the next supervisor adopts them. */
  leave(): void {
    this.#clear();
    for (const run of this.#runs()) this.#deps.watch(run, "none");
    this.#ending = true;
  }

  /** Shows a state that is the operator's doing, such as `draining`. */
  show(state: State, reason: string): void {
    this.#become(state, reason, {});
  }

  /** The outcome of one health check of one of its runs. */
  checked(run: Run, outcome: CheckResult): void {
    if (this.#ending) return;
    const before = run.health;
    run.checked(outcome);
    if (before.state === "starting" && outcome.ok) run.exposed = this.#deps.whereabouts(run).exposed;
    if (run !== this.#run || !isJudged(this.row.state)) return;
    if (run.health.state === "healthy") {
      this.#restarts.passed(this.#deps.clock.monotonic(), before.state === "healthy");
      this.#waking = false;
      this.#hadOtherPort = false;
    }
    if (run.state !== this.row.state || run.health.state !== before.state) this.#judged(run, outcome.detail);
    else if (before.unchecked) this.#deps.changed();
  }

  /** Calls back after each change of state; the returned function ends it. */
  onChange(call: () => void): () => void {
    this.#watchers.add(call);
    return () => this.#watchers.delete(call);
  }

  /** It was unhealthy for too long: the restart policy decides as after an exit. `halt` drains and ends it. */
  async giveUp(reason: string, patience: Patience, halt: () => Promise<void>): Promise<void> {
    const decision = this.#decide("unhealthy");
    if (decision.action === "rest") return;
    if (decision.action === "restart" && this.#deps.service().overlap)
      return this.#replaceSick(reason, patience, decision.delayMs);
    await halt();
    if (!this.#run && this.row.desired === "running") this.#resolve(decision, reason);
  }

  async #replaceSick(reason: string, patience: Patience, delayMs: number): Promise<void> {
    await sleep(this.#deps.clock, delayMs);
    if (this.row.state !== "unhealthy") return;
    this.#deps.registry.observe(this.row, { restarts: this.row.restarts + 1 });
    try {
      await this.replace(`restarted: it ${reason}`, patience);
    } finally {
      if (this.row.state === "unhealthy") this.#timeSickness();
    }
  }

  async #replace(reason: string, { build, ready, onFailure, ...patience }: Replacement): Promise<boolean> {
    const successor = await this.#oneByOne(() => this.#startSuccessor(reason, build ?? this.row));
    if (!successor) return false;
    try {
      await within(patience, this.#deps.clock, this.name, successor.healthy);
      await ready?.();
    } catch (thrown) {
      await onFailure?.();
      await this.#oneByOne(() => this.#dropSuccessor(successor, thrown));
      throw thrown;
    }
    const before = await this.#oneByOne(async () => this.#takeOver(successor));
    if (before) await this.#retire(before);
    return true;
  }

  async #startSuccessor(reason: string, build: Build): Promise<Run | undefined> {
    if (!this.#run || this.row.desired === "stopped") return undefined;
    this.#become(this.row.state, `${reason}; its successor starts`, {});
    this.#successor = await this.#launch("other", build);
    this.#deps.watch(this.#successor, "starting");
    return this.#successor;
  }

  /** A successor that did not get healthy goes, and the run before it stays. */
  async #dropSuccessor(successor: Run, thrown: unknown): Promise<void> {
    if (this.#successor !== successor) return;
    this.#successor = undefined;
    this.#deps.watch(successor, "none");
    await successor.process.stop(this.#deps.service().stopGraceMs);
    await this.#deps.release(successor);
    this.#become(this.row.state, `goes on, as its successor failed: ${messageOf(thrown)}`, { other: null });
  }

  /** From now on the routes lead to the successor; answers the run before it. */
  #takeOver(successor: Run): Run | undefined {
    if (this.#successor !== successor) return undefined;
    const before = this.#run;
    this.#run = successor;
    this.#successor = undefined;
    this.#leaving = before;
    this.#clear();
    if (before) this.#deps.watch(before, "none");
    const { lastCheck, identity, build } = successor;
    this.#restarts.passed(this.#deps.clock.monotonic(), false);
    this.#deps.watch(successor, "steady");
    const reason = `check passed: ${lastCheck?.detail ?? ""}`;
    this.#become("healthy", reason, { ...identity, ...build, other: before?.identity ?? null });
    return before;
  }

  async #retire(before: Run): Promise<void> {
    await this.#deps.drain();
    await before.process.stop(this.#deps.service().stopGraceMs);
    if (this.#leaving !== before) return;
    this.#leaving = undefined;
    await this.#deps.release(before);
    this.#deps.registry.observe(this.row, { other: null });
  }

  async #end(state: State, reason: string, graceMs: number): Promise<void> {
    this.#ending = true;
    this.#clear();
    const runs = this.#runs();
    try {
      for (const run of runs) {
        this.#deps.watch(run, "none");
        run.giveUp(new Fault("conflict", `${this.name} was stopped meanwhile`));
      }
      await Promise.all(runs.map((run) => run.process.stop(graceMs)));
      for (const run of runs) await this.#deps.release(run);
    } finally {
      this.#ending = false;
    }
    this.#run = undefined;
    this.#successor = undefined;
    this.#leaving = undefined;
    this.#waking = false;
    this.#become(state, reason, { ...NO_PROCESS, other: null });
  }

  #runs(): Run[] {
    return [this.#run, this.#successor, this.#leaving].filter((run) => run !== undefined);
  }

  async #launch(role: Role, { version, release: wanted }: Build): Promise<Run> {
    const { process, port, release } = await this.#deps.launch(this.row, role, { version, release: wanted });
    const run = new Run(process, port, { version, release }, this.#deps.clock.monotonic());
    this.#follow(run);
    this.#deps.registry.observe(this.row, role === "other" ? { other: run.identity } : run.identity);
    return run;
  }

  #follow(run: Run): void {
    this.#latest = run;
    this.#nextTryAtMs = undefined;
    void run.process.exited.then((exit) => {
      if (this.#ending || !this.#runs().includes(run)) return;
      this.#oneByOne(() => this.#exited(run, exit)).catch(this.#deps.onTrouble);
    });
  }

  #expectHealth(run: Run): void {
    this.#deps.watch(run, "starting");
    this.#timers.start("slow", SLOW_START_MS, () => {
      if (this.row.state !== "starting" || this.row.deploying) return;
      const why = whyNotHealthy(run, this.#deps.whereabouts(run));
      this.#deps.onTrouble(`is not healthy after ${SLOW_START_MS / 1000} s: ${why}`);
    });
    this.#timers.start("startup", this.#deps.service().startupTimeoutMs, () => {
      if (this.row.state !== "starting") return;
      run.health = { ...run.health, state: "unhealthy" };
      this.#judged(run, whyNotHealthy(run, this.#deps.whereabouts(run)));
      if (!this.row.deploying) this.#deps.onTrouble(`is unhealthy: ${this.row.reason}`);
    });
  }

  /** Health has changed: the state follows, with slower checks, and a deadline for what is unhealthy. */
  #judged(run: Run, detail: string): void {
    const { state } = run.health;
    this.#timers.drop("startup");
    this.#timers.drop("slow");
    this.#timers.drop("sick");
    if (state === "unhealthy" && !this.row.deploying) this.#timeSickness();
    this.#deps.watch(run, "steady");
    const reason = `check ${state === "healthy" ? "passed" : "failed"}: ${detail}`;
    this.#become(run.state, run.state === state ? reason : (run.silence?.reason ?? reason), {});
  }

  #timeSickness(): void {
    const { unhealthyMs } = this.#deps.service().restart;
    if (unhealthyMs > 0) this.#timers.start("sick", unhealthyMs, this.#deps.sick);
  }

  /** A process ended by itself: it leaves the routes at once, what it left behind goes too, then it is decided. */
  async #exited(run: Run, exit: Exit): Promise<void> {
    if (this.#ending) return;
    const text = this.#deps.describeExit(run, exit);
    if (run === this.#successor) return run.ended(this.name, text);
    if (run !== this.#run) return;
    const { state, port, deploying } = this.row;
    run.exit = text;
    if (this.#deps.service().schedule !== undefined) {
      this.#run = undefined;
      this.#clear();
      this.#deps.watch(run, "none");
      await this.#deps.cleanUp(run);
      // It rests until the next one.
      this.#become(exit.code === 0 ? "healthy" : "unhealthy", text, { ...NO_PROCESS, lastExit: text });
      if (exit.code !== 0) this.#deps.runFailed(text);
      return;
    }
    this.#run = this.#successor;
    this.#successor = undefined;
    this.#clear();
    this.#deps.watch(run, "none");
    const next = this.#run ? { ...this.#run.identity, ...this.#run.build, other: null } : NO_PROCESS;
    this.#become("starting", text, { ...next, lastExit: text });
    await this.#deps.cleanUp(run);
    // What was to follow it is on its way, and is now judged as any run that starts.
    if (this.#run) this.#expectHealth(this.#run);
    else if (
      state === "starting" &&
      port !== null &&
      !this.#hadOtherPort &&
      !isFree(port, this.#deps.service().address)
    ) {
      // Somebody took its port between our test and its start: not its fault, so it gets another, once.
      this.#hadOtherPort = true;
      this.#retry(`${text}, as its port ${port} was taken`);
    } else if (deploying) this.#become("failed", text, {});
    else this.#resolve(this.#decide(exit.code === 0 ? "exited_zero" : "exited_failing"), text);
  }

  #decide(ending: Ending): RestartDecision {
    const { clock, random, service } = this.#deps;
    return this.#restarts.decide(service().restart, ending, clock.monotonic(), random());
  }

  /** Carries out what the restart policy says of an instance that has no process any more. */
  #resolve(decision: RestartDecision, text: string): void {
    if (decision.action === "rest") {
      const reason = `${text}; restart = "${this.#deps.service().restart.mode}" leaves it so`;
      this.#become("stopped", reason, { desired: "stopped" });
      return;
    }
    const { delayMs } = decision;
    if (delayMs !== undefined) {
      this.#nextTryAtMs = this.#deps.clock.monotonic() + delayMs;
      this.#timers.start("retry", delayMs, () => {
        this.#deps.registry.observe(this.row, { restarts: this.row.restarts + 1 });
        this.#retry(text);
      });
    }
    const state = this.#waking ? "sleeping" : decision.action === "restart" ? "starting" : "failed";
    const reason = `${text}${describeNextTry(delayMs)}`;
    this.#deps.onTrouble(`${reason}; its output: ten logs ${this.name}`);
    this.#become(state, reason, {});
  }

  /** What failed to wake sleeps on, and may be woken again; everything else is started. */
  #retry(reason: string): void {
    // Why it failed is in its row.
    this.startAgain(`restarted after it ${reason}`).catch(() => {});
  }

  #become(state: State, reason: string, seen: Observation): void {
    const { registry, clock } = this.#deps;
    const row = this.row;
    registry.observe(row, { ...seen, state, reason, stateAt: clock.now() });
    if (state !== row.state) registry.note(this.service, this.id, state, reason);
    for (const look of [...this.#watchers]) look();
    this.#deps.changed();
  }

  #clear(): void {
    this.#timers.clear();
    this.#nextTryAtMs = undefined;
  }
}

const isJudged = (state: State) => state === "starting" || state === "healthy" || state === "unhealthy";
