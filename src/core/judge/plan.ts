// The plan of a rollout as data, and what it promises: chosen from the traffic that was measured, before anything starts.
import { Fault } from "../fault.ts";
import { quote } from "../quote.ts";
import type { Hundredths } from "../route.ts";
import { FULL, formatWeight, parseWeight } from "../weight.ts";
import { gain, oddsOf, SURE } from "./bet.ts";
import { cleanAnswers } from "./confidence.ts";
import { NO_EVIDENCE, SLACK, take, WORSE } from "./evidence.ts";
import { graceOf } from "./latency-scale.ts";
import { answersNeeded } from "./verdict.ts";

export interface Plan {
  /** The canary's shares, rising, below all of it; after the last it gets all. */
  readonly steps: readonly Hundredths[];
  /** Each step lasts at least this. */
  readonly everyMs: number;
  /** A difference of error shares (0.02 is two points) that is ruled out before anything goes on. */
  readonly notice: number;
  /** Latency buckets that a canary may be slower. */
  readonly grace: number;
  /** How long the old version is kept warm after the canary got everything. */
  readonly bakeMs: number;
  /** After this without a promotion it is held for the operator. */
  readonly limitMs: number;
  /** Pairs of copies that both versions answer before any visitor gets there; 0: none. */
  readonly shadowFirst: number;
  /** A path that both are asked for once a second besides; undefined: none. */
  readonly probe?: string | undefined;
  /** What a 4xx that the canary gives too often leads to. */
  readonly rejections: Rejections;
  /** What follows a failure: the weights go back at once in any case. */
  readonly onFail: OnFail;
}

/** Fewer copies would not find a version that always fails. */
export const LEAST_COPIES = 20;
export const MOST_COPIES = 100_000;

export const REJECTIONS = ["hold", "count", "ignore"] as const;
export type Rejections = (typeof REJECTIONS)[number];
export const ON_FAIL = ["stop", "hold"] as const;
export type OnFail = (typeof ON_FAIL)[number];

/** What the service answered lately, before the rollout. */
export interface Measured {
  readonly perSecond: number;
  /** 0 to 1. */
  readonly errorShare: number;
}

/** As files and the API have them: shares and points in percent, times in seconds. */
export interface WishDocument {
  readonly steps?: readonly number[] | undefined;
  readonly every?: number | undefined;
  readonly notice?: number | undefined;
  readonly max_slower?: number | undefined;
  readonly within?: number | undefined;
  readonly limit?: number | undefined;
  readonly bake?: number | undefined;
  readonly shadow_first?: number | undefined;
  readonly probe?: string | undefined;
  readonly rejections?: Rejections | undefined;
  readonly on_fail?: OnFail | undefined;
}

/** Throws a usage fault for steps that lead nowhere. */
export function wishesOf(document: WishDocument): Wishes {
  const ms = (seconds: number | undefined) =>
    seconds === undefined ? undefined : Math.round(seconds * 1000);
  const { steps, notice, max_slower: factor, rejections, on_fail: onFail } = document;
  return {
    steps: steps && checkSteps(steps.map((step) => parseWeight(step, "step"))),
    everyMs: ms(document.every),
    notice: notice === undefined ? undefined : notice / 100,
    grace: factor === undefined ? undefined : graceOf(factor),
    withinMs: ms(document.within),
    limitMs: ms(document.limit),
    bakeMs: ms(document.bake),
    shadowFirst: document.shadow_first,
    probe: document.probe === undefined ? undefined : checkProbe(document.probe),
    rejections,
    onFail,
  };
}

/** What the operator said; the rest is chosen. */
export interface Wishes {
  readonly steps?: readonly Hundredths[] | undefined;
  readonly everyMs?: number | undefined;
  readonly notice?: number | undefined;
  readonly grace?: number | undefined;
  readonly withinMs?: number | undefined;
  readonly limitMs?: number | undefined;
  readonly bakeMs?: number | undefined;
  readonly shadowFirst?: number | undefined;
  readonly probe?: string | undefined;
  readonly rejections?: Rejections | undefined;
  readonly onFail?: OnFail | undefined;
}

