// Waits for a condition of the outside world instead of sleeping for a guessed time.

type Nothing = undefined | null | false | 0 | "";

/** Resolves with the first value that says something (`true`, a text, an object); throws when that takes too long. */
export async function until<T>(
  what: string,
  look: () => T | Nothing | Promise<T | Nothing>,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await look();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await Bun.sleep(5);
  }
}
