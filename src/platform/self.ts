// How this program starts itself again, as the compiled executable or from its source.

/** The words to begin with, absolute; the program's own words follow. A link or a renamed file is followed to the executable. */
export function selfWords(): readonly [program: string, ...args: string[]] {
  return Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, Bun.main];
}
