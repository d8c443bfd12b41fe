// A fair bet on which of two versions gave an answer: it wins nothing in the long run unless one of them is worse.

/**
 * Money on several alternatives, in equal parts of the whole. It starts with a half and gets the other half minute by
 * minute, so that old good conduct is no credit: see `withLateMoney`.
 */
export type Wealth = readonly number[];

export function freshMoney(alternatives: readonly unknown[]): Wealth {
  return alternatives.map(() => 0.5);
}

/** Odds at which a version is taken back: by chance they are ever reached in at most one of 1,000 rollouts (Ville 1939). */
export const SURE = 1000;
/** Odds at which nothing goes on. */
export const SUSPECT = 10;
/** Far beyond every bar, and far from where numbers end. */
const MOST = 1e200;

/**
 * The logarithm of what the stake is multiplied by: a canary's answer pays odds / (1 + share (odds - 1)), a stable's
 * 1 / (1 + share (odds - 1)). Where the canary gives its `share` of these answers, the factor is 1 on average, whatever the
 * odds and however frequent the answers are.
 */
export function gain(odds: number, canary: number, stable: number, share: number): number {
  return canary * Math.log(odds) - (canary + stable) * Math.log1p(share * (odds - 1));
}

/** Each alternative's money after a bet that gained `log(alternative)`. */
export function afterBet(wealth: Wealth, log: (alternative: number) => number): Wealth {
  return wealth.map((money, alternative) => Math.min(MOST, money * Math.exp(log(alternative))));
}

/** What is staked anew at the end of minute `minute`, from 1: half of all money over all minutes. */
export function withLateMoney(wealth: Wealth, minute: number): Wealth {
  return wealth.map((money) => money + 0.5 / (minute * (minute + 1)));
}

/** What the money stands at, as `odds` to 1. */
export function oddsOf(wealth: Wealth): number {
  let sum = 0;
  for (const money of wealth) sum += money;
  return sum / wealth.length;
}
