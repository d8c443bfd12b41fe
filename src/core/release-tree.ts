// What a shipped archive may hold: each of its entries is admitted or refused by name, before anything of it is written.
import { Fault } from "./fault.ts";
import { quote } from "./quote.ts";

/** An entry as an archive tells it. */
export interface Told {
  readonly name: string;
  /** `file`, `directory`, `symlink`, `link` (to an earlier file), or what is none of them. */
  readonly type: string;
  /** The bits of chmod(2), setuid and setgid included. */
  readonly mode: number;
  readonly size: number;
  /** Of links: as it was written. */
  readonly target: string;
}

export type Kind = "file" | "directory" | "symlink" | "link";

export interface Admitted {
  readonly kind: Kind;
  /** Relative, without `.`, `..` and empty segments. */
  readonly path: string;
  /** What its owner may do is kept; nobody else may write. */
  readonly mode: number;
  readonly size: number;
  /** Of a symlink: as it was written; of a link: the path of the file. */
  readonly target: string;
}

export interface TreeLimits {
  /** What all files have together. */
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/** The most that Linux takes in one name, in bytes (NAME_MAX). */
const NAME_MAX = 255;
/** With room for the directory that it is unpacked in: the whole may have 4,096 (PATH_MAX). */
const PATH_MAX = 2_048;
const SET_ID = 0o6000;
const EXECUTABLE = 0o100;
const NOT_FOR_OTHERS_TO_WRITE = 0o755;
const OWNER_READS_AND_WRITES = 0o600;
/** Links that are followed before a way counts as a circle (as Linux does: MAXSYMLINKS). */
const LINKS_MAX = 40;
const MB = 1_048_576;

interface Known {
  readonly kind: Exclude<Kind, "link">;
  readonly isExecutable: boolean;
  readonly size: number;
  /** What of a file counts: the hash of its bytes; of a symlink its target. */
  content: string;
}

/**
 * The entries of one archive. `admit` throws a usage fault that names the entry and what is wrong with it; `finish` does when a
 * link leads out, as only the whole can tell.
 */
export class ReleaseTree {
  readonly #limits: TreeLimits;
  readonly #known = new Map<string, Known>();
  /** Each path in lower case, with the case that it came in. */
  readonly #folded = new Map<string, string>();
  #bytes = 0;
  #told = 0;

  constructor(limits: TreeLimits) {
    this.#limits = limits;
  }

  /** Of all files. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Files, links and directories. */
  get entries(): number {
    return this.#known.size;
  }

  /** Undefined for a directory that is there already, and for the root. */
  admit(told: Told): Admitted | undefined {
    this.#told += 1;
    this.#requireFewer(this.#told);
    const path = pathOf(told.name);
    const kind = kindOf(told);
    if (path === "" && kind === "directory") return undefined;
    if (path === "") throw refused(`${quote(told.name)} is not a name`);
    if ((told.mode & SET_ID) !== 0 && kind !== "directory")
      throw refused(`${quote(path)} has a setuid or setgid bit`, `take it away: chmod ug-s ${path}`);
    this.#requirePlace(path, kind);
    if (kind === "directory" && this.#known.has(path)) return undefined;
    const mode = (told.mode & NOT_FOR_OTHERS_TO_WRITE) | OWNER_READS_AND_WRITES;
    if (kind === "link") {
      const target = pathOf(told.target);
      // To who looks at it, it is a file with the same content; to the disk it is nothing.
      this.#enter(path, this.#linked(path, target, told.target));
      return { kind, path, mode, size: 0, target };
    }
    const target = targetOf(kind, path, told.target);
    const size = kind === "file" ? told.size : 0;
    this.#requireRoom(path, size);
    this.#bytes += size;
    const isExecutable = kind === "file" && (mode & EXECUTABLE) !== 0;
    this.#enter(path, { kind, isExecutable, size, content: target });
    return { kind, path, mode, size, target };
  }

  /** The hash of a file's bytes, once they have been read. */
  settle(path: string, content: string): void {
    const known = this.#known.get(path);
    if (known) known.content = content;
  }

  /** Lines that are the same for the same content, whatever the order, the owners and the times: what is hashed. */
  finish(): string[] {
    for (const [path, { kind }] of this.#known)
      if (kind === "symlink" && this.#leadsOut(path))
        throw refused(
          `the link ${quote(path)} leads out of it, to ${quote(this.#known.get(path)?.content ?? "")}`,
        );
    return [...this.#known]
      .map(([path, { kind, isExecutable, size, content }]) => {
        const letter = kind === "directory" ? "d" : kind === "symlink" ? "l" : isExecutable ? "x" : "f";
        return [letter, path, size, content].join("\0");
      })
      .sort();
  }

  /** Also directories count that nobody named, and names that come again and again. */
  #requireFewer(entries: number): void {
    const { maxEntries } = this.#limits;
    if (entries <= maxEntries) return;
    const most = maxEntries.toLocaleString("en");
    throw refused(`it has more than ${most} entries`, "leave out what is not needed: .tenignore");
  }

  #enter(path: string, known: Known): void {
    this.#requireFewer(this.#known.size + 1);
    this.#known.set(path, known);
    this.#folded.set(path.toLowerCase(), path);
  }

  /** Everything above it is a directory, and nothing else has its name. */
  #requirePlace(path: string, kind: Kind): void {
    const above = path.lastIndexOf("/");
    if (above > 0) this.#requireDirectory(path.slice(0, above), path);
    const same = this.#folded.get(path.toLowerCase());
    if (same === undefined) return;
    if (same !== path)
      throw refused(
        `${quote(same)} and ${quote(path)} differ in case only`,
        "some file systems take them for one: rename one of them",
      );
    if (kind === "directory" && this.#known.get(path)?.kind === "directory") return;
    throw refused(`${quote(path)} is in it twice`);
  }

  #requireDirectory(path: string, below: string): void {
    const known = this.#known.get(path);
    if (known?.kind === "directory") return;
    if (known) throw refused(`${quote(below)} lies below ${quote(path)}, which is no directory`);
    this.#requirePlace(path, "directory");
    this.#enter(path, { kind: "directory", isExecutable: false, size: 0, content: "" });
  }

  #requireRoom(path: string, size: number): void {
    const { maxBytes } = this.#limits;
    if (this.#bytes + size <= maxBytes) return;
    throw tooLarge(maxBytes, quote(path));
  }

  #linked(path: string, of: string, written: string): Known {
    const known = this.#known.get(of);
    if (known?.kind === "file") return { ...known };
    throw refused(`${quote(path)} is a hard link to ${quote(written)}, which is no file before it`);
  }

