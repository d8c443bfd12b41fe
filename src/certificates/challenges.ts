// Answers to challenges: HTTP-01 without state, TLS-ALPN-01 by a certificate for the moment, DNS-01 by a command.
import { createHash } from "node:crypto";
import type { Clock } from "../platform/time/clock.ts";
import { recordOf, runDnsCommand } from "./acme/dns-command.ts";
import type { ChallengeKind, Prover } from "./acme/order.ts";
import type { Pair } from "./records.ts";
import { base64url, challengeCertificate, keyPem, newKey } from "./requests.ts";
import type { CertificateStore } from "./store/store.ts";

export interface ChallengeOptions {
  readonly clock: Clock;
  readonly store: CertificateStore;
  /** The best first, of those without a wildcard. */
  readonly kinds: readonly ChallengeKind[];
  /** The words of the command for DNS-01. */
  readonly dnsCommand: readonly string[] | undefined;
  readonly environment: Readonly<Record<string, string>>;
  /** What answers by TLS is something else: waited for before an authority is told to look. */
  onPending?(): Promise<void>;
}

export interface Challenges extends Prover {
  /** The certificates that answer by TLS now, by name, here or at another program that shares the store. */
  readonly pending: ReadonlyMap<string, Pair>;
  /** What others have begun or ended to prove. */
  refresh(): Promise<void>;
}

export function createChallenges(options: ChallengeOptions): Challenges {
  const { clock, store, kinds, dnsCommand, environment } = options;
  const pending = new Map<string, Pair>();

  async function answerByTls(name: string, keyAuthorization: string) {
    const key = newKey();
    const pair = { chain: challengeCertificate(key, name, keyAuthorization, clock.now()), key: keyPem(key) };
    await store.put("challenge", name, JSON.stringify(pair));
    pending.set(name, pair);
    await options.onPending?.();
    return async () => {
      pending.delete(name);
      await options.onPending?.();
      await store.delete("challenge", name);
    };
  }

  async function answerByDns(name: string, keyAuthorization: string) {
    const value = base64url(createHash("sha256").update(keyAuthorization).digest());
    const run = (action: "set" | "clear") =>
      runDnsCommand(dnsCommand ?? [], action, recordOf(name), value, environment);
    await run("set");
    return () => run("clear");
  }

  return {
    kinds(name) {
      const byDns: readonly ChallengeKind[] = dnsCommand === undefined ? [] : ["dns-01"];
      return name.startsWith("*.") ? byDns : [...kinds, ...byDns];
    },
    async prove(kind, name, keyAuthorization) {
      if (kind === "tls-alpn-01") return answerByTls(name, keyAuthorization);
      if (kind === "dns-01") return answerByDns(name, keyAuthorization);
      // Whatever is asked for is answered with the thumbprint of our key.
      return async () => {};
    },
    pending,
    async refresh() {
      for (const [name, text] of (await store.changes?.("challenge")) ?? []) {
        if (text === undefined) pending.delete(name);
        else pending.set(name, JSON.parse(text) as Pair);
      }
    },
  };
}
