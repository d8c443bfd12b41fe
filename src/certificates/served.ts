// What handshakes are answered with: contexts by server name, from files, from what was ordered, or from an order made at that moment.
import type { SecureContext } from "node:tls";
import { answerHttpChallenge } from "../core/http-challenge.ts";
import { canonicalServerName, wildcardOver } from "../core/server-name.ts";
import { TlsContexts } from "../platform/net/tls-contexts.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { Challenges } from "./challenges.ts";
import type { CertificateFiles } from "./files.ts";
import type { CertificateManager } from "./manager.ts";
import type { Pair } from "./records.ts";

/** How long a handshake waits for an order. */
const DEMAND_MS = 10_000;
/** TLS 1.2 with forward secrecy and authenticated encryption; what TLS 1.3 has is good as it is (Mozilla's intermediate profile). */
export const CIPHERS = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

export interface ServedParts {
  readonly files: CertificateFiles | undefined;
  readonly challenges: Challenges;
  readonly manager: CertificateManager;
  /** Of the account's key; undefined where nothing is ordered. */
  readonly thumbprint: string | undefined;
  readonly clock: Clock;
}

/** As the name of a context: no host is called so. */
const challengeOf = (name: string) => `${name} challenge`;

/** All that answers handshakes at a moment. */
export interface ServedNews {
  readonly certificates: readonly (Pair & { readonly names: readonly string[] })[];
  readonly fallback: Pair | undefined;
  readonly challenges: readonly (Pair & { readonly name: string })[];
  readonly thumbprint: string | undefined;
}

export class ServedCertificates {
  readonly #parts: ServedParts;
  readonly #contexts: TlsContexts;
  /** Names that are looked up at this moment: of a thousand handshakes at once one asks. */
  readonly #lookups = new Map<string, Promise<SecureContext | undefined>>();

  readonly #followers = new Set<() => Promise<void>>();

  constructor(parts: ServedParts) {
    this.#parts = parts;
    this.#contexts = new TlsContexts({ ciphers: CIPHERS, clock: parts.clock });
  }

  /** For the name in a handshake: at once, later, or never (undefined). Never rejects. */
  contextFor(serverName: string): SecureContext | Promise<SecureContext | undefined> | undefined {
    const name = canonicalServerName(serverName);
    if (name === undefined) return undefined;
    const known = this.#contexts.known(name);
    if (known !== undefined) return known;
    const under = this.#lookups.get(name);
    if (under !== undefined) return under;
    const lookup = this.#lookUp(name)
      .catch(() => undefined)
      .finally(() => this.#lookups.delete(name));
    this.#lookups.set(name, lookup);
    return lookup;
  }

  /** For who names no host, or a foreign one: the operator's own, or undefined. */
  fallback(): Pair | undefined {
    return this.#parts.files?.fallback();
  }

  /** Whether some name is being validated by TLS-ALPN-01. */
  get hasChallenges(): boolean {
    return this.#parts.challenges.pending.size > 0;
  }

  /** What an authority that validates this name is to see. */
  challengeFor(serverName: string): SecureContext | undefined {
    const name = canonicalServerName(serverName);
    const pair = name === undefined ? undefined : this.#parts.challenges.pending.get(name);
    return pair && this.#contexts.of(challengeOf(name ?? ""), pair);
  }

  /** Whether there is one for a host, so that it can be sent to https. */
  has(host: string): boolean {
    const name = canonicalServerName(host);
    return (
      name !== undefined && (this.#parts.files?.find(name) !== undefined || this.#parts.manager.has(name))
    );
  }

  /** Whether the certificate that answers for a server name is good for a host as well. */
  covers(serverName: string, host: string): boolean {
    const name = canonicalServerName(serverName);
    if (name === undefined || name === host) return true;
    const file = this.#parts.files?.find(name);
    if (file !== undefined) return file === this.#parts.files?.find(host);
    const wildcard = wildcardOver(name);
    return (
      wildcard === wildcardOver(host) &&
      !this.#parts.manager.isExact(name) &&
      !this.#parts.manager.isExact(host)
    );
  }

  /** The answer to HTTP-01 at a path; undefined when the path is none of it. */
  challengeAnswer(path: string): string | undefined {
    const { thumbprint } = this.#parts;
    return thumbprint === undefined ? undefined : answerHttpChallenge(path, thumbprint);
  }

  /** The certificate of a name, or any (undefined), is another one: handshakes from now on get it. */
  forget(name?: string): void {
    this.#contexts.forget(name?.startsWith("*.") ? undefined : name);
    void this.changed();
  }

  /** Resolves when all that follow know what is served now. */
  async changed(): Promise<void> {
    await Promise.all([...this.#followers].map((follower) => follower()));
  }

  /** Calls `changed` whenever `news` would be others, until the answer is called. */
  follow(changed: () => Promise<void>): () => void {
    this.#followers.add(changed);
    return () => this.#followers.delete(changed);
  }

  /** All of it, for listeners in other processes; where two name the same host the later one is served. */
  async news(): Promise<ServedNews> {
    const { files, manager, challenges, thumbprint } = this.#parts;
    const ordered = manager
      .list()
      .filter(({ name, record }) => record.certificate !== undefined && files?.find(name) === undefined)
      .map(async ({ name }) => ({ names: [name], pair: await manager.pair(name) }));
    const given = [...(files?.list() ?? [])].sort((a, b) => a.life.notAfter - b.life.notAfter);
    const fallback = files?.fallback();
    return {
      certificates: [
        ...(await Promise.all(ordered)).flatMap(({ names, pair }) =>
          pair ? [{ names, ...bare(pair) }] : [],
        ),
        ...given.map((pair) => ({ names: pair.names, ...bare(pair) })),
      ],
      fallback: fallback && bare(fallback),
      challenges: [...challenges.pending].map(([name, pair]) => ({ name, ...bare(pair) })),
      thumbprint,
    };
  }

  async #lookUp(name: string): Promise<SecureContext | undefined> {
    const { files, manager } = this.#parts;
    const pair = files?.find(name) ?? (await manager.pair(name)) ?? (await manager.demand(name, DEMAND_MS));
    if (pair === undefined) return undefined;
    return this.#contexts.of(name, pair);
  }
}

function bare({ chain, key }: Pair): Pair {
  return { chain, key };
}
