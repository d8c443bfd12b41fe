// Where an append log is read: at its path, or, when that was removed or moved under the process that writes it, through that process.
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { isRunning, readDescriptor } from "../process/proc.ts";

/** The process that holds a log open, and as which of its descriptors. */
export interface LogWriter {
  readonly pid: number;
  readonly startTime: string;
  readonly descriptor: number;
}

/**
 * Follows logs to where they have gone. A process goes on writing to the file that it has opened, which nobody sees any more
 * once it has no name; its descriptor in /proc leads there as long as it runs. Linux only: elsewhere logs are where they were.
 */
export class LogSources {
  /** The inodes of the files that were at their paths. */
  readonly #seen = new Map<string, number>();
  readonly #lost = new Map<string, string>();

  /** The file to open for what belongs at that path. */
  of(path: string): string {
    return this.#lost.get(path) ?? path;
  }

  /** Nobody writes it any more: it is what lies at its path. */
  forget(path: string): void {
    this.#seen.delete(path);
    this.#lost.delete(path);
  }

  /**
   * Looks where the writer's file is. True when it is not at its path, and was at the last look. Costs one stat while the
   * same file is there.
   */
  look(path: string, writer: LogWriter): boolean {
    const here = inodeOf(path);
    if (here !== undefined && here === this.#seen.get(path) && !this.#lost.has(path)) return false;
    const held = this.#heldBy(path, writer, here);
    if (held !== undefined) {
      const isNew = !this.#lost.has(path);
      this.#lost.set(path, held);
      return isNew;
    }
    this.#lost.delete(path);
    if (here !== undefined) this.#seen.set(path, here);
    return false;
  }

  /** The way to the writer's file where that is our log and is not at its path. */
  #heldBy(path: string, { pid, startTime, descriptor }: LogWriter, here: number | undefined) {
    const link = readDescriptor(pid, String(descriptor));
    if (link === undefined || !isRunning({ pid, startTime })) return undefined;
    const way = `/proc/${pid}/fd/${descriptor}`;
    const held = inodeOf(way);
    if (held === undefined || held === here) return undefined;
    // A program may have led its output elsewhere: that is not ours to read, and not ours to trim.
    const isOurs = held === this.#seen.get(path) || dirname(link) === dirname(path);
    return isOurs ? way : undefined;
  }
}

/** Also what cannot be looked at is not there, as when a directory on the way has become a file. */
function inodeOf(path: string): number | undefined {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats?.isFile() ? stats.ino : undefined;
  } catch {
    return undefined;
  }
}
