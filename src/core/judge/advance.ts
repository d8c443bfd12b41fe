// How a rollout goes on: from what was counted since the last tick to the next state, and to a move of the weights.
import type { Hundredths } from "../route.ts";
import { FULL } from "../weight.ts";
import { freshMoney, oddsOf, SURE } from "./bet.ts";
import type { Sample } from "./confidence.ts";
import { NO_EVIDENCE, type Tick, take } from "./evidence.ts";
import { sumOf, withTick } from "./last-minute.ts";
import { SLOWER, scaleOf } from "./latency-scale.ts";
import { type Harm, type HeldFor, NEW_STEP, type Outcome, type Rollout, shareNow } from "./rollout-state.ts";
import { isQuiet, isSuspected, NO_SUSPICION, suspect } from "./second-look.ts";
import * as say from "./sentence.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

/** What is known at a tick besides the time. */
export interface Seen {
  /** What was answered under the split in force; undefined: nothing that could be compared. */
  readonly tick: Tick | undefined;
  /** What both answered to requests of our own, as many to each: the share is a half. */
  readonly probes?: Tick | undefined;
  /** What copies of requests led to, one to each version: the share is a half. */
  readonly shadow?: Tick | undefined;
  /** What has become of the canary's errors since the last tick; undefined: nothing. */
  readonly harm?: Harm | undefined;
  /** Whether there is something to go back to. */
  readonly stableServes: boolean;
  /** What needs no statistics, in words: `it exited with code 1`. */
  readonly failure: string | undefined;
}

export type MoveKind = "advanced" | "looked" | "held" | "rolled_back" | "promoted" | "resumed";

/** What must be written together with the state: the new share when it changes, and how it ended when it has. */
export interface Move {
  readonly kind: MoveKind;
  readonly share: Hundredths | undefined;
  readonly outcome: Outcome | undefined;
  /** The sentence that tells of it. */
  readonly text: string;
}

export interface Next {
  readonly rollout: Rollout;
  readonly move: Move | undefined;
}

const LOOK_MS = 60_000;
const HELD_MS = 24 * 3600_000;
/** A canary that looks slow is given so many answers, and at most so long, to get warm. */
const WARMER_ANSWERS = 500;
const WARMER_MS = 600_000;

/** Any tick may be missing: what was not seen is not judged. */
export function advance(before: Rollout, seen: Seen, now: number): Next {
  const rollout = counted(before, seen, now);
  const next = decided(rollout, seen, now);
  const { move } = next;
  const needsStable = move?.share === 0 || move?.kind === "looked";
  return needsStable && !seen.stableServes ? stay(rollout) : next;
}

function decided(rollout: Rollout, { failure }: Seen, now: number): Next {
  if (failure !== undefined && rollout.held?.for !== "failure")
    return back(rollout, now, say.failedAtOnce(rollout, failure, now));
  return rollout.phase === "bake" ? baking(rollout, now) : judged(rollout, now);
}

function counted(known: Rollout, { tick, shadow, probes, harm }: Seen, now: number): Rollout {
  const harmed = harm === undefined ? known : withHarm(known, harm);
  if (harmed.phase === "shadow") return shadowed(harmed, tick, shadow, now);
  const before = probes === undefined || harmed.phase === "bake" ? harmed : probed(harmed, probes, now);
  if (tick === undefined) return before;
  const { canary, stable } = tick;
  const seconds = Math.max(0, (now - before.betsAt) / 1000);
  const sample: Sample = [canary.answers, canary.errors];
  const rollout = {
    ...before,
    minute: withTick(before.minute, now, canary, stable),
    step: {
      canary: plus(before.step.canary, sample),
      stable: plus(before.step.stable, [stable.answers, stable.errors]),
      buckets: added(before.step.buckets, canary.buckets),
    },
  };
  if (before.phase === "bake") {
    const since = Math.max(0, (now - before.phaseAt) / 1000);
    return { ...rollout, suspicion: suspect(before.suspicion, sample, before.past, since) };
  }
  const evidence = take(before.evidence, tick, scaleOf(before.history, before.plan.grace), seconds);
  return {
    ...rollout,
    past: plus(before.past, sample),
    stableBuckets: added(before.stableBuckets, stable.buckets),
    evidence: before.slow.until === undefined ? evidence : { ...evidence, slow: freshMoney(SLOWER) },
  };
}

/** Answers to probes. */
function probed(before: Rollout, probes: Tick, now: number): Rollout {
  const { canary, stable } = probes;
  return {
    ...withPairs(before, probes, now),
    probes: (before.probes ?? 0) + canary.answers,
    minute: withTick(before.minute, now, canary, stable),
  };
}

