// Reads a tar archive, plain or compressed by gzip or zstd, as a stream: every entry is checked before anybody sees it.
import { createTarDecoder } from "modern-tar";
import { Fault, messageOf } from "../../core/fault.ts";
import { type Admitted, ReleaseTree, refused, type TreeLimits, tooLarge } from "../../core/release-tree.ts";

export interface ArchiveEntry extends Admitted {
  readonly mtime: Date;
}

/** Called for each entry in turn; what it leaves unread of `content` is read and dropped. */
export type OnEntry = (entry: ArchiveEntry, content: AsyncIterable<Uint8Array>) => Promise<void>;

/** What an archive holds, whatever way it was packed. */
export interface Content {
  /** `sha256:` of names, kinds, executable bits and bytes; not of times, owners and the packing. */
  readonly digest: string;
  /** Unpacked. */
  readonly bytes: number;
  readonly entries: number;
}

/** What a tar archive has besides the files' bytes: at most so much for an entry (its header, one for a long name, padding). */
const OVERHEAD_BYTES = 8_192;
const MAGIC_BYTES = 262;
const COLLECT_EVERY_BYTES = 32 * 1_048_576;

/** What some files begin with that are no tar archives. */
const OTHERS: readonly (readonly [name: string, magic: string])[] = [
  ["xz", "\xfd7zXZ"],
  ["bzip2", "BZh"],
  ["zip", "PK\x03\x04"],
  ["7-Zip", "7z\xbc\xaf"],
];

/**
 * Reads all of `source`. Rejects with a usage fault that says what is wrong with the archive, with what `source` or `onEntry`
 * rejected with, or with the reason of `signal`; `source` is cancelled then.
 */
export async function readArchive(
  source: ReadableStream<Uint8Array>,
  limits: TreeLimits,
  onEntry: OnEntry = async () => {},
): Promise<Content> {
  const tree = new ReleaseTree(limits);
  const input = new Watched(source);
  try {
    const tar = (await input.decompressed()).pipeThrough(bounded(limits));
    for await (const { header, body } of tar.pipeThrough(createTarDecoder({ strict: true }))) {
      const { name, type = "file", mode = 0o644, size, linkname: target = "", mtime = new Date(0) } = header;
      const admitted = tree.admit({ name, type, mode, size, target });
      if (!admitted) {
        await body.cancel();
        continue;
      }
      const hash = new Bun.CryptoHasher("sha256");
      const content = hashed(body, hash);
      await onEntry({ ...admitted, mtime }, content);
      for await (const _ of content);
      if (admitted.kind === "file") tree.settle(admitted.path, hash.digest("hex"));
    }
    if (tree.entries === 0) throw refused("there is nothing in it");
    return contentOf(tree);
  } catch (thrown) {
    throw input.explain(thrown);
  }
}

export function contentOf(tree: ReleaseTree): Content {
  const hash = new Bun.CryptoHasher("sha256");
  for (const line of tree.finish()) hash.update(`${line}\n`);
  return { digest: `sha256:${hash.digest("hex")}`, bytes: tree.bytes, entries: tree.entries };
}

/** How a file is packed, by its first bytes; `other` is something that is no archive at all. */
export function packingOf(start: Uint8Array): "gzip" | "zstd" | "tar" | "other" {
  const [a, b, c, d] = start;
  if (a === 0x1f && b === 0x8b) return "gzip";
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return "zstd";
  const text = Buffer.from(start).toString("latin1");
  const [name] = OTHERS.find(([, magic]) => text.startsWith(magic)) ?? [];
  if (name !== undefined)
    throw refused(
      `it is packed by ${name}`,
      "pack it with tar, and gzip or zstd: tar czf app.tar.gz -C dist .",
    );
  return text.slice(257, 262) === "ustar" ? "tar" : "other";
}

/** The source, and whether it was it that failed. */
class Watched {
  readonly #source: ReadableStream<Uint8Array>;
  #failure: { readonly thrown: unknown } | undefined;

  constructor(source: ReadableStream<Uint8Array>) {
    this.#source = source;
  }

  async decompressed(): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const reader = this.#source.getReader();
    const held: Uint8Array[] = [];
    for (let bytes = 0; bytes < MAGIC_BYTES; ) {
      const { done, value } = await this.#noting(reader.read());
      if (done) break;
      held.push(value);
      bytes += value.byteLength;
    }
    const start = Buffer.concat(held).subarray(0, MAGIC_BYTES);
    const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull: async (controller) => {
          const next = held.shift() ?? (await this.#noting(reader.read())).value;
          if (next === undefined) controller.close();
          else controller.enqueue(next as Uint8Array<ArrayBuffer>);
        },
        cancel: (reason) => reader.cancel(reason),
      },
      { highWaterMark: 0 },
    );
    if (start.length === 0) throw refused("it is empty");
    const packing = packingOf(start);
    if (packing === "gzip" || packing === "zstd")
      return stream.pipeThrough(new DecompressionStream(packing) as ReadableWritablePair);
    if (packing === "tar") return stream;
    void reader.cancel().catch(() => {});
    throw refused("it is no tar archive", "pack it with tar: tar czf app.tar.gz -C dist .");
  }

  explain(thrown: unknown): unknown {
    if (this.#failure) return this.#failure.thrown;
    if (thrown instanceof Fault || (thrown as NodeJS.ErrnoException).syscall !== undefined) return thrown;
    const text = messageOf(thrown);
    return refused(
      /truncated|unexpected end/i.test(text) ? "it ends in the middle" : `it is damaged: ${text}`,
    );
  }

  async #noting<T>(reading: Promise<T>): Promise<T> {
    try {
      return await reading;
    } catch (thrown) {
      this.#failure = { thrown };
      throw thrown;
    }
  }
}

/**
 * Counts while it is unpacked, as what it says of itself may be a lie. Pieces lie outside of the heap whose size decides when it
 * is cleaned up: without being asked Bun holds half a gigabyte of them.
 */
function bounded({ maxBytes, maxEntries }: TreeLimits): TransformStream<Uint8Array, Uint8Array> {
  const most = maxBytes + maxEntries * OVERHEAD_BYTES;
  let bytes = 0;
  let collectedAt = 0;
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes - collectedAt > COLLECT_EVERY_BYTES) {
        collectedAt = bytes;
        Bun.gc(false);
      }
      if (bytes > most) throw tooLarge(maxBytes, "its end");
      controller.enqueue(chunk);
    },
  });
}

async function* hashed(
  body: ReadableStream<Uint8Array>,
  hash: Bun.CryptoHasher,
): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of body) {
    hash.update(chunk);
    yield chunk;
  }
}
