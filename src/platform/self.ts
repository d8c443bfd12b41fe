// How this program starts itself again, as the compiled executable or from its source.
import { inheritedEnvironment } from "./environment.ts";

/** The words to begin with, absolute; the program's own words follow. A link or a renamed file is followed to the executable. */
export function selfWords(): readonly [program: string, ...args: string[]] {
  return Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, Bun.main];
}

/**
 * Begins anew in this very process, with other words and more environment: what was among the words is not shown by `ps` any
 * more. Returns only where that cannot be done.
 */
export function beginAgain(words: readonly string[], more: Readonly<Record<string, string>>): void {
  if (!Bun.isStandaloneExecutable) return;
  const environment = Object.entries({ ...inheritedEnvironment(), ...more });
  const given = environment.filter((pair): pair is [string, string] => pair[1] !== undefined);
  process.execve?.(process.execPath, [process.argv0, ...words], Object.fromEntries(given));
}
