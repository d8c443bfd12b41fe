// What a run of copies says for itself: how many were answered alike, in what the others differ, and what that is worth.
import { oddsOf, SUSPECT } from "../judge/bet.ts";
import type { Evidence } from "../judge/evidence.ts";
import { oddsText, whole } from "../judge/words.ts";
import type { ShadowCounts, ShadowPattern } from "./shadow-counts.ts";

/** Kinds of paths that a sentence names. */
const NAMED = 2;

/** `v2 differs from v1 in 4 of 132 copies: GET /orders/:id (.total: number -> string)`. */
export function shadowText(to: string, from: string, counts: ShadowCounts, evidence: Evidence): string {
  const { pairs, failed } = counts;
  if (pairs === 0) return `${to} has answered no copy yet`;
  const differing = differingOf(counts);
  if (differing === 0) return `${to} answered ${copies(pairs)} as ${from} did`;
  const named = worstPatterns(counts)
    .slice(0, NAMED)
    .map(({ pattern, differences }) => `${pattern} (${differences[0]?.[0] ?? ""})`);
  const odds = oddsOf(evidence.errors);
  const charge =
    odds >= SUSPECT
      ? `; ${to} alone failed ${whole(failed.canary)}, ${from} alone ${whole(failed.stable)}: ${oddsText(odds)}`
      : "";
  return `${to} differs from ${from} in ${whole(differing)} of ${copies(pairs)}: ${named.join(", ")}${charge}`;
}

export function differingOf({ patterns }: ShadowCounts): number {
  return patterns.reduce((sum, { differing }) => sum + differing, 0);
}

/** Those that differ in anything, most often first; each with its differences in that order too. */
export function worstPatterns({ patterns }: ShadowCounts): readonly ShadowPattern[] {
  const byCount = (one: readonly [string, number], other: readonly [string, number]) => other[1] - one[1];
  return patterns
    .filter(({ differing }) => differing > 0)
    .map((pattern) => ({ ...pattern, differences: pattern.differences.toSorted(byCount) }))
    .sort((one, other) => other.differing - one.differing);
}

function copies(pairs: number): string {
  return `${whole(pairs)} ${pairs === 1 ? "copy" : "copies"}`;
}
