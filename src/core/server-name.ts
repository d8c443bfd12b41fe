// Names as they stand in a handshake's SNI and in certificates, and which certificates' names cover which host.
import { isDomain } from "./domain.ts";

/**
 * The name in lower case without one final dot; undefined for what is no host name: an address (RFC 6066 section 3), too
 * long, empty labels, foreign letters that are not in punycode.
 */
export function canonicalServerName(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/, "");
  return isDomain(name) ? name : undefined;
}

/** The only wildcard that covers a name: of its last labels but one (RFC 6125 section 6.4.3). Undefined for a name of one label. */
export function wildcardOver(name: string): string | undefined {
  const dot = name.indexOf(".");
  return dot < 0 ? undefined : `*${name.slice(dot)}`;
}

/** What a name has in sum at an authority that counts by registered domain, without a list of all public suffixes: short labels before a country count as one. */
export function registeredDomain(name: string): string {
  const labels = name.split(".");
  const [last = "", before = ""] = labels.toReversed();
  const isCountry = last.length === 2 && before.length <= 3 && labels.length > 2;
  return labels.slice(isCountry ? -3 : -2).join(".");
}

/** Names of certificates, looked up by host: the exact one, then the wildcard of one label. */
export class NameIndex<Value> {
  readonly #values = new Map<string, Value>();

  set(name: string, value: Value): void {
    this.#values.set(name, value);
  }

  delete(name: string): void {
    this.#values.delete(name);
  }

  get(name: string): Value | undefined {
    const exact = this.#values.get(name);
    if (exact !== undefined) return exact;
    const wildcard = wildcardOver(name);
    return wildcard === undefined ? undefined : this.#values.get(wildcard);
  }

  exact(name: string): Value | undefined {
    return this.#values.get(name);
  }

  values(): Iterable<Value> {
    return this.#values.values();
  }
}