/** Visitors see only the stable: what it answers them is what later steps are compared with. */
function shadowed(before: Rollout, tick: Tick | undefined, pairs: Tick | undefined, now: number): Rollout {
  const rollout =
    tick === undefined
      ? before
      : {
          ...before,
          minute: withTick(before.minute, now, tick.canary, tick.stable),
          stableBuckets: added(before.stableBuckets, tick.stable.buckets),
        };
  return pairs === undefined ? rollout : withPairs(rollout, pairs, now);
}

/** The same bet on what both were asked beside the visitors: times of that say little. */
function withPairs(before: Rollout, pairs: Tick, now: number): Rollout {
  const { canary, stable } = pairs;
  const seconds = Math.max(0, (now - before.betsAt) / 1000);
  return {
    ...before,
    step: {
      ...before.step,
      canary: plus(before.step.canary, [canary.answers, canary.errors]),
      stable: plus(before.step.stable, [stable.answers, stable.errors]),
    },
    evidence: take(before.evidence, pairs, undefined, seconds),
  };
}

function withHarm(rollout: Rollout, { rescued, seen }: Harm): Rollout {
  if (rescued === 0 && seen === 0) return rollout;
  const { harm } = rollout;
  return { ...rollout, harm: { rescued: harm.rescued + rescued, seen: harm.seen + seen } };
}

function judged(before: Rollout, now: number): Next {
  const rollout = warmed(before, now);
  if (rollout.held?.for === "failure") return orForgotten(rollout, now);
  const verdict = verdictOf(rollout.evidence, rollout.plan.notice, sumOf(rollout.minute, "stable"));
  if (verdict.is === "bad") {
    if (verdict.by !== "slow" || rollout.slow.count > 0)
      return back(rollout, now, say.failed(rollout, verdict, now));
    return stay(secondLookAtTimes(rollout, now));
  }
  if (isRejecting(rollout)) {
    if (rollout.plan.rejections === "count") return back(rollout, now, say.rejected(rollout, now));
    if (rollout.held === undefined) return hold(rollout, "rejections", now, verdict);
  }
  if (rollout.held !== undefined) return orForgotten(rollout, now);
  return rollout.phase === "look" ? looking(rollout, verdict, now) : stepping(rollout, verdict, now);
}

function isRejecting({ evidence, plan }: Rollout): boolean {
  return plan.rejections !== "ignore" && oddsOf(evidence.rejections) >= SURE;
}

function stepping(rollout: Rollout, verdict: Verdict, now: number): Next {
  if (rollout.phase === "shadow" && isShadowDone(rollout, verdict))
    return moved(firstStep(rollout, now), "advanced", say.shadowDone(rollout));
  const isGood = verdict.is === "good" && rollout.slow.until === undefined && rollout.phase === "step";
  if (isGood && now - rollout.phaseAt >= rollout.plan.everyMs) return forward(rollout, now);
  if (now - rollout.limitAt >= rollout.plan.limitMs) return hold(rollout, "limit", now, verdict);
  // The sample of an outage says nothing; the bets on it were fair and stay.
  return stay(verdict.is === "stable fails" ? withoutSample(rollout) : rollout);
}

function isShadowDone({ step, plan }: Rollout, { is }: Verdict): boolean {
  return step.canary[0] >= plan.shadowFirst && (is === "good" || is === "more");
}

/** The bets on copies were fair and stay; visitors are a sample of their own. */
function firstStep(rollout: Rollout, now: number): Rollout {
  return withoutSample({ ...stepAt(rollout, 0, now), phase: "step", limitAt: now });
}

function withoutSample(rollout: Rollout): Rollout {
  return { ...rollout, evidence: { ...rollout.evidence, canary: [0, 0], stable: [0, 0] } };
}

function secondLookAtTimes(rollout: Rollout, now: number): Rollout {
  const until = { answers: rollout.past[0] + WARMER_ANSWERS, at: now + WARMER_MS };
  return {
    ...rollout,
    slow: { count: rollout.slow.count + 1, until },
    evidence: { ...rollout.evidence, slow: freshMoney(SLOWER) },
  };
}

/** Ends the wait for a warmer canary: what decides is sampled anew, so that a slow one does not go on meanwhile. */
function warmed(rollout: Rollout, now: number): Rollout {
  const { until, count } = rollout.slow;
  if (until === undefined || (rollout.past[0] < until.answers && now < until.at)) return rollout;
  return withoutSample({ ...rollout, slow: { count, until: undefined } });
}

function forward(rollout: Rollout, now: number): Next {
  const text = say.advanced(rollout, nextShare(rollout));
  return rollout.at + 1 < rollout.plan.steps.length
    ? moved(stepAt(rollout, rollout.at + 1, now), "advanced", text)
    : everything(rollout, now, text);
}

function nextShare({ at, plan }: Rollout): Hundredths {
  return plan.steps[at + 1] ?? FULL;
}

function stepAt(rollout: Rollout, at: number, now: number): Rollout {
  return { ...rollout, at, phaseAt: now, step: NEW_STEP, probes: 0, history: rollout.stableBuckets };
}

