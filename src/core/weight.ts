// Weights: percentages kept as integer hundredths, and the exact arithmetic that moves them between instances.
import { Fault, messageOf } from "./fault.ts";
import { quote } from "./quote.ts";
import type { Hundredths } from "./route.ts";

export const FULL: Hundredths = 100_00;

/** The weight of every instance of one service, by id. */
export type Weights = ReadonlyMap<string, Hundredths>;

/** `10`, `10%`, `33.33` or a number as hundredths; anything but 0 to 100 with at most two decimals is a usage fault. */
export function parseWeight(value: string | number, what = "weight"): Hundredths {
  const text = String(value);
  const match = /^(\d{1,3})(?:\.(\d{1,2}))?(?: ?%)?$/.exec(text);
  const hundredths = match ? Number(match[1]) * 100 + Number((match[2] ?? "").padEnd(2, "0")) : Number.NaN;
  if (hundredths <= FULL) return hundredths;
  throw new Fault(
    "usage",
    `${what} ${quote(text)} is not a weight`,
    "write a number from 0 to 100, at most two decimals",
  );
}

/** Hundredths as people write them: `10`, `33.33`, `0.5`. */
export function formatWeight(weight: Hundredths): string {
  return String(weight / 100);
}

export function sum(weights: Iterable<Hundredths>): Hundredths {
  let total = 0;
  for (const weight of weights) total += weight;
  return total;
}

/**
 * Scales positive weights in proportion so that they sum to exactly `total`, by largest remainder with ties by id.
 * None falls below 0.01; throws a RangeError when `total` has no room for that.
 */
export function scale(weights: Weights, total: Hundredths): Map<string, Hundredths> {
  if (total < weights.size) throw new RangeError(`${weights.size} instances need at least 0.01 % each`);
  const before = sum(weights.values());
  const parts = [...weights].map(([id, weight]) => {
    const ideal = (weight * total) / before;
    return { id, ideal, weight: Math.max(1, Math.floor(ideal)) };
  });
  parts.sort((a, b) => b.ideal - b.weight - (a.ideal - a.weight) || (a.id < b.id ? -1 : 1));
  let rest = total - sum(parts.map((part) => part.weight));
  for (const part of parts) if (rest > 0) rest -= increment(part, 1);
  // The floor of 0.01 may have given out too much: the largest give it back.
  parts.sort((a, b) => b.weight - a.weight || (a.id < b.id ? -1 : 1));
  for (const part of parts) if (rest < 0) rest += increment(part, -Math.min(-rest, part.weight - 1));
  return new Map(parts.map((part) => [part.id, part.weight]));
}

function increment(part: { weight: Hundredths }, by: Hundredths): Hundredths {
  part.weight += by;
  return Math.abs(by);
}

/** Only the entries that have weight. */
export function positive(weights: Weights): Map<string, Hundredths> {
  return new Map([...weights].filter(([, weight]) => weight > 0));
}

/**
 * Gives `ids` together exactly `share` percent: it is divided among them equally, and the siblings that have weight are
 * scaled to the rest. With no such sibling the result sums to `share` alone: the caller decides whether that may be.
 */
export function withShare(
  weights: Weights,
  ids: readonly string[],
  share: Hundredths,
): Map<string, Hundredths> {
  const siblings = new Map([...positive(weights)].filter(([id]) => !ids.includes(id)));
  const result = new Map([...weights.keys()].map((key) => [key, 0]));
  for (const [id, weight] of divide(ids, share)) result.set(id, weight);
  if (share === FULL || siblings.size === 0) return result;
  for (const [id, weight] of fit(siblings, FULL - share)) result.set(id, weight);
  return result;
}

/**
 * Moves all of `from`'s weight to `to`, each one instance or several together. If that passes 100, all weights are first
 * scaled to sum to 100, so that nobody else's share changes.
 */
export function moved(
  weights: Weights,
  from: readonly string[],
  to: readonly string[],
): Map<string, Hundredths> {
  const both = (held: Weights) => totalOf(held, from) + totalOf(held, to);
  let result = new Map(weights);
  if (both(result) > FULL) result = new Map([...result, ...fit(positive(result), FULL)]);
  for (const [id, weight] of divide(to, both(result))) result.set(id, weight);
  for (const id of from) result.set(id, 0);
  return result;
}

/** All traffic to one instance, or to several in equal parts. */
export function only(weights: Weights, ids: readonly string[]): Map<string, Hundredths> {
  return withShare(new Map([...weights.keys()].map((key) => [key, 0])), ids, FULL);
}

/** The weight that several have together. */
export function totalOf(weights: Weights, ids: readonly string[]): Hundredths {
  return sum(ids.map((id) => at(weights, id)));
}

function divide(ids: readonly string[], total: Hundredths): Weights {
  return total === 0 ? new Map(ids.map((id) => [id, 0])) : fit(new Map(ids.map((id) => [id, 1])), total);
}

export function at(weights: Weights, id: string): Hundredths {
  return weights.get(id) ?? 0;
}

export function sameWeights(a: Weights, b: Weights): boolean {
  if (a.size !== b.size) return false;
  for (const [id, weight] of a) if (b.get(id) !== weight) return false;
  return true;
}

/** The percentage that a weight is of a total, with two decimals: 33.33. */
export function shareOf(weight: Hundredths, total: Hundredths): number {
  return total === 0 ? 0 : Math.round((weight / total) * FULL) / 100;
}

function fit(weights: Weights, total: Hundredths): Map<string, Hundredths> {
  try {
    return scale(weights, total);
  } catch (thrown) {
    throw new Fault(
      "conflict",
      messageOf(thrown),
      "leave more to the siblings, or give one of them all with route",
    );
  }
}
