// What one visitor may hold, and what all may hold together: requests and connections of one address, bytes in sum.
import { isIP } from "node:net";
import type { FrontLimits } from "../data-plane.ts";

export const DEFAULT_LIMITS: FrontLimits = {
  maxClientRequests: 256,
  maxClientConnections: 1_024,
  minBodyRate: 240,
  heldBytes: 256 * 1024 * 1024,
};

/** Counts what each of many has open, up to a bound. */
export class Shares {
  readonly #most: number;
  readonly #open = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Whether one more is within the bound; if so it is counted until `leave`. */
  enter(who: string): boolean {
    const open = this.#open.get(who) ?? 0;
    if (this.#most > 0 && open >= this.#most) return false;
    this.#open.set(who, open + 1);
    return true;
  }

  leave(who: string): void {
    const open = (this.#open.get(who) ?? 0) - 1;
    if (open > 0) this.#open.set(who, open);
    else this.#open.delete(who);
  }
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
