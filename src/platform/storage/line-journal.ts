// A file that gets a line now and then and keeps a day of them: two files, the older of which is let go when the newer is full.
import { appendFileSync, renameSync, statSync } from "node:fs";
import type { Clock } from "../time/clock.ts";
import { readIfThere } from "./atomic-file.ts";

export interface LineJournal {
  /** All lines that can be read as JSON, oldest first. */
  read(): unknown[];
  /** Never throws: what the disk does not take is lost, and told once. */
  append(value: object): void;
}

export interface LineJournalOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Each file holds lines of so long, and at most so many bytes. */
  readonly spanMs: number;
  readonly maxBytes: number;
  onTrouble(text: string): void;
}

export function openLineJournal({
  path,
  clock,
  spanMs,
  maxBytes,
  onTrouble,
}: LineJournalOptions): LineJournal {
  const older = `${path}.1`;
  let bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  let sinceMs = clock.monotonic();
  let isTold = false;

  function rotate(): void {
    if (bytes === 0 || (bytes < maxBytes && clock.monotonic() - sinceMs < spanMs)) return;
    renameSync(path, older);
    bytes = 0;
    sinceMs = clock.monotonic();
  }

  return {
    read: () => [older, path].flatMap((file) => linesOf(readIfThere(file) ?? "")),
    append(value) {
      const line = `${JSON.stringify(value)}\n`;
      try {
        rotate();
        appendFileSync(path, line, { mode: 0o600 });
        bytes += line.length;
        isTold = false;
      } catch (thrown) {
        if (!isTold) onTrouble(`${path} cannot be written: ${(thrown as Error).message}`);
        isTold = true;
      }
    },
  };
}

/** A line that a death cut short is left out. */
function linesOf(text: string): unknown[] {
  return text.split("\n").flatMap((line) => {
    if (line === "") return [];
    try {
      return [JSON.parse(line) as unknown];
    } catch {
      return [];
    }
  });
}
