// IP addresses and networks: whether a peer belongs to those that are trusted, and whose request it really is.
import { Fault } from "./fault.ts";
import { quote } from "./name.ts";

interface Ip {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

interface Network extends Ip {
  readonly prefix: number;
}

const MAPPED_IPV4 = 0xffffn;

/** A test for addresses as the system writes them. A list entry is `10.0.0.0/8`, `::1` or the like; else a usage fault. */
export function createTrust(list: readonly string[]): (address: string) => boolean {
  const networks = list.map(parseNetwork);
  return (address) => {
    const ip = parseIp(address);
    return ip !== undefined && networks.some((network) => contains(network, ip));
  };
}

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
    if (hop === undefined || parseIp(hop) === undefined) break;
    client = hop;
  }
  return client;
}

function contains(network: Network, ip: Ip): boolean {
  const shift = BigInt(network.bits - network.prefix);
  return ip.bits === network.bits && ip.value >> shift === network.value >> shift;
}

function parseNetwork(text: string): Network {
  const slash = text.indexOf("/");
  const ip = parseIp(slash < 0 ? text : text.slice(0, slash));
  const size = slash < 0 ? ip?.bits : text.slice(slash + 1);
  if (ip === undefined || !/^\d{1,3}$/.test(String(size)) || Number(size) > ip.bits) {
    throw new Fault("usage", `${quote(text)} is not a network`, "write 10.0.0.0/8, 192.0.2.7 or fd00::/8");
  }
  return { ...ip, prefix: Number(size) };
}

/** Undefined when the text is no address; an IPv4 address in IPv6 dress (`::ffff:1.2.3.4`) is the IPv4 address. */
function parseIp(text: string): Ip | undefined {
  if (!text.includes(":")) {
    const value = parseIpv4(text);
    return value === undefined ? undefined : { bits: 32, value };
  }
  const value = parseIpv6(text);
  if (value === undefined) return undefined;
  return value >> 32n === MAPPED_IPV4 ? { bits: 32, value: value & 0xffffffffn } : { bits: 128, value };
}

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function parseIpv6(text: string): bigint | undefined {
  const tail = text.slice(text.lastIndexOf(":") + 1);
  if (tail.includes(".")) {
    const low = parseIpv4(tail);
    if (low === undefined) return undefined;
    const groups = `${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
    return parseIpv6(text.slice(0, text.length - tail.length) + groups);
  }
  const halves = text.split("::").map((half) => (half === "" ? [] : half.split(":")));
  const [head = [], rest] = halves;
  const missing = 8 - head.length - (rest?.length ?? 0);
  if (halves.length > 2 || (rest ? missing < 1 : missing !== 0)) return undefined;
  const groups = rest ? [...head, ...new Array<string>(missing).fill("0"), ...rest] : head;
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}