const MINUTE_MS = 60_000;
const STEPS: readonly Hundredths[] = [1_00, 5_00, 25_00, 50_00];
/** The first step is the smallest that gets enough answers for five points within this. */
const FIRST_STEP_MS = 5 * MINUTE_MS;
const NOTICES = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
const WITHIN_MS = 10 * MINUTE_MS;
const LIMIT_TIMES = 6;
const BAKE_MS = 10 * MINUTE_MS;
const MOST_STEPS = 20;

/** To each version. */
export const PROBES_PER_SECOND = 1;

/** Throws a usage fault for what is no path. */
export function checkProbe(path: string): string {
  if (/^\/[\x21-\x7e]{0,1000}$/.test(path) && !path.includes("#")) return path;
  throw new Fault(
    "usage",
    `probe ${quote(path)} is no path`,
    "write one that both versions answer and that changes nothing: /products",
  );
}

/** Refuses wishes that nothing can come of at this rate. */
export function planFor(measured: Measured, wishes: Wishes): Plan {
  const steps = wishes.steps ?? stepsFor(measured.perSecond);
  const withinMs = wishes.withinMs ?? WITHIN_MS;
  const everyMs = wishes.everyMs ?? MINUTE_MS;
  if (wishes.everyMs !== undefined && wishes.probe === undefined)
    requireAnAnswer(measured, steps, wishes.everyMs);
  const rest = {
    steps,
    everyMs,
    grace: wishes.grace ?? 1,
    bakeMs: wishes.bakeMs ?? BAKE_MS,
    limitMs: wishes.limitMs ?? LIMIT_TIMES * withinMs,
    shadowFirst: wishes.shadowFirst ?? 0,
    ...(wishes.probe !== undefined && { probe: wishes.probe }),
    rejections: wishes.rejections ?? "hold",
    onFail: wishes.onFail ?? "stop",
  };
  const coarsest = NOTICES.at(-1) ?? 0.2;
  const fitting = NOTICES.find((notice) => durationMs({ ...rest, notice }, measured.perSecond) <= withinMs);
  return { ...rest, notice: wishes.notice ?? fitting ?? coarsest };
}

/** `5,25,50` in percent, rising; a final 100 is what follows anyway. */
export function checkSteps(steps: readonly Hundredths[]): readonly Hundredths[] {
  const shares = steps.at(-1) === FULL ? steps.slice(0, -1) : steps;
  const text = (of: readonly Hundredths[]) => of.map(formatWeight).join(",");
  const refuse = (why: string, instead = "5,25,50") =>
    new Fault("usage", `steps ${text(steps)}: ${why}`, `write ${instead}`);
  if (shares.length === 0) throw refuse("there is nothing to judge at 100 %");
  if (shares.some((share) => share <= 0 || share >= FULL))
    throw refuse("each step is above 0 and below 100 %");
  if (shares.some((share, i) => i > 0 && share <= (shares[i - 1] ?? 0)))
    throw refuse("they do not rise", text([...new Set(shares)].sort((a, b) => a - b)));
  if (shares.length > MOST_STEPS) throw refuse(`there are more than ${MOST_STEPS}`);
  return shares;
}

function stepsFor(perSecond: number): readonly Hundredths[] {
  const needed = cleanAnswers(0.05);
  const answers = (share: Hundredths) => perSecond * (share / FULL) * (FIRST_STEP_MS / 1000);
  const first = STEPS.findIndex((share) => answers(share) >= needed);
  return first < 0 ? STEPS.slice(-1) : STEPS.slice(first);
}

