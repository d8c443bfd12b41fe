// The hint of a usage error: the word that was probably meant, or else where all of them are listed.
import { isNear, nearest } from "../core/did-you-mean.ts";

export function advice(written: string, known: readonly string[], otherwise: string): string {
  const found = nearest(written, known);
  return found !== undefined && isNear(written, found) ? `did you mean ${found}? (${otherwise})` : otherwise;
}
