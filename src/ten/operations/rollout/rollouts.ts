// The rollouts under way: what was counted goes to the judge, and what it says is done, in one transaction with its state.

import { Fault, messageOf } from "../../../core/fault.ts";
import {
  abort,
  advance,
  holdByHand,
  type Move,
  type Next,
  promote,
  resume,
  type Seen,
} from "../../../core/judge/advance.ts";
import { type Rollout, shifted } from "../../../core/judge/rollout-state.ts";
import { parseInstance } from "../../../core/name.ts";
import type { Service } from "../../../core/rollout.ts";
import { usable } from "../../../core/round-robin.ts";
import type { Hundredths, Route } from "../../../core/route.ts";
import { FULL, only, sum, type Weights, withShare } from "../../../core/weight.ts";
import { createKeyedLock, type KeyedLock } from "../../../platform/time/keyed-lock.ts";
import type { RolloutRow, Writer } from "../../registry/registry.ts";
import type { Context } from "../context.ts";
import type { Lifecycle } from "../lifecycle.ts";
import type { Traffic } from "../traffic.ts";
import { Probes } from "./probes.ts";
import type { Shadows } from "./shadows.ts";
import { TrialTallies } from "./trial-tallies.ts";

export interface Rollouts extends Disposable {
  /** How it stands now, with what has been counted since it was last written. */
  find(service: string): { readonly row: RolloutRow; readonly rollout: Rollout } | undefined;
  /** Nothing goes on until it is ended; `false` ends it. */
  hold(service: string, isHeld: boolean): Promise<Told>;
  /** Everything to the canary; when it has that, the end of its bake. `by` reads on after "promoted". */
  promote(service: string, by: string, force: boolean): Promise<Told>;
  abort(service: string, by: string): Promise<Told>;
}

/** What a command did, in the rollout's own words. */
export interface Told {
  readonly service: string;
  readonly changed: boolean;
  readonly message: string;
}

const LOOK_EVERY_MS = 100;
const JUDGE_EVERY_MS = 1_000;
/** The clock of the day may differ by this much from the one that only grows before it counts as set. */
const JUMP_MS = 2_000;
const PATIENCE_MS = 60_000;

interface RolloutParts {
  readonly traffic: Traffic;
  readonly lifecycle: Lifecycle;
  readonly shadows: Pick<Shadows, "takeTick">;
}

export function createRollouts(context: Context, parts: RolloutParts): Rollouts {
  return new RolloutRunner(context, parts);
}

/** What is remembered of one rollout beside its row: lost with the process, and harmless. */
interface Running {
  readonly seq: number;
  readonly tallies: TrialTallies;
  rollout: Rollout;
  judgedAtMs: number;
  writtenAtMs: number;
  /** The last trouble, which is told once. */
  trouble: string | undefined;
}

class RolloutRunner implements Rollouts {
  readonly #context: Context;
  readonly #traffic: Traffic;
  readonly #lifecycle: Lifecycle;
  readonly #shadows: RolloutParts["shadows"];
  readonly #probes: Probes;
  readonly #running = new Map<string, Running>();
  readonly #lock: KeyedLock;
  readonly #stop: () => void;
  #clocks: { readonly now: number; readonly monotonic: number };

  constructor(context: Context, { traffic, lifecycle, shadows }: RolloutParts) {
    const { clock } = context;
    this.#context = context;
    this.#traffic = traffic;
    this.#lifecycle = lifecycle;
    this.#shadows = shadows;
    this.#probes = new Probes(context);
    this.#lock = createKeyedLock(clock);
    this.#clocks = { now: clock.now(), monotonic: clock.monotonic() };
    this.#stop = clock.every(LOOK_EVERY_MS, () => this.#look());
  }

