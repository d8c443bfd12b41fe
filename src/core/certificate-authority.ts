// Certificate authorities that speak ACME: by name or by the address of their directory, and the accounts that they want to be bound.
import { Fault } from "./fault.ts";
import { quote } from "./quote.ts";

/** What an external account is bound with (RFC 8555 section 7.3.4). */
export interface Binding {
  readonly kid: string;
  /** base64url, as authorities hand it out. */
  readonly hmac: string;
}

export interface AuthorityOptions {
  /** The directory's URL. */
  readonly url: string;
  readonly binding?: Binding | undefined;
}

export const AUTHORITIES: Readonly<Record<string, string>> = {
  letsencrypt: "https://acme-v02.api.letsencrypt.org/directory",
  staging: "https://acme-staging-v02.api.letsencrypt.org/directory",
  zerossl: "https://acme.zerossl.com/v2/DV90",
  google: "https://dv.acme-v02.api.pki.goog/directory",
};

/** The directory's URL of an authority by its name or URL. Throws a usage fault for what is neither. */
export function parseAuthority(text: string): string {
  const known = AUTHORITIES[text];
  if (known !== undefined) return known;
  if (/^https:\/\/[^/@\s]+\/\S*$/.test(text)) return text;
  throw new Fault(
    "usage",
    `${quote(text)} is no certificate authority`,
    `write ${Object.keys(AUTHORITIES).join(", ")}, or the https address of an ACME directory`,
  );
}

/**
 * Reads accounts to bind, one a line: `AUTHORITY KEY-ID HMAC-KEY`, or without the authority for the first one. Throws a usage
 * fault for what is no such line.
 */
export function parseBindings(
  text: string,
  authorities: readonly string[],
  from: string,
): AuthorityOptions[] {
  const lines = text
    .split("\n")
    .map((line, index) => ({ line: line.trim(), number: index + 1 }))
    .filter(({ line }) => line !== "" && !line.startsWith("#"));
  const bindings = new Map(
    lines.map(({ line, number }) => {
      const words = line.split(/\s+/);
      const [authority = "", kid = "", hmac = ""] =
        words.length === 2 ? [authorities[0] ?? "", ...words] : words;
      const isShort = words.length === 2 && AUTHORITIES[words[0] ?? ""] !== undefined;
      if (words.length > 3 || isShort || !/^[\w-]+={0,2}$/.test(hmac))
        throw new Fault(
          "usage",
          `line ${number} of ${quote(from)} binds no account`,
          "write: AUTHORITY KEY-ID HMAC-KEY",
        );
      const url = parseAuthority(authority);
      // A key that is used nowhere is most probably meant for another authority than the one that is asked.
      if (!authorities.includes(url))
        throw new Fault(
          "usage",
          `line ${number} of ${quote(from)} is for ${new URL(url).host}, which is not asked for certificates`,
          "name it among the authorities, or take the line out",
        );
      return [url, { kid, hmac }] as const;
    }),
  );
  return authorities.map((url) => ({ url, binding: bindings.get(url) }));
}
