// What the evidence says at this moment: take it back, stay, or go on.
import { oddsOf, SURE, SUSPECT } from "./bet.ts";
import { cleanAnswers, type Sample, upperDifference, wilson } from "./confidence.ts";
import type { Evidence } from "./evidence.ts";

/** The bets that may take a version back. */
export type Charge = "errors" | "slow" | "stalls";

export type Verdict =
  /** At most one of 1,000 versions that are no worse ever get here, by each charge. */
  | { readonly is: "bad"; readonly by: Charge; readonly odds: number }
  | { readonly is: "suspect"; readonly by: Charge; readonly odds: number }
  /** The stable fails too: nobody is to blame, and nothing goes on. */
  | { readonly is: "stable fails"; readonly odds: number }
  /** More than `notice` is ruled out. */
  | { readonly is: "good"; readonly odds: number }
  | { readonly is: "more"; readonly odds: number };

const CHARGES = ["errors", "stalls", "slow"] as const;
/** Below this many answers nothing goes on, unless `notice` takes fewer. */
const LEAST_NOTICE = 0.05;

/** `notice` is a difference of shares (0.02 is two points); `stableMinute` what the stable answered in its last minute. */
export function verdictOf(evidence: Evidence, notice: number, stableMinute: Sample = [0, 0]): Verdict {
  let by: Charge = "errors";
  for (const charge of CHARGES) if (oddsOf(evidence[charge]) > oddsOf(evidence[by])) by = charge;
  const odds = oddsOf(evidence[by]);
  if (odds >= SURE) return { is: "bad", by, odds };
  if (odds >= SUSPECT) return { is: "suspect", by, odds };
  // One that mends what the stable suffers from is not held by it.
  if (fails(stableMinute) && !isBetter(evidence)) return { is: "stable fails", odds };
  return { is: isGood(evidence, notice) ? "good" : "more", odds };
}

export function isBetter({ better }: Evidence): boolean {
  return oddsOf(better) >= SURE;
}

function fails([answers, errors]: Sample): boolean {
  return errors >= 5 && errors > 0.1 * answers;
}

function isGood({ canary, stable }: Evidence, notice: number): boolean {
  if (canary[0] < answersNeeded(notice)) return false;
  return upperDifference(canary, stable) <= Math.max(notice, wilson(stable)[0]);
}

/** The fewest answers after which anything goes on. */
export function answersNeeded(notice: number): number {
  return Math.min(cleanAnswers(LEAST_NOTICE), cleanAnswers(notice));
}