  find(service: string) {
    const row = this.#context.registry.rollouts.get(service);
    return row && { row, rollout: this.#runningOf(row).rollout };
  }

  hold(service: string, isHeld: boolean): Promise<Told> {
    return this.#byHand(service, ({ rollout }, now) => {
      if (rollout.phase === "bake" && isHeld)
        throw new Fault(
          "conflict",
          `${rollout.canary} has everything already, there is nothing to hold`,
          `ten promote ${service} ends the bake, ten abort ${service} goes back to ${rollout.stable}`,
        );
      if (rollout.held?.for === "failure" && !isHeld) throw failedAlready(rollout);
      return isHeld ? holdByHand(rollout, now) : resume(rollout, now);
    });
  }

  promote(service: string, by: string, force: boolean): Promise<Told> {
    return this.#byHand(service, ({ rollout }, now) => {
      if (rollout.held?.for === "failure" && !force) throw failedAlready(rollout);
      return promote(rollout, now, `promoted${by}`);
    });
  }

  abort(service: string, by: string): Promise<Told> {
    return this.#byHand(service, ({ rollout }, now) => {
      const { registry, routes } = this.#context;
      const [row, route] = [registry.rollouts.get(service), routes.routeOf(service)];
      if (row !== undefined && route !== undefined && !serves(row, route)) throw nothingToGoBackTo(rollout);
      return abort(rollout, now, `aborted${by}`);
    });
  }

  [Symbol.dispose](): void {
    this.#stop();
    for (const row of this.#context.registry.rollouts.values()) this.#write(row, this.#runningOf(row));
  }

  #byHand(service: string, decide: (running: Running, now: number) => Next): Promise<Told> {
    const turn = { name: `the rollout of ${service}`, waitMs: PATIENCE_MS };
    return this.#lock.run(service, turn, async () => {
      const { registry, clock } = this.#context;
      const row = registry.rollouts.get(service);
      if (row === undefined) throw noRollout(this.#context, service);
      const running = this.#runningOf(row);
      const next = decide(running, clock.now());
      if (next.move === undefined) return { service, changed: false, message: `nothing to do: ${row.text}` };
      await this.#carryOut(row, running, next.rollout, next.move);
      return { service, changed: true, message: next.move.text };
    });
  }

  /** Ten times a second: what was counted is added up, and judged once a second, or at once when something failed. */
  #look(): void {
    const { registry, routes } = this.#context;
    const byMs = this.#clockWasSet();
    this.#probes.retain(Array.from(registry.rollouts.values(), ({ seq }) => seq));
    if (registry.rollouts.size === 0) {
      this.#running.clear();
      return;
    }
    const counts = Map.groupBy(routes.takeTrials(), ({ route }) => route);
    for (const row of registry.rollouts.values()) {
      const running = this.#runningOf(row);
      if (byMs !== 0) running.rollout = shifted(running.rollout, byMs);
      const route = routes.routeOf(row.service);
      if (route === undefined) continue;
      this.#count(row, running, route, counts.get(row.service) ?? []);
      this.#probes.look(row, running.rollout);
      if (this.#lock.holder(row.service) === undefined) this.#judge(row, running, route);
    }
  }

  #count(
    row: RolloutRow,
    { tallies, rollout }: Running,
    route: Route,
    counts: ReturnType<Context["routes"]["takeTrials"]>,
  ) {
    if (route.trial !== undefined)
      tallies.use(
        route.trial.split,
        shareOf(row, route),
        `${rollout.phase} ${rollout.at} ${rollout.phaseAt}`,
      );
    for (const each of counts) {
      const isCanary = parseInstance(each.target).id in row.instances;
      tallies.add(each, isCanary ? "canary" : "stable");
    }
  }

  #judge(row: RolloutRow, running: Running, route: Route): void {
    const { clock } = this.#context;
    const nowMs = clock.monotonic();
    const { tallies } = running;
    const failure = failureOf(row, this.#context) ?? tallies.failure(nowMs, shareOf(row, route));
    const isDue = nowMs - running.judgedAtMs >= JUDGE_EVERY_MS;
    if (!isDue && tallies.errors === 0 && failure === undefined) return;
    running.judgedAtMs = nowMs;
    const stableServes = serves(row, route);
    const ticks = tallies.take();
    const [shadow, probes] = [this.#shadows.takeTick(row.service), this.#probes.take(row)];
    for (const [i, tick] of (ticks.length > 0 ? ticks : [undefined]).entries()) {
      const harm = i === 0 ? tallies.takeHarm() : undefined;
      const seen: Seen = { tick, ...(i === 0 && { shadow, probes }), harm, stableServes, failure };
      const next = advance(running.rollout, seen, clock.now());
      if (next.move !== undefined) {
        this.#start(row, running, next.rollout, next.move);
        return;
      }
      running.rollout = next.rollout;
    }
    if (
      (ticks.length > 0 || shadow !== undefined || probes !== undefined) &&
      nowMs - running.writtenAtMs >= JUDGE_EVERY_MS
    )
      this.#write(row, running);
  }

  #write(row: RolloutRow, running: Running): void {
    running.writtenAtMs = this.#context.clock.monotonic();
    this.#context.registry.observeRollout(row, running.rollout);
  }

  #start(row: RolloutRow, running: Running, rollout: Rollout, move: Move): void {
    const turn = { name: `the rollout of ${row.service}`, waitMs: PATIENCE_MS };
    this.#lock
      .run(row.service, turn, () => this.#carryOut(row, running, rollout, move))
      .then(() => {
        running.trouble = undefined;
      })
      .catch((thrown) => this.#couldNot(row, running, move, thrown));
  }

  /** The state, the weights and the end of a rollout are one transaction; drains and stops come after it. */
  async #carryOut(row: RolloutRow, running: Running, rollout: Rollout, move: Move): Promise<void> {
    const { service } = row;
    const { registry, routes, clock } = this.#context;
    const { share, outcome, kind, text } = move;
    const note = (writer: Writer) => {
      if (registry.rollouts.get(service)?.seq !== row.seq)
        throw new Fault("conflict", `the rollout of ${service} has ended meanwhile`);
      const end = outcome === undefined ? {} : { outcome, endedAt: clock.now() };
      writer.updateRollout(row, { state: rollout, text, ...end });
      writer.event(service, null, `rollout.${kind}`, text);
      if (outcome === "rolled_back") giveUp(row, this.#context, writer);
    };
    if (share === undefined) {
      await registry.write(note);
      if (outcome !== undefined) await routes.publish();
    } else
      await this.#traffic.change(service, commandOf(row, kind), (now, writer) => {
        note(writer);
        return { weights: weightsAt(row, now, share), message: text, acted: true, rollout: "own" };
      });
    running.rollout = rollout;
    if (outcome === "rolled_back") void this.#stopCanary(row, text);
    if (outcome === "promoted" && row.stopOld) void this.#stopOld(row);
  }

  /** What cannot be written is tried again at the next tick; a bad version loses its traffic all the same. */
  async #couldNot(row: RolloutRow, running: Running, { share, text }: Move, thrown: unknown): Promise<void> {
    const { registry, routes, onTrouble } = this.#context;
    const trouble = messageOf(thrown);
    if (running.trouble !== trouble)
      onTrouble(`the rollout of ${row.service} could not go on (${text}): ${trouble}`);
    running.trouble = trouble;
    if (share !== 0 || registry.rollouts.get(row.service)?.seq !== row.seq) return;
    for (const instance of registry.list(row.service)) {
      const weight = instance.id in row.instances ? 0 : (row.before[instance.id] ?? instance.weight);
      if (weight !== instance.weight && instance.desired === "running")
        registry.observe(instance, { weight });
    }
    await routes.publish().catch(() => {});
  }

  async #stopCanary(row: RolloutRow, text: string): Promise<void> {
    const { registry, supervisor, onTrouble } = this.#context;
    const stops = Object.keys(row.instances).map(async (id) => {
      const instance = registry.find(row.service, id);
      if (instance?.desired === "stopped") await supervisor.halt(instance, text);
    });
    await Promise.all(stops).catch((thrown) =>
      onTrouble(`${row.service}:${row.canary}: ${messageOf(thrown)}`),
    );
  }

  async #stopOld({ service, before }: RolloutRow): Promise<void> {
    const { registry, onTrouble } = this.#context;
    const ids = Object.keys(before).filter((id) => registry.find(service, id)?.desired === "running");
    if (ids.length === 0) return;
    await this.#lifecycle.stop(service, ids, false).catch((thrown) => onTrouble(messageOf(thrown)));
  }

  #runningOf(row: RolloutRow): Running {
    const known = this.#running.get(row.service);
    if (known?.seq === row.seq) return known;
    const nowMs = this.#context.clock.monotonic();
    const fresh: Running = {
      seq: row.seq,
      tallies: new TrialTallies(),
      rollout: row.state,
      judgedAtMs: nowMs,
      writtenAtMs: nowMs,
      trouble: undefined,
    };
    this.#running.set(row.service, fresh);
    return fresh;
  }

  /** By how much, when it was; the time that passed is none of it. */
  #clockWasSet(): number {
    const { clock } = this.#context;
    const before = this.#clocks;
    this.#clocks = { now: clock.now(), monotonic: clock.monotonic() };
    const byMs = this.#clocks.now - before.now - (this.#clocks.monotonic - before.monotonic);
    return Math.abs(byMs) >= JUMP_MS ? byMs : 0;
  }
}

