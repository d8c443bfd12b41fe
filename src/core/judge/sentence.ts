// What a rollout says for itself, in one grammar: outcome, who, numbers with counts, share, odds, how long.

import type { Hundredths } from "../route.ts";
import { FULL, formatWeight } from "../weight.ts";
import { oddsOf } from "./bet.ts";
import { cleanAnswers, type Sample, shareOfErrors } from "./confidence.ts";
import { sumOf } from "./last-minute.ts";
import { latencyLimitMs } from "./latency-buckets.ts";
import { scaleOf } from "./latency-scale.ts";
import { type Rollout, shareNow } from "./rollout-state.ts";
import { isBetter, type Verdict, verdictOf } from "./verdict.ts";
import { errorsText, oddsText, percent, points, spanText, whole } from "./words.ts";

type Bad = Extract<Verdict, { is: "bad" | "suspect" }>;

/** What it is doing now. */
export function status(rollout: Rollout, now: number): string {
  const { phase, held, plan, canary, stable, evidence, slow } = rollout;
  const verdict = verdictOf(evidence, plan.notice, sumOf(rollout.minute, "stable"));
  if (held !== undefined) return heldText(rollout, verdict, now);
  if (phase === "bake") {
    const left = plan.bakeMs - (now - (rollout.bakeAt ?? now));
    return `${canary} has everything: ${counts(rollout.step.canary)}; ${stable} stays warm for ${spanText(Math.max(0, left))} more`;
  }
  if (phase === "look") return `${suspected(rollout)}; ${beside(rollout)}`;
  if (phase === "shadow" && verdict.is !== "suspect")
    return `shadow: ${beside(rollout)}; ${missingPairs(rollout)}`;
  if (slow.until !== undefined) return `staying at ${share(rollout)}: ${slowAtFirst(rollout)}`;
  switch (verdict.is) {
    case "bad":
    case "suspect":
      return `staying at ${share(rollout)}: ${charge(rollout, verdict)}: ${oddsText(verdict.odds)} is not enough to say`;
    case "stable fails":
      return `staying at ${share(rollout)}: ${stableFails(rollout)}`;
    default:
      return `at ${share(rollout)}: ${beside(rollout)}; ${missing(rollout, now)}`;
  }
}

/** `25 % -> 50 %: v2 0 errors in 133, v1 1 in 401; 2 points more are ruled out`. */
export function advanced(rollout: Rollout, to: Hundredths): string {
  const from = `${share(rollout)} -> ${formatWeight(to)} %`;
  if (isBetter(rollout.evidence)) return `${from}: ${better(rollout)}: going on`;
  return `${from}: ${sampled(rollout)}; ${points(rollout.plan.notice)} more are ruled out`;
}

/** `shadow -> 5 %: v2 0 errors in 200 copies, v1 0 in 200`. */
export function shadowDone(rollout: Rollout): string {
  const [first] = rollout.plan.steps;
  return `shadow -> ${formatWeight(first ?? FULL)} %: ${beside(rollout)} copies`;
}

function missingPairs({ step, plan }: Rollout): string {
  const [pairs] = step.canary;
  return `${whole(pairs)} of ${whole(plan.shadowFirst)} copies are answered, no visitor is on it`;
}

function better({ canary, stable, step }: Rollout): string {
  return `${canary} ${percent(shareOfErrors(step.canary))} against ${stable} ${percent(shareOfErrors(step.stable))}`;
}

/** By statistics. */
export function failed(rollout: Rollout, verdict: Bad, now: number): string {
  return `rolled back: ${charge(rollout, verdict)} at ${share(rollout)}: ${oddsText(verdict.odds)}, ${ending(rollout, now)}`;
}

/** Without. */
export function failedAtOnce(rollout: Rollout, failure: string, now: number): string {
  return `rolled back: ${rollout.canary} ${failure} at ${share(rollout)}, ${ending(rollout, now)}`;
}

export function rejected(rollout: Rollout, now: number): string {
  const odds = oddsText(oddsOf(rollout.evidence.rejections));
  return `rolled back: ${rollout.canary} answers 4xx more often than ${rollout.stable} at ${share(rollout)}: ${odds}, ${ending(rollout, now)}`;
}

