// What one visitor may hold, and what all may hold together: requests and connections of one address, bytes in sum.
import { isIP } from "node:net";
import type { FrontLimits } from "../data-plane.ts";

export const DEFAULT_LIMITS: FrontLimits = {
  maxClientRequests: 256,
  maxClientStreams: 256,
  maxClientConnections: 1_024,
  minBodyRate: 240,
  minReadRate: 240,
  heldBytes: 256 * 1024 * 1024,
};

/** What one client has open. */
export class ClientShare {
  /** Its address, or its network. */
  readonly name: string;
  connections = 0;
  requests = 0;
  /** Upgraded connections. */
  streams = 0;

  constructor(name: string) {
    this.name = name;
  }
}

export type Counted = "connections" | "requests" | "streams";

/** What all clients have open, each up to a bound. */
export class ClientShares {
  readonly #most: Readonly<Record<Counted, number>>;
  readonly #open = new Map<string, ClientShare>();

  constructor(limits: FrontLimits) {
    this.#most = {
      connections: limits.maxClientConnections,
      requests: limits.maxClientRequests,
      streams: limits.maxClientStreams,
    };
  }

  of(address: string): ClientShare {
    const name = shareOf(address);
    return this.#open.get(name) ?? new ClientShare(name);
  }

  /** Whether one more is within the bound; if so it is counted until `leave`. */
  enter(share: ClientShare, what: Counted): boolean {
    const most = this.#most[what];
    if (most > 0 && share[what] >= most) return false;
    if (isEmpty(share)) this.#open.set(share.name, share);
    share[what] += 1;
    return true;
  }

  leave(share: ClientShare, what: Counted): void {
    share[what] -= 1;
    if (isEmpty(share)) this.#open.delete(share.name);
  }
}

function isEmpty({ connections, requests, streams }: ClientShare): boolean {
  return connections + requests + streams === 0;
}

/** Who counts as one: an IPv4 address, or the /64 that a customer of IPv6 has. */
export function shareOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const behind = tail === "" ? [] : tail.split(":");
    while (groups.length + behind.length < 8) groups.push("0");
    groups.push(...behind);
  }
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}

const IPV4_MAPPED = "::ffff:";

/** On a socket for both families IPv4 comes as a part of IPv6. */
export function plain(address: string): string {
  return address.startsWith(IPV4_MAPPED) ? address.slice(IPV4_MAPPED.length) : address;
}

/** Of this machine: tools, checks and proxies that name no client are not held to a client's share. */
export function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.") || address === "";
}