/** The canary's part of the traffic under the split in force. */
function shareOf(row: RolloutRow, route: Route): number {
  const sharing = usable(route);
  const all = sum(sharing.map(({ weight }) => weight));
  const ours = sum(sharing.filter(({ label }) => label in row.instances).map(({ weight }) => weight));
  return all === 0 ? 0 : ours / all;
}

/** Whether there is something to go back to. */
function serves({ before }: RolloutRow, route: Route): boolean {
  return route.targets.some(
    ({ label, readiness }) => label in before && (readiness === "ready" || readiness === "asleep"),
  );
}

/** What the supervisor knows of the canary's end, in words that read on after its name. */
function failureOf({ service, instances }: RolloutRow, { registry }: Context): string | undefined {
  for (const [id, restarts] of Object.entries(instances)) {
    const row = registry.find(service, id);
    if (row === undefined) return "was removed";
    if (row.restarts > restarts || row.state === "failed") return row.lastExit ?? row.reason;
    if (row.state === "unhealthy") return "fails its health checks";
    if (row.desired === "stopped" && row.lastExit !== null) return row.lastExit;
  }
  return undefined;
}

/** The weights at a share: the stable's are those of before, in proportion. */
export function weightsAt(
  { before, instances }: Pick<RolloutRow, "before" | "instances">,
  service: Service,
  share: Hundredths,
): Weights {
  const running = service.members.filter(({ runs }) => runs);
  const base = new Map(running.map(({ id }) => [id, id in instances ? 0 : (before[id] ?? 0)]));
  const ids = running.filter(({ id }) => id in instances).map(({ id }) => id);
  if (share === 0) return base;
  return share === FULL ? only(base, ids) : withShare(base, ids, share);
}