  /** Follows every link on the way, as the kernel would. */
  #leadsOut(path: string): boolean {
    const way: string[] = [];
    let left = path.split("/");
    for (let links = 0; left.length > 0; ) {
      const [name = "", ...rest] = left;
      left = rest;
      if (name === "" || name === ".") continue;
      if (name === "..") {
        if (way.pop() === undefined) return true;
        continue;
      }
      way.push(name);
      const known = this.#known.get(way.join("/"));
      if (known?.kind !== "symlink") continue;
      links += 1;
      if (links > LINKS_MAX) return false;
      if (known.content.startsWith("/")) return true;
      way.pop();
      left = [...known.content.split("/"), ...left];
    }
    return false;
  }
}

/** What an archive is refused with, as a whole. */
export function refused(what: string, hint?: string): Fault {
  return new Fault("usage", `the archive is refused: ${what}`, hint);
}

export function tooLarge(maxBytes: number, at: string): Fault {
  return refused(
    `it has more than ${Math.floor(maxBytes / MB).toLocaleString("en")} MB unpacked, at ${at}`,
    "leave out what is not needed (.tenignore), or set release_max_mb in [settings]",
  );
}

function kindOf({ name, type }: Told): Kind {
  if (type === "file" || type === "directory" || type === "symlink" || type === "link") return type;
  const what = type === "fifo" ? "a named pipe" : type.endsWith("device") ? "a device" : `a ${type}`;
  throw refused(`${quote(name)} is ${what}`, "only files, directories and links can be shipped");
}

function targetOf(kind: Kind, path: string, target: string): string {
  if (kind !== "symlink") return "";
  if (target === "" || hasControls(target))
    throw refused(`the link ${quote(path)} leads to ${quote(target)}`);
  return target;
}

function pathOf(name: string): string {
  if (name.startsWith("/")) throw refused(`${quote(name)} is an absolute path`);
  if (hasControls(name)) throw refused(`${quote(name)} has control characters in its name`);
  const segments = name.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..")) throw refused(`${quote(name)} leads out of it`);
  const long = segments.find((segment) => Buffer.byteLength(segment) > NAME_MAX);
  if (long !== undefined)
    throw refused(
      `a name in it has ${Buffer.byteLength(long)} bytes, at most ${NAME_MAX} are possible: ${quote(long.slice(0, 40))}...`,
    );
  const path = segments.join("/");
  if (Buffer.byteLength(path) > PATH_MAX)
    throw refused(`a path in it has more than ${PATH_MAX} bytes: ${quote(path.slice(0, 40))}...`);
  return path;
}

function hasControls(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return /[\x00-\x1f\x7f]/.test(text);
}
