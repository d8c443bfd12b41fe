// How certificates are ordered, as people write it, and what is read for it.
import { readFileSync } from "node:fs";
import { type AuthorityOptions, parseAuthority, parseBindings } from "../core/certificate-authority.ts";
import { Fault } from "../core/fault.ts";
import { quote } from "../core/quote.ts";
import { systemReason } from "../core/system-error.ts";
import type { ChallengeKind } from "./acme/order.ts";
import { readRoots } from "./certificate.ts";

interface Common {
  readonly email: string | undefined;
  readonly profile: string | undefined;
  /** The common name of the root that chains are to lead to, where an authority offers several. */
  readonly preferredChain: string | undefined;
  /** The words of the command that sets and clears records for DNS-01. */
  readonly dnsCommand: readonly string[] | undefined;
  readonly challenges: readonly ChallengeKind[];
}

export interface AcmeSettings extends Common {
  /** Names or addresses; `none`: nothing is ordered. */
  readonly authorities: readonly string[];
  readonly eabFile: string | undefined;
  readonly rootsFile: string | undefined;
}

export interface AcmeOptions extends Common {
  /** The first is asked first. */
  readonly authorities: readonly AuthorityOptions[];
  /** Roots in PEM that authorities are trusted by, instead of the public ones. */
  readonly roots: string | undefined;
}

/**
 * Reads the files; undefined: nothing is ordered. Throws a usage fault for files that are not what they should be, which
 * `labels` calls as people do.
 */
export function readAcme(
  { authorities, eabFile, rootsFile, ...common }: AcmeSettings,
  labels: { readonly eabFile: string; readonly rootsFile: string },
): AcmeOptions | undefined {
  if (authorities.includes("none")) return undefined;
  const urls = authorities.map(parseAuthority);
  return {
    ...common,
    authorities:
      eabFile === undefined
        ? urls.map((url) => ({ url }))
        : parseBindings(readText(eabFile, labels.eabFile), urls, eabFile),
    roots: rootsFile === undefined ? undefined : readRoots(rootsFile, labels.rootsFile),
  };
}

function readText(file: string, label: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (thrown) {
    throw new Fault(
      "usage",
      `${label}: cannot read ${quote(file)}: ${systemReason(thrown)}`,
      "it has a line for each account: AUTHORITY KEY-ID HMAC-KEY",
    );
  }
}
