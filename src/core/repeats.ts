// Lines that come again and again: told when they have come twice as often as the last time, with how often.

const NUMBERS = /\d+(?:\.\d+)?/g;

/** Remembers one line for each key; what differs in its numbers only (a delay, a pid, a port) is the same line. */
export class Repeats {
  readonly #last = new Map<string, { readonly shape: string; count: number }>();

  /** The line to be told, or undefined: the 1st, 2nd, 4th, 8th time in a row. */
  tell(key: string, line: string): string | undefined {
    const shape = line.replace(NUMBERS, "0");
    const last = this.#last.get(key);
    if (last?.shape !== shape) {
      this.#last.set(key, { shape, count: 1 });
      return line;
    }
    last.count += 1;
    const isPowerOfTwo = (last.count & (last.count - 1)) === 0;
    return isPowerOfTwo ? `${line} (${last.count} times)` : undefined;
  }

  forget(key: string): void {
    this.#last.delete(key);
  }
}
