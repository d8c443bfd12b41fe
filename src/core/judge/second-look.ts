// After a canary got everything nobody is left to compare it with: its own past only raises a suspicion, never a verdict.
import { afterBet, freshMoney, gain, oddsOf, type Wealth, withLateMoney } from "./bet.ts";
import { type Sample, shareOfErrors, wilson } from "./confidence.ts";

/** How many times its past share of errors each alternative bets on. */
const WORSE = [4, 30];
/** Half a point above its past is nothing. */
const GRACE = 0.005;
/** A wrong suspicion costs a minute at 50 %, so the bar is low. */
const BAR = 100;

/** Money on a share of errors above that of the past. */
export interface Suspicion {
  readonly wealth: Wealth;
  readonly minute: number;
}

export const NO_SUSPICION: Suspicion = { wealth: freshMoney(WORSE), minute: 0 };

/** What a canary that is as good as it was fails at most. */
function expected(past: Sample): number {
  return Math.min(1, shareOfErrors(past) + GRACE);
}

export function suspect(
  { wealth, minute }: Suspicion,
  now: Sample,
  past: Sample,
  seconds: number,
): Suspicion {
  const [answers, errors] = now;
  const share = expected(past);
  let after = afterBet(wealth, (i) => gain(WORSE[i] ?? 1, errors, answers - errors, share));
  let paid = minute;
  while (paid < Math.floor(seconds / 60)) after = withLateMoney(after, ++paid);
  return { wealth: after, minute: paid };
}

export function isSuspected({ wealth }: Suspicion): boolean {
  return oddsOf(wealth) >= BAR;
}

/** Whether its last minute is as its past was. */
export function isQuiet(minute: Sample, past: Sample): boolean {
  return wilson(minute)[0] <= expected(past);
}
