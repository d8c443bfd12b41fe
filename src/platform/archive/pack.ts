// Packs a directory, or one file, for a way to another machine: looked through first, then streamed, never held as a whole.
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import createIgnore from "ignore";
import { createTarPacker } from "modern-tar";
import { Fault, messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { type Admitted, ReleaseTree, type TreeLimits } from "../../core/release-tree.ts";
import { type Content, contentOf } from "./read-archive.ts";

/** Says what is left out, in the syntax of .gitignore. */
const IGNORE_FILE = ".tenignore";

/** Something to pack, and what it holds. */
export interface Packable extends Content {
  /**
   * A tar archive, compressed. `onRead` is told of so many more of the `bytes` that have been read. Errors with a Fault when
   * something changed since it was looked through.
   */
  pack(onRead: (bytes: number) => void): ReadableStream<Uint8Array>;
}

interface Item extends Admitted {
  /** Where it is on this machine. */
  readonly from: string;
  readonly mtime: Date;
}

/** Looks through a directory, without `.git` and what `.tenignore` names. Rejects with a Fault that says what cannot be shipped. */
export async function surveyDirectory(directory: string, limits: TreeLimits): Promise<Packable> {
  const ignored = createIgnore({ ignorecase: false }).add([".git", IGNORE_FILE]);
  const rules = await readFile(join(directory, IGNORE_FILE), "utf8").catch(() => "");
  ignored.add(rules);
  const tree = new ReleaseTree(limits);
  const items: Item[] = [];
  async function walk(at: string): Promise<void> {
    const names = (await readdir(join(directory, at)).catch(unreadable(join(directory, at)))).sort();
    for (const name of names) {
      const path = at === "" ? name : `${at}/${name}`;
      const from = join(directory, path);
      const stats = await lstat(from).catch(unreadable(from));
      if (ignored.ignores(stats.isDirectory() ? `${path}/` : path)) continue;
      const item = await look(tree, from, path, stats);
      if (item) items.push(item);
      if (stats.isDirectory()) await walk(path);
    }
  }
  await walk("");
  if (items.length === 0)
    throw new Fault(
      "usage",
      `there is nothing in ${quote(directory)} to ship`,
      "build first, or look at .tenignore",
    );
  return packable(items, tree);
}

/** One file as a release of its own: a program, so it may be executed. */
export async function surveyFile(path: string, limits: TreeLimits): Promise<Packable> {
  const tree = new ReleaseTree(limits);
  const stats = await lstat(path).catch(unreadable(path));
  const item = await look(tree, path, basename(path), {
    mode: 0o755,
    size: stats.size,
    mtime: stats.mtime,
    isDirectory: () => false,
    isFile: () => true,
    isSymbolicLink: () => false,
  });
  return packable(item ? [item] : [], tree);
}

interface Looked {
  readonly mode: number;
  readonly size: number;
  readonly mtime: Date;
  isDirectory(): boolean;
  isFile(): boolean;
  isSymbolicLink(): boolean;
}

async function look(tree: ReleaseTree, from: string, path: string, stats: Looked): Promise<Item | undefined> {
  const target = stats.isSymbolicLink() ? await readlink(from) : "";
  const type = stats.isFile()
    ? "file"
    : stats.isDirectory()
      ? "directory"
      : stats.isSymbolicLink()
        ? "symlink"
        : "device, pipe or socket";
  const admitted = tree.admit({ name: path, type, mode: stats.mode & 0o7777, size: stats.size, target });
  if (!admitted) return undefined;
  if (admitted.kind === "file") tree.settle(path, await hashOf(from));
  return { ...admitted, from, mtime: stats.mtime };
}

async function hashOf(path: string): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  try {
    for await (const chunk of Bun.file(path).stream()) hash.update(chunk);
  } catch (thrown) {
    throw unreadableFault(path, thrown);
  }
  return hash.digest("hex");
}

function packable(items: readonly Item[], tree: ReleaseTree): Packable {
  return { ...contentOf(tree), pack: (onRead) => packed(items, onRead) };
}

function packed(items: readonly Item[], onRead: (bytes: number) => void): ReadableStream<Uint8Array> {
  const { readable, controller } = createTarPacker();
  const compressed = readable.pipeThrough(new CompressionStream("zstd") as ReadableWritablePair);
  void (async () => {
    for (const { path, kind, mode, size, target, from, mtime } of items) {
      const type = kind === "link" ? "file" : kind;
      const body = controller.add({ name: path, type, mode, size, linkname: target, mtime, uid: 0, gid: 0 });
      if (kind === "file") await Bun.file(from).stream().pipeThrough(counted(onRead)).pipeTo(body);
      else await body.close();
    }
    controller.finalize();
  })().catch((thrown) => controller.error(thrown));
  const reader = (compressed as ReadableStream<Uint8Array>).getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(into) {
        const { done, value } = await reader.read().catch(changed);
        if (done) into.close();
        else into.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

export function counted(
  onBytes: (bytes: number) => void,
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  return new TransformStream({
    transform(chunk, controller) {
      onBytes(chunk.byteLength);
      controller.enqueue(chunk as Uint8Array<ArrayBuffer>);
    },
  });
}

/** It was readable, and had another size, when it was looked through. */
function changed(thrown: unknown): never {
  if (thrown instanceof Fault) throw thrown;
  throw new Fault(
    "conflict",
    `something was changed while it was shipped: ${messageOf(thrown)}`,
    "deploy again when nothing writes there any more",
    { cause: thrown },
  );
}

function unreadable(path: string) {
  return (thrown: unknown): never => {
    throw unreadableFault(path, thrown);
  };
}

function unreadableFault(path: string, thrown: unknown): unknown {
  return thrown instanceof Fault
    ? thrown
    : new Fault(
        "usage",
        `${quote(path)} cannot be read: ${messageOf(thrown)}`,
        "check the path and who may read it",
      );
}