export function aborted(rollout: Rollout, by: string, now: number): string {
  return `rolled back: ${by} at ${share(rollout)}, ${ending(rollout, now)}`;
}

export function undecided(rollout: Rollout, now: number): string {
  return `rolled back: nobody decided within ${spanText(now - (rollout.held?.since ?? now))}; ${rollout.canary} ${counts(rollout.step.canary)} at ${share(rollout)}`;
}

export function held(rollout: Rollout, verdict: Verdict, now: number): string {
  return heldText(rollout, verdict, now);
}

function heldText(rollout: Rollout, verdict: Verdict, now: number): string {
  const { canary, service } = rollout;
  const ways = `ten promote ${service} | ten abort ${service}`;
  switch (rollout.held?.for) {
    case "operator":
      return `held at ${share(rollout)} by hand: ${beside(rollout)}; ten hold ${service} off | ${ways}`;
    case "failure":
      return `${canary} failed, has no traffic and is kept to be looked at; ten abort ${service} stops it`;
    case "rejections":
      return `held: ${canary} answers 4xx more often than ${rollout.stable}: ${oddsText(oddsOf(rollout.evidence.rejections))}; is that meant? ${ways}`;
    default:
      if (rollout.phase === "shadow") return `held: ${missingPairs(rollout)}; ${ways}`;
      return `held: ${limitReason(rollout, verdict, now)}; ${ways}`;
  }
}

function limitReason(rollout: Rollout, verdict: Verdict, now: number): string {
  if (verdict.is === "stable fails") return stableFails(rollout);
  if (verdict.is === "suspect" || verdict.is === "bad")
    return `${charge(rollout, verdict)}: ${oddsText(verdict.odds)} is not enough to say`;
  return missing(rollout, now);
}

export function resumed(rollout: Rollout): string {
  return `judging goes on at ${share(rollout)}: ${beside(rollout)}`;
}

export function promotedByHand(rollout: Rollout, by: string): string {
  return `${share(rollout)} -> 100 %: ${by}; ${beside(rollout)}`;
}

export function suspected(rollout: Rollout): string {
  const { canary, stable, past } = rollout;
  const minute = sumOf(rollout.minute, "canary");
  return `both at 50 %: ${canary} fails ${percent(shareOfErrors(minute))} (${percent(shareOfErrors(past))} before), so ${stable} is asked too`;
}

export function cleared(rollout: Rollout): string {
  return `50 % -> 100 %: ${sampled(rollout)}; it was not ${rollout.canary}`;
}

export function promoted(rollout: Rollout, now: number): string {
  return `promoted: ${rollout.canary} ${counts(rollout.step.canary)}, after ${spanText(now - rollout.startedAt)}`;
}

/** `after 2 min; 3 visitors saw an error, 14 were rescued`. */
function ending(rollout: Rollout, now: number): string {
  const { seen, rescued } = rollout.harm;
  const after = `after ${spanText(now - rollout.startedAt)}`;
  if (seen === 0 && rescued === 0) return after;
  const saw = `${seen === 0 ? "no" : whole(seen)} ${seen === 1 ? "visitor" : "visitors"} saw an error`;
  return `${after}; ${saw}${rescued > 0 ? `, ${whole(rescued)} ${rescued === 1 ? "was" : "were"} rescued` : ""}`;
}

/** `v2 4.1 % errors (17 of 412) against v1 0.2 % (3 of 1,236)`. */
function charge(rollout: Rollout, { by }: Bad): string {
  const { canary, stable, step, probes = 0 } = rollout;
  switch (by) {
    case "errors": {
      const [answers, errors] = step.stable;
      const ours = probes > 0 ? `, ${whole(probes)} of each of them probes,` : "";
      return `${canary} ${errorsText(step.canary)} against ${stable} ${percent(shareOfErrors(step.stable))} (${whole(errors)} of ${whole(answers)})${ours}`;
    }
    case "slow":
      return slowness(rollout);
    case "stalls":
      return stalling(rollout);
  }
}

