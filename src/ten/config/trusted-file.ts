// Whose word a configuration is that was found and not named: it says what runs, and where commands connect to.
import { lstatSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";

const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/**
 * Refuses a file that anybody may write; and one from a directory above (`isAbove`), where nobody went on purpose, that is neither ours nor
 * root's. Whoever means it names it.
 */
export function requireTrusted(file: string, isAbove: boolean): void {
  const found = statSync(file, { throwIfNoEntry: false });
  const directory = statSync(dirname(file), { throwIfNoEntry: false });
  if (found === undefined || directory === undefined) return;
  const hint = `if it is meant, name it: --config ${file}`;
  if ((found.mode & OTHERS_WRITE) !== 0)
    throw new Fault(
      "usage",
      `${quote(file)} may be written by every user of this machine`,
      `chmod o-w ${file}; or, ${hint}`,
    );
  if (!isAbove) return;
  // In a sticky directory, as /tmp is, nobody else can put another file in its place.
  const isOpen = (directory.mode & OTHERS_WRITE) !== 0 && (directory.mode & STICKY) === 0;
  // The file, a link to it, and what relative paths in it start at.
  if (!isOpen && [found, lstatSync(file), directory].every(isOursOrRoots)) return;
  throw new Fault(
    "usage",
    `${quote(file)}, found above the working directory, belongs to another user, who would say what runs here`,
    hint,
  );
}

function isOursOrRoots({ uid }: Stats): boolean {
  return uid === 0 || uid === process.getuid?.();
}
