// A file that is there whole or not at all: written beside its place, then moved into it.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";

/** Two that write at once each replace the other's whole; a death half-way leaves the old file, and a draft. */
export function writeAtomic(path: string, text: string, mode: number): void {
  const draft = `${path}.${process.pid}.new`;
  try {
    const file = openSync(draft, "w", mode);
    try {
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, path);
  } catch (thrown) {
    rmSync(draft, { force: true });
    throw thrown;
  }
}

/** Has what was made, moved and removed in a directory outlive a power failure, where the file system can do that. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } catch (thrown) {
    // Some file systems know no fsync of a directory (fsync(2)).
    if ((thrown as NodeJS.ErrnoException).code !== "EINVAL") throw thrown;
  } finally {
    closeSync(directory);
  }
}

/** Undefined when there is no such file. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw thrown;
  }
}

/** A line that only its owner reads, with the right mode from the first byte. */
export function writeSecret(path: string, secret: string): void {
  writeAtomic(path, `${secret}\n`, 0o600);
}

/** Undefined when there is none. */
export function readSecret(path: string): string | undefined {
  return readIfThere(path)?.trim() || undefined;
}
