// The nearest known word to one that is not known, for messages that help.
import { closest, distance } from "fastest-levenshtein";

/** The known word that takes the fewest edits to reach; undefined when none is known. Case does not count. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const lower = known.map((candidate) => candidate.toLowerCase());
  return known.length === 0 ? undefined : known[lower.indexOf(closest(word.toLowerCase(), lower))];
}

/** Whether two words are close enough that one is probably a slip for the other: a third of its letters, rounded up. */
export function isNear(word: string, other: string): boolean {
  const letters = Math.max(word.length, other.length);
  return distance(word.toLowerCase(), other.toLowerCase()) <= Math.ceil(letters / 3);
}

/** The end of a message about an unknown word: `did you mean "x"?`, or what comes nearest; empty when nothing is known. */
export function suggest(word: string, known: readonly string[]): string {
  const found = nearest(word, known);
  if (found === undefined) return "";
  return isNear(word, found) ? `did you mean "${found}"?` : `the nearest known one is "${found}"`;
}
