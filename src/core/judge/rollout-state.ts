// A rollout that judges itself, as plain data: what is kept in the registry and goes on after a restart at any moment.
import type { Hundredths } from "../route.ts";
import { FULL } from "../weight.ts";
import type { Sample } from "./confidence.ts";
import { type Evidence, NO_EVIDENCE } from "./evidence.ts";
import type { LastMinute } from "./last-minute.ts";
import type { Plan } from "./plan.ts";
import { NO_SUSPICION, type Suspicion } from "./second-look.ts";

/**
 * `shadow` has no visitors, only copies of what they asked; `step` is judged at a share of the plan; `bake` has everything, with the old version warm; `look` is a suspicion during
 * the bake, for which both get half.
 */
export type Phase = "shadow" | "step" | "bake" | "look";

export type Outcome = "promoted" | "rolled_back";

/** Why nothing goes on until the operator decides. */
export type HeldFor =
  /** He said so. */
  | "operator"
  /** The limit passed without enough to say. */
  | "limit"
  /** 4xx that the canary gives too often. */
  | "rejections"
  /** It failed, has no traffic any more, and is kept to be looked at. */
  | "failure";

export interface Held {
  readonly for: HeldFor;
  readonly since: number;
}

/** What was answered since this step began: what sentences tell of. */
export interface Step {
  readonly canary: Sample;
  readonly stable: Sample;
  /** The canary's answers by latency bucket. */
  readonly buckets: readonly number[];
}

/** A first verdict "slow" may be a cold cache: it is waited for more answers, and only a second one takes back. */
export interface SlowLook {
  readonly count: number;
  /** It lasts until one of these; undefined: it is over. */
  readonly until: { readonly answers: number; readonly at: number } | undefined;
}

/** What became of the canary's errors: answered by somebody else, or seen by visitors. Some are still under way. */
export interface Harm {
  readonly rescued: number;
  readonly seen: number;
}

/** Times are milliseconds since the epoch, so that they mean the same after a restart. */
export interface Rollout {
  readonly service: string;
  /** The versions. */
  readonly canary: string;
  readonly stable: string;
  readonly plan: Plan;
  readonly phase: Phase;
  /** The place of the share in the plan, in phase `step`. */
  readonly at: number;
  readonly startedAt: number;
  readonly phaseAt: number;
  /** When it got everything. */
  readonly bakeAt: number | undefined;
  /** The limit counts from here. */
  readonly limitAt: number;
  /** The money of these bets counts from here. */
  readonly betsAt: number;
  readonly evidence: Evidence;
  /** All answers of the canary until it got everything: the past that its bake is compared with. */
  readonly past: Sample;
  readonly suspicion: Suspicion;
  readonly slow: SlowLook;
  readonly held: Held | undefined;
  readonly minute: LastMinute;
  readonly step: Step;
  /** Of the answers of each on this step, those to requests of our own. Not in states of earlier versions. */
  readonly probes?: number;
  readonly harm: Harm;
  /** The stable's answers by latency bucket: those so far, and those that this step is compared with. */
  readonly stableBuckets: readonly number[];
  readonly history: readonly number[];
}

export const NEW_STEP: Step = { canary: [0, 0], stable: [0, 0], buckets: [] };

/** `history` is what the stable answered lately, by latency bucket. */
export function beginRollout(
  about: Pick<Rollout, "service" | "canary" | "stable" | "plan">,
  history: readonly number[],
  now: number,
): Rollout {
  return {
    ...about,
    phase: about.plan.shadowFirst > 0 ? "shadow" : "step",
    at: 0,
    startedAt: now,
    phaseAt: now,
    bakeAt: undefined,
    limitAt: now,
    betsAt: now,
    evidence: NO_EVIDENCE,
    past: [0, 0],
    suspicion: NO_SUSPICION,
    slow: { count: 0, until: undefined },
    held: undefined,
    minute: [],
    step: NEW_STEP,
    harm: { rescued: 0, seen: 0 },
    stableBuckets: history,
    history,
  };
}

/** The canary's share by the plan; before its first step, and while it is held after a failure, it has none. */
export function shareNow({ phase, plan, at, held }: Rollout): Hundredths {
  if (held?.for === "failure" || phase === "shadow") return 0;
  if (phase === "look") return FULL / 2;
  return phase === "bake" ? FULL : (plan.steps[at] ?? FULL);
}

/** The same when the clock of the day was set by so much: nothing gets older or younger by that. */
export function shifted(rollout: Rollout, byMs: number): Rollout {
  const { held, slow, bakeAt } = rollout;
  return {
    ...rollout,
    startedAt: rollout.startedAt + byMs,
    phaseAt: rollout.phaseAt + byMs,
    bakeAt: bakeAt === undefined ? undefined : bakeAt + byMs,
    limitAt: rollout.limitAt + byMs,
    betsAt: rollout.betsAt + byMs,
    held: held && { ...held, since: held.since + byMs },
    slow: { ...slow, until: slow.until && { ...slow.until, at: slow.until.at + byMs } },
    minute: [],
  };
}
