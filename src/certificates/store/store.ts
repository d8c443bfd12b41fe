// Where accounts, certificates and what is known of each name are kept: small texts by kind and key, for one program or for several that share them.

/** `account`: key and URLs; `name`: what is known of a name; `certificate`: chain and key; `order`: one under way; `challenge`: its answer meanwhile. */
export type StoredKind = "account" | "name" | "certificate" | "order" | "challenge";

export interface CertificateStore {
  /** Undefined when there is none, or none that can be read. */
  get(kind: StoredKind, key: string): Promise<string | undefined>;
  /** Durable when it resolves; whole or not at all. */
  put(kind: StoredKind, key: string, text: string): Promise<void>;
  delete(kind: StoredKind, key: string): Promise<void>;
  list(kind: StoredKind): Promise<ReadonlyMap<string, string>>;
  /** What others have changed of a kind since the last call; undefined where there are no others. */
  changes?(kind: StoredKind): Promise<ReadonlyMap<string, string | undefined>>;
  /** Whether `key` is ours for so long: of all that share the store only one is told so. Taken again by the one who has it, it is prolonged. */
  lease(key: string, ms: number): Promise<boolean>;
  release(key: string): Promise<void>;
}
