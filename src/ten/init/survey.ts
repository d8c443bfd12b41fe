// What `ten init` looks at in a directory, and what it may find there.
import { accessSync, constants, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { shellWord } from "../../core/shell-words.ts";

/** What there is in the directory and on the machine. Paths are relative to the directory. */
export interface Survey {
  /** The directory's own name. */
  readonly name: string;
  /** A file or a directory of that name. */
  exists(path: string): boolean;
  /** The text of a file; empty where there is none, or none of a readable size. */
  read(path: string): string;
  /** What a directory holds; `.` is this one. Empty where there is none. */
  list(directory: string): readonly Entry[];
  isExecutable(path: string): boolean;
  /** Whether a program is in PATH. */
  has(program: string): boolean;
  /** How a command line of an app calls this executable. */
  readonly own: string;
}

export interface Entry {
  readonly name: string;
  readonly isDirectory: boolean;
}

/** An app, and how it is run. Commands listen on 127.0.0.1 alone, so that visitors come through the proxy. */
export interface Found {
  /** With its article, `a Flask app (app.py)`. */
  readonly what: string;
  readonly command: string;
  /** Given: `command` is the program alone. */
  readonly args?: readonly string[];
  /** Its name, where one file names several. */
  readonly name?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly health?: string;
  readonly startupTimeout?: number;
  readonly beforeStart?: string;
  /** It listens on none: a worker. */
  readonly isWorker?: boolean;
  /** What has to be done or known, in sentences. */
  readonly notes?: readonly string[];
}

/** Finds apps of some kinds; none is an empty list. */
export type Kind = (survey: Survey) => readonly Found[];

const MAX_BYTES = 1_048_576;

/** A path as one word of a command: quoted where a shell would split it, and its braces are no placeholder. */
export function commandWord(path: string): string {
  return withoutPlaceholders(shellWord(path));
}

/** A word in braces of its own is text, not a placeholder; one behind a `$` is the shell's. */
export function withoutPlaceholders(line: string): string {
  return line.replace(/(?<!\$)\{([A-Za-z_][\w-]*)\}/g, "{{$1}}");
}

/** `path` is PATH; `own` as in Survey. */
export function surveyOf(directory: string, path: string, own: string): Survey {
  const at = (name: string) => join(directory, name);
  return {
    name: basename(resolve(directory)),
    own,
    exists: (name) => statSync(at(name), { throwIfNoEntry: false }) !== undefined,
    read(name) {
      try {
        return statSync(at(name)).size > MAX_BYTES ? "" : readFileSync(at(name), "utf8");
      } catch {
        return "";
      }
    },
    list(name) {
      try {
        return readdirSync(at(name), { withFileTypes: true })
          .map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }))
          .sort((one, other) => (one.name < other.name ? -1 : 1));
      } catch {
        return [];
      }
    },
    isExecutable(name) {
      try {
        accessSync(at(name), constants.X_OK);
        return statSync(at(name)).isFile();
      } catch {
        return false;
      }
    },
    has: (program) => Bun.which(program, { PATH: path }) !== null,
  };
}

/** The path by which an app's source seems to say that it is well. */
export function healthIn(source: string): string | undefined {
  return /["'`](\/(?:api\/)?(?:healthz?|health-?check|livez|readyz|up|ping|status))["'`]/.exec(source)?.[1];
}
