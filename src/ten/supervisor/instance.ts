// One instance as it lives: its process, its health and its restarts. The only place where an instance changes state.
import { messageOf } from "../../core/fault.ts";
import { adoptedHealth, freshHealth, type Health, nextHealth } from "../../core/health.ts";
import { instanceName } from "../../core/name.ts";
import {
  decideRestart,
  type Ending,
  NO_RESTARTS,
  type RestartDecision,
  type RestartPolicy,
} from "../../core/restart.ts";
import type { CheckResult } from "../../platform/net/health-check.ts";
import { isFree } from "../../platform/net/ports.ts";
import type { Exit, ManagedProcess } from "../../platform/process/process.ts";
import { createTimers, type Timers } from "../../platform/time/timers.ts";
import type { InstanceRow, Observation } from "../registry/registry.ts";
import type { Life } from "../routing/routes.ts";
import type { InstanceDeps, State } from "./instance-deps.ts";

const NO_PROCESS: Observation = { pid: null, startTime: null, nonce: null, port: null };

export class Instance {
  readonly service: string;
  readonly id: string;
  readonly name: string;
  lastCheck: CheckResult | undefined;
  /** On the monotonic clock: when this supervisor started or adopted it; undefined while there is no process. */
  startedAtMs: number | undefined;
  readonly #deps: InstanceDeps;
  #process: ManagedProcess | undefined;
  #health: Health = freshHealth();
  readonly #restarts = new Restarts();
  #nextTryAtMs: number | undefined;
  /** Started from sleep and not healthy since. */
  #waking = false;
  /** It had to be given another port once since it was last healthy. */
  #hadOtherPort = false;
  readonly #timers: Timers<"startup" | "retry" | "sick">;
  #last: Promise<unknown> = Promise.resolve();
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

