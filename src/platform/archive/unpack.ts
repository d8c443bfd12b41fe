// Unpacks an archive into a directory of its own: whole and on the disk, or with an error and for its caller to remove.
import { chmod, chown, lchown, link, lutimes, mkdir, open, statfs, symlink, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault } from "../../core/fault.ts";
import type { TreeLimits } from "../../core/release-tree.ts";
import { type ArchiveEntry, type Content, readArchive } from "./read-archive.ts";

export interface UnpackOptions {
  readonly limits: TreeLimits;
  /** Who is to own it; ourselves unless given. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/** This much of a file system stays free: beyond it everything else on the machine begins to fail. */
const FREE_PART = 0.1;
/** How often room is looked for, in bytes written. */
const LOOK_EVERY_BYTES = 64 * 1_048_576;
const FLUSHED_ONE_BY_ONE = 1_000;
const FLUSHED_AT_ONCE = 8;
const DIRECTORY_MODE = 0o755;
/** Its files may be open to everybody; the way to them is not. */
const ROOT_MODE = 0o700;
const MB = 1_048_576;

/** Makes `directory`, which must not exist. Rejects as `readArchive` does, and with a Fault when there is no room for it. */
export async function unpack(
  source: ReadableStream<Uint8Array>,
  directory: string,
  { limits, owner }: UnpackOptions,
): Promise<Content> {
  await mkdir(directory, { mode: ROOT_MODE });
  const writer = new TreeWriter(directory, owner);
  const content = await readArchive(source, limits, (entry, chunks) => writer.take(entry, chunks)).catch(
    (thrown) => {
      throw withoutRoom(thrown, directory);
    },
  );
  await writer.finish();
  await flush(directory, writer.paths);
  return content;
}

/** Throws a Fault when less than a tenth of the file system would be left after `bytes` more. */
export async function requireRoom(directory: string, bytes: number): Promise<void> {
  const { bavail, blocks, bsize } = await statfs(directory);
  const left = bavail * bsize - bytes;
  if (left >= blocks * bsize * FREE_PART) return;
  const mb = (value: number) => Math.max(0, Math.floor(value / MB)).toLocaleString("en");
  throw new Fault(
    "internal",
    `no room for it: ${mb(bavail * bsize)} MB of ${mb(blocks * bsize)} MB are free at ${dirname(directory)}, and a tenth stays free`,
    "free some space: ten prune SERVICE removes what is no longer used",
  );
}

class TreeWriter {
  readonly #root: string;
  readonly #owner: UnpackOptions["owner"];
  readonly #made = new Set<string>([""]);
  /** Directories change their time with each entry, so theirs are set at the end. */
  readonly #times = new Map<string, Date>();
  #sinceLook = LOOK_EVERY_BYTES;
  /** Its directories and files. */
  readonly paths: string[] = [];

  constructor(root: string, owner: UnpackOptions["owner"]) {
    this.#root = root;
    this.#owner = owner;
  }

  async take(entry: ArchiveEntry, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { kind, path, target, mtime } = entry;
    const full = join(this.#root, path);
    if (kind === "directory") {
      this.#times.set(path, mtime);
      return this.#makeDirectory(path);
    }
    await this.#makeDirectory(parentOf(path));
    if (kind === "file") return this.#write(full, entry, chunks);
    if (kind === "link") return link(join(this.#root, target), full);
    await symlink(target, full);
    await lutimes(full, mtime, mtime);
    if (this.#owner) await lchown(full, this.#owner.uid, this.#owner.gid);
  }

  /** The root is given away last: until then nobody else gets in. */
  async finish(): Promise<void> {
    for (const [path, time] of this.#times) await utimes(join(this.#root, path), time, time);
    if (this.#owner) await chown(this.#root, this.#owner.uid, this.#owner.gid);
  }

  async #makeDirectory(path: string): Promise<void> {
    if (this.#made.has(path)) return;
    await this.#makeDirectory(parentOf(path));
    const full = join(this.#root, path);
    await mkdir(full, { mode: DIRECTORY_MODE });
    // What the process' umask took away.
    await chmod(full, DIRECTORY_MODE);
    if (this.#owner) await chown(full, this.#owner.uid, this.#owner.gid);
    this.#made.add(path);
    this.paths.push(full);
  }

  async #write(full: string, { mode, mtime, size }: ArchiveEntry, chunks: AsyncIterable<Uint8Array>) {
    await this.#look(size);
    this.paths.push(full);
    const file = await open(full, "wx", mode);
    try {
      for await (const chunk of chunks) await file.writeFile(chunk);
      await file.chmod(mode);
      if (this.#owner) await file.chown(this.#owner.uid, this.#owner.gid);
      await file.utimes(mtime, mtime);
    } finally {
      await file.close();
    }
  }

  async #look(size: number): Promise<void> {
    this.#sinceLook += size;
    if (this.#sinceLook < LOOK_EVERY_BYTES) return;
    await requireRoom(this.#root, size);
    this.#sinceLook = 0;
  }
}

function parentOf(path: string): string {
  const end = path.lastIndexOf("/");
  return end < 0 ? "" : path.slice(0, end);
}

/** What the system says of a full disk, and of a name that it does not take. */
function withoutRoom(thrown: unknown, directory: string): unknown {
  const { code } = thrown as NodeJS.ErrnoException;
  if (code !== "ENOSPC" && code !== "EDQUOT") return thrown;
  const hint = "free some space: ten prune SERVICE removes what is no longer used";
  return new Fault("internal", `the disk is full at ${dirname(directory)}`, hint, { cause: thrown });
}

/**
 * All of it is on the disk, after a power failure too: file by file, and where there are many by one call for the file system,
 * which also waits for what others have written.
 */
async function flush(directory: string, paths: readonly string[]): Promise<void> {
  if (paths.length > FLUSHED_ONE_BY_ONE && (await syncFileSystem(directory))) return;
  const left = [...paths, directory].values();
  const some = Array.from({ length: FLUSHED_AT_ONCE }, async () => {
    for (const path of left) {
      await using file = await open(path, "r");
      await file.sync();
    }
  });
  await Promise.all(some);
}

/** False where there is no such program. */
async function syncFileSystem(directory: string): Promise<boolean> {
  try {
    const silent = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
    return (await Bun.spawn(["sync", "-f", directory], silent).exited) === 0;
  } catch {
    return false;
  }
}
