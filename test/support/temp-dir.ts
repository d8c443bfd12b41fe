// A directory of a test's own, removed with all its contents when the test ends.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TempDir extends Disposable {
  readonly path: string;
  file(name: string): string;
}

/** Named briefly: a path of a unix socket has 107 bytes. */
export function createTempDir(): TempDir {
  const path = mkdtempSync(join(tmpdir(), "t"));
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
