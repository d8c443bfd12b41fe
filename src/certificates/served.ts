// What handshakes are answered with: contexts by server name, from files, from what was ordered, or from an order made at that moment.
import { createSecureContext, type SecureContext } from "node:tls";
import { BoundedMap } from "../core/bounded-map.ts";
import { canonicalServerName, wildcardOver } from "../core/server-name.ts";
import type { Challenges } from "./challenges.ts";
import { answerHttpChallenge } from "./challenges.ts";
import type { CertificateFiles } from "./files.ts";
import type { CertificateManager } from "./manager.ts";
import type { Pair } from "./records.ts";

/** A context takes 8 to 15 KB; beyond so many the oldest is made again when it is asked for. */
const CONTEXTS_KEPT = 10_000;
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
}

export class ServedCertificates {
  readonly #parts: ServedParts;
  readonly #contexts = new BoundedMap<string, SecureContext>(CONTEXTS_KEPT);
  /** Names that are looked up at this moment: of a thousand handshakes at once one asks. */
  readonly #lookups = new Map<string, Promise<SecureContext | undefined>>();

  constructor(parts: ServedParts) {
    this.#parts = parts;
  }

  /** For the name in a handshake: at once, later, or never (undefined). Never rejects. */
  contextFor(serverName: string): SecureContext | Promise<SecureContext | undefined> | undefined {
    const name = canonicalServerName(serverName);
    if (name === undefined) return undefined;
    const challenge = this.#parts.challenges.pending(name);
    if (challenge !== undefined) return contextOf(challenge);
    const known = this.#contexts.get(name);
    if (known !== undefined) return known;
    const under = this.#lookups.get(name);
    if (under !== undefined) return under;
    const lookup = this.#lookUp(name)
      .catch(() => undefined)
      .finally(() => this.#lookups.delete(name));
    this.#lookups.set(name, lookup);
    return lookup;
  }

  /** For who names no host: the operator's own, or undefined. */
  fallback(): Pair | undefined {
    return this.#parts.files?.fallback();
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
    if (name === undefined || name.startsWith("*.")) this.#contexts.clear();
    else this.#contexts.delete(name);
  }

  async #lookUp(name: string): Promise<SecureContext | undefined> {
    const { files, manager } = this.#parts;
    const pair = files?.find(name) ?? (await manager.pair(name)) ?? (await manager.demand(name, DEMAND_MS));
    if (pair === undefined) return undefined;
    const context = contextOf(pair);
    this.#contexts.set(name, context);
    return context;
  }
}

function contextOf({ chain, key }: Pair): SecureContext {
  return createSecureContext({ cert: chain, key, ciphers: CIPHERS, minVersion: "TLSv1.2" });
}
