// A rollout as the API shows it: shares and points in percent, times as people and programs read them.

import type { z } from "zod";
import { oddsOf, SURE } from "../../core/judge/bet.ts";
import type { Sample } from "../../core/judge/confidence.ts";
import type { Plan } from "../../core/judge/plan.ts";
import { type Rollout, shareNow } from "../../core/judge/rollout-state.ts";
import { status } from "../../core/judge/sentence.ts";
import { differingOf, shadowText, worstPatterns } from "../../core/shadow/sentence.ts";
import type { Both } from "../../core/shadow/shadow-counts.ts";
import type { Foreseen } from "../operations/rollout/begin-rollout.ts";
import type { RolloutRow, ShadowRow } from "../registry/registry.ts";
import type { planned, RolloutView, ShadowView } from "./shapes.ts";

type Planned = z.infer<typeof planned>;

/** `rollout` is its state now; what has ended is as its row says. */
export function showRollout(
  row: RolloutRow,
  rollout: Rollout,
  now: number,
  shadow: ShadowRow | undefined = undefined,
): RolloutView {
  const { evidence, step, plan, held } = rollout;
  const odds = (of: keyof typeof evidence & ("errors" | "slow" | "stalls" | "rejections")) =>
    rounded(oddsOf(evidence[of]));
  const isUnderWay = row.outcome === null;
  return {
    service: row.service,
    number: row.seq,
    canary: row.canary,
    stable: row.stable,
    text: isUnderWay ? status(rollout, now) : row.text,
    outcome: row.outcome,
    phase: rollout.phase,
    share: isUnderWay ? shareNow(rollout) / 100 : row.outcome === "promoted" ? 100 : 0,
    step: placeOf(rollout),
    held: held === undefined ? null : { reason: held.for, since: iso(held.since) },
    started_at: iso(row.startedAt),
    since: iso(rollout.phaseAt),
    ended_at: row.endedAt === null ? null : iso(row.endedAt),
    odds: {
      errors: odds("errors"),
      slow: odds("slow"),
      stalls: odds("stalls"),
      rejections: odds("rejections"),
      bar: SURE,
    },
    on_step: { canary: showSample(step.canary), stable: showSample(step.stable) },
    harm: rollout.harm,
    plan: showPlan(plan),
    shadow: shadow === undefined ? null : shadowText(shadow.to, shadow.from, shadow.counts, shadow.evidence),
  };
}

function placeOf({ phase, at, plan }: Rollout): number {
  if (phase === "shadow") return 0;
  return phase === "step" ? at + 1 : plan.steps.length + 1;
}

function showSample([answers, errors]: Sample) {
  return { answers, errors };
}

function showPlan(plan: Plan) {
  return {
    steps: plan.steps.map((step) => step / 100),
    every_secs: plan.everyMs / 1000,
    notice_points: rounded(plan.notice * 100),
    max_slower: rounded(2 ** (plan.grace / 4)),
    bake_secs: plan.bakeMs / 1000,
    // Plans of earlier versions have none.
    shadow_first: plan.shadowFirst ?? 0,
    limit_secs: plan.limitMs / 1000,
    probe: plan.probe ?? null,
    rejections: plan.rejections,
    on_fail: plan.onFail,
  };
}

export function showForeseen(
  service: string,
  version: string,
  foreseen: Foreseen | "first" | "done",
): Planned {
  const none = { stable: null, requests_per_sec: null, error_percent: null, plan: null };
  if (foreseen === "first")
    return {
      service,
      version,
      kind: foreseen,
      ...none,
      text: [`nothing of ${service} runs yet: ${version} would get everything`],
    };
  if (foreseen === "done")
    return {
      service,
      version,
      kind: foreseen,
      ...none,
      text: [`${version} has all traffic of ${service} already`],
    };
  const { stable, measured, plan, lines } = foreseen;
  return {
    service,
    version,
    kind: "plan",
    stable,
    requests_per_sec: rounded(measured.perSecond),
    error_percent: rounded(measured.errorShare * 100),
    plan: showPlan(plan),
    text: [...lines],
  };
}

export function showShadow(row: ShadowRow, isCopying: boolean): ShadowView {
  const { service, to, from, counts, evidence } = row;
  const mean = ({ canary, stable }: Both, pairs: number) => ({
    canary: rounded(canary / Math.max(1, pairs)),
    stable: rounded(stable / Math.max(1, pairs)),
  });
  const differing = worstPatterns(counts);
  const alike = counts.patterns.filter((one) => one.differing === 0).sort((a, b) => b.pairs - a.pairs);
  return {
    service,
    to,
    from,
    text: shadowText(to, from, counts, evidence),
    sample: rounded(row.sample * 100),
    started_at: iso(row.startedAt),
    ended_at: isCopying ? null : iso(row.endedAt ?? row.startedAt),
    rollout: row.rollout,
    copies: counts.pairs,
    skipped: counts.skipped,
    differing: differingOf(counts),
    failed: counts.failed,
    rejected: counts.rejected,
    odds: rounded(oddsOf(evidence.errors)),
    patterns: [...differing, ...alike].map(
      ({ pattern, pairs, differing: unlike, ms, bytes, differences }) => ({
        pattern,
        copies: pairs,
        differing: unlike,
        ms: mean(ms, pairs),
        bytes: mean(bytes, pairs),
        differences: differences.map(([difference, count]) => ({ difference, count })),
      }),
    ),
  };
}

/** Three digits are all that is known. */
function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