/** All traffic; with nothing to bake that is the end. */
function everything(rollout: Rollout, now: number, text: string): Next {
  const phaseAt = now;
  const baking: Rollout = {
    ...rollout,
    phase: "bake",
    phaseAt,
    bakeAt: rollout.bakeAt ?? now,
    held: undefined,
    suspicion: NO_SUSPICION,
    step: NEW_STEP,
  };
  if (rollout.plan.bakeMs > 0) return moved(baking, "advanced", text);
  return { rollout: baking, move: { kind: "promoted", share: FULL, outcome: "promoted", text } };
}

function baking(rollout: Rollout, now: number): Next {
  if (isSuspected(rollout.suspicion)) {
    const look: Rollout = {
      ...rollout,
      phase: "look",
      phaseAt: now,
      betsAt: now,
      evidence: NO_EVIDENCE,
      slow: { count: 0, until: undefined },
      step: NEW_STEP,
      history: rollout.stableBuckets,
    };
    return moved(look, "looked", say.suspected(rollout));
  }
  if (now - (rollout.bakeAt ?? now) < rollout.plan.bakeMs) return stay(rollout);
  const text = say.promoted(rollout, now);
  return { rollout, move: { kind: "promoted", share: undefined, outcome: "promoted", text } };
}

/** Not sooner than after a minute, and only when it is quiet again, does the canary get everything back. */
function looking(rollout: Rollout, verdict: Verdict, now: number): Next {
  const isClear = verdict.is === "good" || verdict.is === "more";
  const isOver = now - rollout.phaseAt >= LOOK_MS && isQuiet(sumOf(rollout.minute, "canary"), rollout.past);
  return isClear && isOver && rollout.slow.until === undefined
    ? everything(rollout, now, say.cleared(rollout))
    : stay(rollout);
}

function hold(rollout: Rollout, reason: HeldFor, now: number, verdict: Verdict): Next {
  const held: Rollout = { ...rollout, held: { for: reason, since: now } };
  const text = say.held(held, verdict, now);
  return { rollout: held, move: { kind: "held", share: undefined, outcome: undefined, text } };
}

function orForgotten(rollout: Rollout, now: number): Next {
  if (now - (rollout.held?.since ?? now) < HELD_MS) return stay(rollout);
  return ended(rollout, say.undecided(rollout, now));
}

function back(rollout: Rollout, now: number, text: string): Next {
  if (rollout.plan.onFail === "stop") return ended(rollout, text);
  const held: Rollout = { ...rollout, held: { for: "failure", since: now } };
  return { rollout: held, move: { kind: "rolled_back", share: 0, outcome: undefined, text } };
}

function ended(rollout: Rollout, text: string): Next {
  return { rollout, move: { kind: "rolled_back", share: 0, outcome: "rolled_back", text } };
}

function moved(rollout: Rollout, kind: MoveKind, text: string): Next {
  return { rollout, move: { kind, share: shareNow(rollout), outcome: undefined, text } };
}

function stay(rollout: Rollout): Next {
  return { rollout, move: undefined };
}

function plus([answers, errors]: Sample, [more, failed]: Sample): Sample {
  return [answers + more, errors + failed];
}

function added(counts: readonly number[], more: readonly number[]): readonly number[] {
  if (more.every((count) => count === 0)) return counts;
  return Array.from(
    { length: Math.max(counts.length, more.length) },
    (_, bucket) => (counts[bucket] ?? 0) + (more[bucket] ?? 0),
  );
}

/** Nothing goes on until `resume`; the bets go on, and take it back all the same. */
export function holdByHand(rollout: Rollout, now: number): Next {
  return rollout.held === undefined ? hold(rollout, "operator", now, { is: "more", odds: 0 }) : stay(rollout);
}

/** Goes on judging; the limit counts anew. 4xx that held it are looked at afresh. */
export function resume(rollout: Rollout, now: number): Next {
  if (rollout.held === undefined || rollout.held.for === "failure") return stay(rollout);
  const evidence = { ...rollout.evidence, rejections: NO_EVIDENCE.rejections };
  const goesOn: Rollout = { ...rollout, held: undefined, limitAt: now, evidence };
  return {
    rollout: goesOn,
    move: { kind: "resumed", share: undefined, outcome: undefined, text: say.resumed(goesOn) },
  };
}

/** Everything to the canary now; when it has everything, the end of the bake. */
export function promote(rollout: Rollout, now: number, by: string): Next {
  if (rollout.phase !== "bake") return everything(rollout, now, say.promotedByHand(rollout, by));
  const text = say.promoted(rollout, now);
  return { rollout, move: { kind: "promoted", share: undefined, outcome: "promoted", text } };
}

export function abort(rollout: Rollout, now: number, by: string): Next {
  return ended(rollout, say.aborted(rollout, by, now));
}
