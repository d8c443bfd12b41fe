// What a plan promises, in words, before anything starts.
import { FULL, formatWeight } from "../weight.ts";
import { SURE } from "./bet.ts";
import { type Forecast, foresee, type Measured, PAIRS_UNTIL_BACK, type Plan } from "./plan.ts";
import { points, spanText, whole } from "./words.ts";

/** `rescues`: what changes nothing is answered by the stable when the canary fails it. */
export function preview(
  about: { readonly service: string; readonly canary: string; readonly rescues: boolean },
  plan: Plan,
  measured: Measured,
): readonly string[] {
  const { service, canary, rescues } = about;
  const forecast = foresee(plan, measured);
  return [
    ...planLines(service, canary, plan, measured, forecast),
    ...promiseLines(plan, measured, forecast, rescues ? ", GETs rescued" : ""),
  ];
}

function planLines(
  service: string,
  canary: string,
  plan: Plan,
  { perSecond, errorShare }: Measured,
  { goodMs, answers }: Forecast,
): string[] {
  const steps = plan.steps.map((step) => `${formatWeight(step)} %`).join(", ");
  const probes = plan.probe === undefined ? "" : ` Both are asked for ${plan.probe} once a second besides.`;
  const rate = `${Number(perSecond.toPrecision(2))} ${perSecond === 1 ? "request" : "requests"}/s`;
  const duration = Number.isFinite(goodMs) ? `${spanText(goodMs)} if ${canary} is good` : "";
  const needs = `it goes on after ${whole(answers)} answers of ${canary} without an error`;
  const lasting = duration === "" ? needs : duration;
  const first = plan.shadowFirst > 0 ? `${whole(plan.shadowFirst)} copies, ` : "";
  const bake = plan.bakeMs > 0 ? `; then the old version stays warm for ${spanText(plan.bakeMs)}` : "";
  if (perSecond === 0)
    return [
      `${service} had no request in the last 10 minutes. Plan: ${first}${steps}, then all; ${lasting}${bake}.${probes}`,
      `Without ${plan.probe === undefined ? "traffic" : "answers"} it is held after ${spanText(plan.limitMs)}, and given up a day later.`,
    ];
  const errors = `${(errorShare * 100).toFixed(1)} % errors`;
  return [
    `${service} answers ${rate}, ${errors}. Plan: ${first}${steps}, then all; ${lasting}${bake}.${probes}`,
  ];
}

function promiseLines(
  plan: Plan,
  { perSecond }: Measured,
  { notices, failure, finer }: Forecast,
  rescued: string,
): string[] {
  const share = `${formatWeight(plan.steps[0] ?? FULL)} %`;
  if (plan.shadowFirst > 0)
    return [
      `A version that always fails is taken back after ${PAIRS_UNTIL_BACK} copies that only it fails: no visitor sees it.`,
      `It would let pass fewer than ${points(plan.notice)} more errors. Bar: ${whole(SURE)} to 1.`,
    ];
  if (perSecond === 0)
    return [`A version that always fails is taken back after ${failure.answers} answers at ${share}.`];
  const found = notices.map(({ points: size, afterMs }, i) =>
    i === 0
      ? `${points(size)} more errors in about ${spanText(afterMs)}`
      : `${points(size)} in ${spanText(afterMs)}`,
  );
  const total = `a total failure in ${spanText(failure.afterMs)} (${failure.answers} answers${rescued})`;
  const finerText =
    finer === undefined ? "" : ` Finer: --notice ${finer.notice * 100}% (needs ${spanText(finer.goodMs)}).`;
  return [
    `It notices ${[...found, total].join(", ")}.`,
    `It would let pass fewer than ${points(plan.notice)}.${finerText} Bar: ${whole(SURE)} to 1.`,
  ];
}
