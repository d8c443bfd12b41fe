// The nearest known word to one that is not known, for messages that help.
import { closest, distance } from "fastest-levenshtein";

/** The known word that goes on where the word ends, else the one that takes the fewest edits. Case does not count. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const begun = known.find((candidate) => isBegun(word, candidate));
  if (begun !== undefined || known.length === 0) return begun;
  const lower = known.map((candidate) => candidate.toLowerCase());
  return known[lower.indexOf(closest(word.toLowerCase(), lower))];
}

/** Whether one is probably meant by the other: only begun, or a slip of at most a third of its letters, rounded up. */
export function isNear(word: string, other: string): boolean {
  if (isBegun(word, other)) return true;
  const letters = Math.max(word.length, other.length);
  return distance(word.toLowerCase(), other.toLowerCase()) <= Math.ceil(letters / 3);
}

/** One letter begins too many words. */
function isBegun(word: string, other: string): boolean {
  return word.length > 1 && other.toLowerCase().startsWith(word.toLowerCase());
}

/** The hint of a usage error: the word that was probably meant, or else where all of them are listed. */
export function advice(written: string, known: readonly string[], otherwise: string): string {
  const found = nearest(written, known);
  return found !== undefined && isNear(written, found) ? `did you mean ${found}? (${otherwise})` : otherwise;
}

/** The end of a message about an unknown word, `did you mean "x"?`; empty when none is near. */
export function suggest(word: string, known: readonly string[]): string {
  const found = nearest(word, known);
  return found !== undefined && isNear(word, found) ? `did you mean "${found}"?` : "";
}
