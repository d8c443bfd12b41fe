// How this program starts itself again, as the compiled executable or from its source, and how one build is told from another.
import { statSync, writeFileSync } from "node:fs";
import { inheritedEnvironment } from "./environment.ts";

/** The first word that makes the executable a proxy worker; the path of its socket follows. */
export const WORKER_WORD = ".worker";
/** The first word that makes it search logs, as it is told on stdin. */
export const SEARCH_WORD = ".search";

/** The words to begin with, absolute; the program's own words follow. A link or a renamed file is followed to the executable. */
export function executableWords(): readonly [program: string, ...args: string[]] {
  return Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, Bun.main];
}

/**
 * Begins anew in this very process, with other words and more environment: what was among the words is not shown by `ps` any
 * more. Returns only where that cannot be done.
 */
export function reexecute(words: readonly string[], more: Readonly<Record<string, string>>): void {
  if (!Bun.isStandaloneExecutable) return;
  const environment = Object.entries({ ...inheritedEnvironment(), ...more });
  const given = environment.filter((pair): pair is [string, string] => pair[1] !== undefined);
  process.execve?.(process.execPath, [process.argv0, ...words], Object.fromEntries(given));
}

/** The same, for a child that must be this very build, even when another has taken the executable's place meanwhile. */
export function sameBuildWords(): readonly [program: string, ...args: string[]] {
  const [, ...args] = executableWords();
  return [ownExecutable(), ...args];
}

/** Different for different builds, also of one version: of the executable that this process runs, or of the one given. */
export function buildMark(version: string, executable = ownExecutable()): string {
  const { ino, size, mtimeMs } = statSync(executable);
  return `${version} ${size}.${Math.trunc(mtimeMs)}.${ino}`;
}

function ownExecutable(): string {
  return process.platform === "linux" ? "/proc/self/exe" : process.execPath;
}

/** How tools like ps and ss call this process, on Linux: at most 15 characters. */
export function nameProcess(name: string): void {
  if (process.platform === "linux") writeFileSync("/proc/self/comm", name);
}
