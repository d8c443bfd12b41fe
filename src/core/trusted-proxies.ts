// Whether a peer is a proxy that is trusted, and whose request it really is.
import { createNetworks, isIpAddress } from "./ip-address.ts";

/** A test for peers' addresses. A list entry is `10.0.0.0/8`, `::1` or the like; else a usage fault. */
export const createTrust = createNetworks;

/**
 * The visitor's address: the peer, or when the peer is trusted the rightmost address of `X-Forwarded-For` that is not.
 * What stands left of that was written by somebody who is not trusted, and counts for nothing.
 */
export function clientAddress(
  peer: string,
  forwardedFor: string | null,
  isTrusted: (address: string) => boolean,
): string {
  let client = peer;
  const hops = forwardedFor?.split(",") ?? [];
  while (isTrusted(client)) {
    const hop = hops.pop()?.trim();
    if (hop === undefined || !isIpAddress(hop)) break;
    client = hop;
  }
  return client;
}