function requireAnAnswer({ perSecond }: Measured, steps: readonly Hundredths[], everyMs: number): void {
  const first = (steps[0] ?? FULL) / FULL;
  if (perSecond === 0 || (perSecond * first * everyMs) / 1000 >= 1) return;
  const least = Math.ceil(1 / (perSecond * first));
  throw new Fault(
    "usage",
    `--every ${everyMs / 1000}s: at ${shortRate(perSecond)} a step of ${formatWeight(first * FULL)} % sees no answer in that time`,
    `write --every ${least}s or longer, or leave it out: a step lasts until enough has been answered`,
  );
}

function shortRate(perSecond: number): string {
  return `${Number(perSecond.toPrecision(2))} requests/s`;
}

/** How long a good version takes until it has everything; infinite without traffic. */
export function durationMs({ steps, everyMs, notice, probe }: DurationPlan, perSecond: number): number {
  const first = (steps[0] ?? FULL) / FULL;
  const perSecondInAll = perSecond * first + (probe === undefined ? 0 : PROBES_PER_SECOND);
  const sampleMs = (Math.max(answersNeeded(notice), cleanAnswers(notice)) / perSecondInAll) * 1000;
  return Math.max(everyMs, sampleMs) + (steps.length - 1) * everyMs;
}

type DurationPlan = Pick<Plan, "steps" | "everyMs" | "notice" | "probe">;

/** What is said before the start. */
export interface Forecast {
  /** Until a good version has everything; infinite without traffic. */
  readonly goodMs: number;
  /** Clean answers that it takes. */
  readonly answers: number;
  /** How long faults of these sizes stay unnoticed on the first step. */
  readonly notices: readonly { readonly points: number; readonly afterMs: number }[];
  readonly failure: { readonly answers: number; readonly afterMs: number };
  /** The next finer `notice`, and how long a plan with it takes. */
  readonly finer: { readonly notice: number; readonly goodMs: number } | undefined;
}

export function foresee(plan: Plan, measured: Measured): Forecast {
  const { perSecond } = measured;
  const share = (plan.steps[0] ?? FULL) / FULL;
  const failures = failuresUntilBack(share);
  const finer = NOTICES.findLast((notice) => notice < plan.notice);
  const sizes = [0.05, 0.2].filter((points) => points >= plan.notice);
  return {
    goodMs: durationMs(plan, perSecond),
    answers: cleanAnswers(plan.notice),
    notices: sizes.map((points) => ({ points, afterMs: unnoticedMs(points, share, measured) })),
    failure: { answers: failures, afterMs: (failures / (share * perSecond)) * 1000 },
    finer:
      finer === undefined
        ? undefined
        : { notice: finer, goodMs: durationMs({ ...plan, notice: finer }, perSecond) },
  };
}

/** Of pairs of copies, how many fail on the canary alone until a version that always fails is taken back. */
export const PAIRS_UNTIL_BACK = failuresUntilBack(0.5);

/** About the time until a fault of so many points more errors is taken back; somewhat above what is measured. */
function unnoticedMs(points: number, share: number, { perSecond, errorShare }: Measured): number {
  const byCanary = share * (errorShare + points);
  const byStable = (1 - share) * (errorShare + SLACK);
  const perAnswer = Math.max(...WORSE.map((odds) => gain(odds, byCanary, byStable, share)));
  return perAnswer <= 0 ? Number.POSITIVE_INFINITY : (Math.log(6 * SURE) / (perSecond * perAnswer)) * 1000;
}

/** How many answers a version that always fails gives until it is taken back. */
export function failuresUntilBack(share: number): number {
  const none = { answers: 0, errors: 0, rejections: 0, buckets: [] };
  let evidence = NO_EVIDENCE;
  for (let failures = 1; ; failures++) {
    const stable = { ...none, answers: (1 - share) / share };
    evidence = take(evidence, { canary: { ...none, answers: 1, errors: 1 }, stable, share }, undefined, 0);
    if (oddsOf(evidence.errors) >= SURE || failures >= 100_000) return failures;
  }
}
