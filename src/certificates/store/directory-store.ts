// The store of one program: files of mode 0600 in a directory of mode 0700, each written whole.
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readIfThere, writeAtomic } from "../../platform/storage/atomic-file.ts";
import type { CertificateStore, StoredKind } from "./store.ts";

const SUFFIX = ".stored";
const NAME_MOST_CHARS = 180;

/** Made when something is first stored. The directory has to be locked by its program: there is nobody else to lease from. */
export function createDirectoryStore(root: string): CertificateStore {
  const directory = (kind: StoredKind) => join(root, kind);
  const file = (kind: StoredKind, key: string) => join(directory(kind), `${fileName(key)}${SUFFIX}`);

  return {
    async get(kind, key) {
      return split(readIfThere(file(kind, key)))?.text;
    },
    async put(kind, key, text) {
      for (const path of [root, directory(kind)]) {
        mkdirSync(path, { recursive: true, mode: 0o700 });
        chmodSync(path, 0o700);
      }
      writeAtomic(file(kind, key), `${key}\n${text}`, 0o600);
    },
    async delete(kind, key) {
      rmSync(file(kind, key), { force: true });
    },
    async list(kind) {
      const found = new Map<string, string>();
      for (const name of namesIn(directory(kind))) {
        const entry = name.endsWith(SUFFIX) ? split(readIfThere(join(directory(kind), name))) : undefined;
        if (entry !== undefined) found.set(entry.key, entry.text);
      }
      return found;
    },
    lease: async () => true,
    release: async () => {},
  };
}

/** The first line of a file is its key. */
function split(contents: string | undefined): { readonly key: string; readonly text: string } | undefined {
  const end = contents?.indexOf("\n") ?? -1;
  if (contents === undefined || end < 0) return undefined;
  return { key: contents.slice(0, end), text: contents.slice(end + 1) };
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw thrown;
  }
}

/** Keys are host names, wildcards and URLs; a file system takes 255 bytes, of which drafts need some. */
function fileName(key: string): string {
  const name = key.replace(/[^a-z0-9._-]/g, (char) => `%${char.codePointAt(0)?.toString(16)}`);
  const isLong = name.length > NAME_MOST_CHARS;
  return isLong ? `${name.slice(0, 100)}~${createHash("sha256").update(key).digest("hex")}` : name;
}
