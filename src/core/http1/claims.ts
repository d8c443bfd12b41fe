// Fields by which a request claims something about its client, scheme, host or path: worth what its peer is worth.
import { isAt } from "./bytes.ts";

/** What proxies and CDNs say about the client, the scheme, the host or the path: from a stranger it is a lie or means nothing. */
export const CLAIMS: ReadonlySet<string> = new Set([
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

/** All of a kind, whatever comes behind. */
const FORWARDED = "x-forwarded-";

export function isClaim(name: string): boolean {
  return name.startsWith(FORWARDED) || CLAIMS.has(name);
}

/** Whether the name in `bytes[start, end)` is one of those that no list has all of. */
export function isForwardedAt(bytes: Buffer, start: number, end: number): boolean {
  return end - start > FORWARDED.length && isAt(bytes, start, FORWARDED);
}

/** What is said by us where it matters, or frames the body. */
export const WRITTEN: ReadonlySet<string> = new Set([
  "host",
  "via",
  "x-request-id",
  "content-length",
  "transfer-encoding",
]);