  get process(): ManagedProcess | undefined {
    return this.#process;
  }
  get life(): Life {
    const at = this.#nextTryAtMs;
    return {
      unchecked: this.#health.unchecked,
      waking: this.#waking,
      nextTryMs: at === undefined ? undefined : Math.max(0, at - this.#deps.clock.monotonic()),
    };
  }

  /** Starts a process unless one runs. Rejects with a fault when none can be created; health comes later. */
  start(reason: string): Promise<void> {
    return this.#oneByOne(async () => {
      if (this.#process || this.row.desired === "stopped") return;
      this.#clear();
      this.#waking ||= this.row.state === "sleeping";
      this.#become("starting", reason, {});
      const process = await this.#deps.launch(this.row);
      this.#startedWith(process);
      this.#deps.registry.observe(this.row, {
        pid: process.pid,
        startTime: process.startTime,
        bootId: process.bootId,
      });
      this.#expectHealth();
    });
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

  /** Takes over a process that outlived its supervisor, with the state that the registry remembers. */
  adopt(process: ManagedProcess): void {
    const { state } = this.row;
    this.#startedWith(process);
    if (state === "healthy" || state === "unhealthy") {
      this.#health = adoptedHealth(state, this.#deps.clock.monotonic());
      this.#deps.watch("steady");
    } else {
      if (this.row.desired === "running") this.#become("starting", "adopted", {});
      this.#expectHealth();
    }
  }

  /** Ends the process and waits until the whole session is gone; SIGKILL comes after `graceMs`. */
  end(state: State, reason: string, graceMs: number): Promise<void> {
    return this.#oneByOne(() => this.#end(state, reason, graceMs));
  }

  /** SIGKILL to all of it now, also in the middle of an end with more patience. */
  async kill(reason: string): Promise<void> {
    const ended = this.end("stopped", reason, 0);
    await this.#process?.stop(0);
    await ended;
  }

  /** Goes to sleep: from now on requests wait for it to wake. `drain` is awaited before the process ends. */
  sleep(reason: string, graceMs: number, drain: () => Promise<unknown>): Promise<void> {
    return this.#oneByOne(async () => {
      if (!this.#process || this.row.state !== "healthy") return;
      this.#become("sleeping", reason, {});
      await drain();
      await this.#end("sleeping", reason, graceMs);
    });
  }

  async #end(state: State, reason: string, graceMs: number): Promise<void> {
    this.#ending = true;
    this.#clear();
    this.#deps.watch("none");
    try {
      await this.#process?.stop(graceMs);
      if (this.#process) await this.#deps.release();
    } finally {
      this.#ending = false;
    }
    this.#process = undefined;
    this.startedAtMs = undefined;
    this.#waking = false;
    this.#become(state, reason, { ...NO_PROCESS });
  }

  /** Forgets the process: the next supervisor adopts it. */
  leave(): void {
    this.#clear();
    this.#deps.watch("none");
    this.#ending = true;
  }

  /** Shows a state that is the operator's doing, such as `draining`. */
  show(state: State, reason: string): void {
    this.#become(state, reason, {});
  }

  /** The outcome of one health check. */
  checked(outcome: CheckResult): void {
    if (!this.#process || this.#ending || !isJudged(this.row.state)) return;
    const before = this.#health;
    this.lastCheck = outcome;
    this.#health = nextHealth(before, outcome.ok, this.#deps.clock.monotonic());
    if (this.#health.state === "healthy") {
      this.#restarts.passed(this.#deps.clock.monotonic(), before.state === "healthy");
      this.#waking = false;
      this.#hadOtherPort = false;
    }
    if (this.#health.state !== this.row.state) this.#judged(outcome.detail);
    else if (before.unchecked) this.#deps.changed();
  }

  /** Calls back after each change of state; the returned function ends it. */
  onChange(call: () => void): () => void {
    this.#watchers.add(call);
    return () => this.#watchers.delete(call);
  }

  /** It was unhealthy for too long: `halt` drains and ends it, then the restart policy decides as after an exit. */
  async giveUp(reason: string, halt: () => Promise<void>): Promise<void> {
    const decision = this.#decide("unhealthy");
    if (decision.action === "rest") return;
    await halt();
    if (!this.#process && this.row.desired === "running") this.#resolve(decision, reason);
  }

  #startedWith(process: ManagedProcess): void {
    this.#process = process;
    this.lastCheck = undefined;
    this.#health = freshHealth();
    this.#nextTryAtMs = undefined;
    this.startedAtMs = this.#deps.clock.monotonic();
    void process.exited.then((exit) => {
      if (this.#process !== process || this.#ending) return;
      this.#oneByOne(() => this.#exited(process, exit)).catch(this.#deps.onTrouble);
    });
  }

  #expectHealth(): void {
    this.#deps.watch("starting");
    this.#timers.start("startup", this.#deps.service().startupTimeoutMs, () => {
      if (this.row.state !== "starting") return;
      this.#health = {
        ...this.#health,
        state: "unhealthy",
        unhealthySinceMs: this.#deps.clock.monotonic(),
      };
      this.#judged(this.lastCheck?.detail ?? "no check came to an end");
    });
  }

  /** Health has changed: the state follows, with slower checks, and a deadline for what is unhealthy. */
  #judged(detail: string): void {
    const { unhealthyMs } = this.#deps.service().restart;
    const { state } = this.#health;
    this.#timers.drop("startup");
    this.#timers.drop("sick");
    if (state === "unhealthy" && unhealthyMs > 0 && !this.row.deploying)
      this.#timers.start("sick", unhealthyMs, this.#deps.sick);
    this.#deps.watch("steady");
    this.#become(state, `check ${state === "healthy" ? "passed" : "failed"}: ${detail}`, {});
  }

  /** The process ended by itself: it leaves the routes at once, what it left behind goes too, then it is decided. */
  async #exited(process: ManagedProcess, exit: Exit): Promise<void> {
    if (this.#process !== process || this.#ending) return;
    const { registry } = this.#deps;
    const { state, port, deploying } = this.row;
    this.#process = undefined;
    this.startedAtMs = undefined;
    this.#clear();
    this.#deps.watch("none");
    const text = this.#deps.describeExit(exit);
    this.#become("starting", text, { ...NO_PROCESS, lastExit: text });
    await process
      .stop(0)
      .then(this.#deps.release)
      .catch((thrown) => registry.note(this.service, this.id, "leftover", messageOf(thrown)));
    if (state === "starting" && port !== null && !this.#hadOtherPort && !isFree(port)) {
      // Somebody took its port between our test and its start: not its fault, so it gets another, once.
      this.#hadOtherPort = true;
      this.#retry(`${text}, as its port ${port} was taken`);
    } else if (deploying) this.#become("failed", text, {});
    else this.#resolve(this.#decide(exit.code === 0 ? "exited_zero" : "exited_failing"), text);
  }

  #decide(ending: Ending): RestartDecision {
    const { clock, random } = this.#deps;
    return this.#restarts.decide(this.#deps.service().restart, ending, clock.monotonic(), random());
  }

  /** Carries out what the restart policy says of an instance that has no process any more. */
  #resolve(decision: RestartDecision, text: string): void {
    if (decision.action === "rest") {
      const reason = `${text}; restart = "${this.#deps.service().restart.mode}" leaves it so`;
      this.#become("stopped", reason, { desired: "stopped" });
      return;
    }
    const { delayMs } = decision;
    const restarts = this.row.restarts + 1;
    if (delayMs !== undefined) {
      this.#nextTryAtMs = this.#deps.clock.monotonic() + delayMs;
      this.#timers.start("retry", delayMs, () => this.#retry(text));
    }
    const state = this.#waking ? "sleeping" : decision.action === "restart" ? "starting" : "failed";
    const reason = `${text}${describeNextTry(delayMs)}`;
    this.#deps.onTrouble(`${reason}; its output: ten logs ${this.name}`);
    this.#become(state, reason, { restarts });
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

  /** Starts and ends of one instance follow each other and never overlap. */
  #oneByOne<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

const isJudged = (state: State) => state === "starting" || state === "healthy" || state === "unhealthy";

/** What the restart policy has to remember of an instance: its restarts, and its last stretch of health. */
class Restarts {
  #history = NO_RESTARTS;
  /** On the monotonic clock: the current, or else the last, stretch of health. */
  #healthy = { fromMs: 0, toMs: 0 };

  /** A check passed at `nowMs`; `goesOn` when the one before had passed too. */
  passed(nowMs: number, goesOn: boolean): void {
    this.#healthy = { fromMs: goesOn ? this.#healthy.fromMs : nowMs, toMs: nowMs };
  }

  /** `chance` is 0 up to 1. */
  decide(policy: RestartPolicy, ending: Ending, nowMs: number, chance: number): RestartDecision {
    const healthyForMs = this.#healthy.toMs - this.#healthy.fromMs;
    const decision = decideRestart(policy, this.#history, ending, healthyForMs, nowMs, chance);
    this.#history = decision.history;
    this.#healthy = { fromMs: nowMs, toMs: nowMs };
    return decision;
  }
}

function describeNextTry(delayMs: number | undefined): string {
  if (delayMs === undefined) return "";
  return delayMs === 0 ? ", restarting" : `, next try in ${Math.ceil(delayMs / 1000)} s`;
}