/** What was taken back is not to run any more; its row, its files and its logs stay. */
function giveUp({ service, instances }: RolloutRow, { registry }: Context, writer: Writer): void {
  for (const id of Object.keys(instances)) {
    const row = registry.find(service, id);
    if (row?.desired === "running") writer.update(row, { desired: "stopped", deploying: false });
  }
}

function commandOf({ service, canary }: RolloutRow, kind: Move["kind"]): string {
  return `rollout ${service}: ${canary} ${kind.replace("_", " ")}`;
}

function noRollout({ registry }: Context, service: string): Fault {
  const [last] = registry.rolloutHistory(service, 1);
  return new Fault(
    "conflict",
    `no version of ${service} is being rolled out`,
    last === undefined
      ? `begin: ten deploy ${service} --version V --canary`
      : `the last one: ${last.canary} ${last.text}; begin: ten deploy ${service} --version V --canary`,
  );
}

function nothingToGoBackTo({ service, canary, stable }: Rollout): Fault {
  return new Fault(
    "conflict",
    `${stable} does not serve, so there is nothing to go back to from ${canary}`,
    `ten ps --all shows what there is; ten route ${service} --to ID goes anywhere`,
  );
}

function failedAlready({ service, canary }: Rollout): Fault {
  return new Fault(
    "conflict",
    `${canary} failed and has no traffic any more`,
    `ten rollout ${service} says why; ten abort ${service} stops it, ten promote ${service} --force gives it everything all the same`,
  );
}