/** `v2 is slow: half its answers are among v1's slowest 10 %`. */
function slowness({ canary, stable, step, history }: Rollout): string {
  const middle = medianOf(step.buckets);
  let slower = 0;
  let total = 0;
  for (const [bucket, count] of history.entries()) {
    total += count;
    if (bucket >= middle) slower += count;
  }
  if (slower === 0) return `${canary} is slow: half its answers took longer than any of ${stable}'s before`;
  return `${canary} is slow: half its answers are among ${stable}'s slowest ${percent(slower / total)}`;
}

function medianOf(buckets: readonly number[]): number {
  const half = buckets.reduce((sum, count) => sum + count, 0) / 2;
  let seen = 0;
  return buckets.findIndex((count) => {
    seen += count;
    return seen >= half;
  });
}

function stalling({ canary, stable, step, history, plan }: Rollout): string {
  const scale = scaleOf(history, plan.grace);
  const limit = scale?.stall ?? 0;
  const stalls = step.buckets.slice(limit + 1).reduce((sum, count) => sum + count, 0);
  return `${canary} stalls: ${whole(stalls)} of ${whole(step.canary[0])} answers took over ${whole(latencyLimitMs(limit))} ms, four times what 95 % of ${stable}'s take`;
}

function slowAtFirst({ canary, slow, past }: Rollout): string {
  const left = Math.max(0, (slow.until?.answers ?? 0) - past[0]);
  return `${canary} looks slow, which may be a cold start: it gets ${whole(left)} more answers to get warm`;
}

function stableFails(rollout: Rollout): string {
  const ours = shareOfErrors(sumOf(rollout.minute, "canary"));
  const theirs = shareOfErrors(sumOf(rollout.minute, "stable"));
  return `${rollout.stable} itself fails ${percent(theirs)} (${rollout.canary} ${percent(ours)})`;
}

/** `v2 0 errors in 133, v1 1 in 401`, on this step. */
function beside({ canary, stable, step, probes = 0 }: Rollout): string {
  const ours = probes > 0 ? ` (${whole(probes)} of each are probes)` : "";
  return `${canary} ${counts(step.canary)}, ${stable} ${whole(step.stable[1])} in ${whole(step.stable[0])}${ours}`;
}

/** The same of the sample that decides, which goes across steps. */
function sampled({ canary, stable, evidence }: Rollout): string {
  return `${canary} ${counts(evidence.canary)}, ${stable} ${whole(evidence.stable[1])} in ${whole(evidence.stable[0])}`;
}

function counts([answers, errors]: Sample): string {
  return `${whole(errors)} ${errors === 1 ? "error" : "errors"} in ${whole(answers)}`;
}

/** `v2 has 12 of the 25 answers it needs (0 errors); at 0.02/s in 22 min`. */
function missing(rollout: Rollout, now: number): string {
  const { canary, evidence, plan, step, phaseAt } = rollout;
  const needed = cleanAnswers(plan.notice);
  const [answers, errors] = evidence.canary;
  if (answers >= needed && errors === 0) return `${points(plan.notice)} more are ruled out`;
  if (answers >= needed) return `${whole(answers)} answers do not rule out ${points(plan.notice)} more yet`;
  const perSecond = step.canary[0] / Math.max(1, (now - phaseAt) / 1000);
  const when =
    perSecond > 0
      ? `at ${Number(perSecond.toPrecision(2))}/s in ${spanText(((needed - answers) / perSecond) * 1000)}`
      : "none has come yet";
  return `${canary} has ${whole(answers)} of the ${whole(needed)} answers it needs (${whole(errors)} errors); ${when}`;
}

function share(rollout: Rollout): string {
  if (rollout.phase === "shadow") return "0 % (copies only)";
  return `${formatWeight(rollout.held?.for === "failure" ? 0 : shareNow(rollout))} %`;
}

export function started(rollout: Rollout): string {
  const { shadowFirst } = rollout.plan;
  const first = shadowFirst > 0 ? `${whole(shadowFirst)} copies, ` : "";
  const steps = [...rollout.plan.steps, FULL].map((step) => `${formatWeight(step)} %`).join(", ");
  return `${rollout.canary} starts beside ${rollout.stable}: ${first}${steps}`;
}
