// Tells the few names of fields that matter from all others, by their length and then their letters: no string is made of a name.
import { isAt } from "./bytes.ts";

/** The number of a name that is not known. */
export const UNKNOWN = 0;

interface Known {
  readonly name: string;
  readonly number: number;
}

export class FieldNames {
  readonly #byLength: readonly (readonly Known[])[];

  /** Names in lower case with a number above 0 each; of two numbers for one name the first counts. */
  constructor(names: Iterable<readonly [name: string, number: number]>) {
    const all = [...names];
    const longest = Math.max(0, ...all.map(([name]) => name.length));
    this.#byLength = Array.from({ length: longest + 1 }, (_, length) =>
      all.filter(([name]) => name.length === length).map(([name, number]) => ({ name, number })),
    );
  }

  /** The number of the name in `bytes[start, start + length)`, in any case; `UNKNOWN` for all others. */
  numberAt(bytes: Buffer, start: number, length: number): number {
    if (length >= this.#byLength.length) return UNKNOWN;
    const same = this.#byLength[length] as readonly Known[];
    for (let i = 0; i < same.length; i++) {
      const known = same[i] as Known;
      if (isAt(bytes, start, known.name)) return known.number;
    }
    return UNKNOWN;
  }
}
