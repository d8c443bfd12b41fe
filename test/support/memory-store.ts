// A store of certificates in memory, for one program or for several that share it, with leases by a clock.
import type { CertificateStore, StoredKind } from "../../src/certificates/store/store.ts";

export function createMemoryStore(): CertificateStore {
  return createSharedStore(() => 0)("one");
}

/** Makes the store as each of several programs sees it, called by name. */
export function createSharedStore(now: () => number): (holder: string) => CertificateStore {
  const texts = new Map<string, string>();
  const log: (readonly [kind: StoredKind, key: string])[] = [];
  const leases = new Map<string, { readonly holder: string; readonly until: number }>();
  return (holder) => {
    const seen = new Map<StoredKind, number>();
    return {
      get: async (kind, key) => texts.get(`${kind} ${key}`),
      async put(kind, key, text) {
        texts.set(`${kind} ${key}`, text);
        log.push([kind, key]);
      },
      async delete(kind, key) {
        texts.delete(`${kind} ${key}`);
        log.push([kind, key]);
      },
      async list(kind) {
        const found = [...texts].filter(([id]) => id.startsWith(`${kind} `));
        return new Map(found.map(([id, text]) => [id.slice(kind.length + 1), text]));
      },
      async changes(kind) {
        const news = log.slice(seen.get(kind) ?? 0).filter(([changed]) => changed === kind);
        seen.set(kind, log.length);
        return new Map(news.map(([, key]) => [key, texts.get(`${kind} ${key}`)]));
      },
      async lease(key, ms) {
        const held = leases.get(key);
        if (held && held.holder !== holder && held.until > now()) return false;
        leases.set(key, { holder, until: now() + ms });
        return true;
      },
      async release(key) {
        if (leases.get(key)?.holder === holder) leases.delete(key);
      },
    };
  };
}
