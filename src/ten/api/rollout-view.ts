// A rollout as the API shows it: shares and points in percent, times as people and programs read them.

import type { z } from "zod";
import { oddsOf, SURE } from "../../core/judge/bet.ts";
import type { Sample } from "../../core/judge/confidence.ts";
import type { Plan } from "../../core/judge/plan.ts";
import { type Rollout, shareNow } from "../../core/judge/rollout-state.ts";
import { status } from "../../core/judge/sentence.ts";
import type { Foreseen } from "../operations/rollout/begin-rollout.ts";
import type { RolloutRow } from "../registry/registry.ts";
import type { planned, RolloutView } from "./shapes.ts";

type Planned = z.infer<typeof planned>;

/** `rollout` is its state now; what has ended is as its row says. */
export function showRollout(row: RolloutRow, rollout: Rollout, now: number): RolloutView {
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
    step: rollout.phase === "step" ? rollout.at + 1 : plan.steps.length + 1,
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
  };
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
    limit_secs: plan.limitMs / 1000,
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

/** Three digits are all that is known. */
function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
