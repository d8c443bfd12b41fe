// A file system of a few megabytes that a test can fill; only root may mount one.
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { createTempDir } from "./temp-dir.ts";

export interface SmallDisk extends Disposable {
  readonly path: string;
  /** Leaves no byte free. */
  fill(): void;
  makeRoom(): void;
}

/** Whether this user may mount one at all: not as a rule, unless it is root. */
export function canMountDisk(): boolean {
  using disk = tryMount(1);
  return disk !== undefined;
}

export function mountSmallDisk(megabytes: number): SmallDisk {
  const disk = tryMount(megabytes);
  if (!disk) throw new Error("only root may mount a small disk");
  return disk;
}

function tryMount(megabytes: number): SmallDisk | undefined {
  const temp = createTempDir();
  const path = temp.file("disk");
  mkdirSync(path, { mode: 0o700 });
  const options = `size=${megabytes}m,mode=700`;
  const filler = `${path}/.filler`;
  const { exitCode } = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], {
    stderr: "ignore",
  });
  if (exitCode !== 0) {
    temp[Symbol.dispose]();
    return undefined;
  }
  return {
    path,
    fill: () => writeUntilFull(filler),
    makeRoom: () => rmSync(filler, { force: true }),
    [Symbol.dispose]() {
      Bun.spawnSync(["umount", "-l", path]);
      temp[Symbol.dispose]();
    },
  };
}

function writeUntilFull(path: string): void {
  const descriptor = openSync(path, "a");
  try {
    for (const size of [65_536, 4_096, 1]) writeAll(descriptor, new Uint8Array(size));
  } finally {
    closeSync(descriptor);
  }
}

function writeAll(descriptor: number, block: Uint8Array): void {
  try {
    while (writeSync(descriptor, block) > 0);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOSPC") throw thrown;
  }
}
