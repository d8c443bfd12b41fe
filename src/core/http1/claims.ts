// Fields by which a request claims something about its client, scheme, host or path: worth what its peer is worth.

/** c f t x: what the names below begin with. */
export function mayClaim(first: number): boolean {
  return first === 120 || first === 102 || first === 99 || first === 116;
}

/** What proxies and CDNs say about the client, the scheme, the host or the path: from a stranger it is a lie or means nothing. */
const CLAIMS: ReadonlySet<string> = new Set([
  "forwarded",
  "x-real-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-original-forwarded-for",
  "x-original-host",
  "x-original-url",
  "x-rewrite-url",
  "x-url-scheme",
  "x-remote-addr",
  "x-remote-ip",
  "x-scheme",
  "x-host",
  "true-client-ip",
  "cf-connecting-ip",
  "cf-connecting-ipv6",
  "cf-visitor",
  "fastly-client-ip",
]);

export function isClaim(name: string): boolean {
  return name.startsWith("x-forwarded-") || CLAIMS.has(name);
}

const WRITTEN: ReadonlySet<string> = new Set([
  "host",
  "via",
  "x-request-id",
  "content-length",
  "transfer-encoding",
]);

/** Names of fields that a program sets itself, in lower case. */
interface RuledNames {
  readonly selector: string | undefined;
  readonly passed: string;
  readonly overwritten: readonly string[];
}

/** Whether a name with an underscore is, to an app that reads it as `-`, one that is set, dropped or trusted here. */
export function isOursWhenRead(name: string, rules: RuledNames | undefined): boolean {
  const read = name.toLowerCase().replaceAll("_", "-");
  if (isClaim(read) || WRITTEN.has(read)) return true;
  if (rules === undefined) return false;
  return read === rules.selector || read === rules.passed || rules.overwritten.includes(read);
}
