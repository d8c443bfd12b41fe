// IP addresses and networks as texts: read strictly, and an IPv4-mapped IPv6 address as the IPv4 address that it is.
import ipaddr from "ipaddr.js";
import { Fault } from "./fault.ts";
import { quote } from "./quote.ts";

type Ip = ipaddr.IPv4 | ipaddr.IPv6;
type Network = readonly [Ip, prefix: number];

/** Zones, and `::1.2.3.4`, which RFC 4291 has done away with and ipaddr.js takes for `::ffff:1.2.3.4`. */
const NO_IPV6 = /%|^::\d+\./;
const IPV4_BITS = 32;
const IPV6_BITS = 128;
/** What IANA gives out for use on the internet (RFC 4291, section 2.4). */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR("2000::/3");

/** Whether the text is an address: no name, no port, no zone, and no octal or shortened form of IPv4. */
export function isIpAddress(text: string): boolean {
  return parse(text) !== undefined;
}

/**
 * The address as a socket would say it: short, in lower case, and IPv4 as such also where it comes as a part of IPv6. Undefined for
 * what is none, or of another version than asked for.
 */
export function socketAddress(text: string, version: 4 | 6): string | undefined {
  const ip = text.includes(":") === (version === 6) ? parse(text) : undefined;
  return ip?.toString();
}

/** Whether somebody on the internet may have the address: it is in no private, special or reserved network. */
export function isGlobalUnicast(text: string): boolean {
  const ip = parse(text);
  if (ip === undefined || ip.range() !== "unicast") return false;
  return isIpv4(ip) || ip.match(GLOBAL_IPV6);
}

/** A test for addresses as the system writes them. A list entry is `10.0.0.0/8`, `::1` or the like; else a usage fault. */
export function createNetworks(list: readonly string[]): (address: string) => boolean {
  const networks = list.map(parseNetwork);
  return (address) => {
    const ip = parse(address);
    return ip !== undefined && networks.some((network) => contains(network, ip));
  };
}

/** What one visitor has to himself: an IPv4 address, or the /64 that a provider gives each IPv6 customer at least. */
export function visitorNetwork(address: string): string {
  const ip = parse(address);
  if (ip === undefined || isIpv4(ip)) return address;
  const parts = (ip as ipaddr.IPv6).parts.slice(0, IPV6_BITS / 32);
  return `${parts.map((part) => part.toString(16)).join(":")}::/64`;
}

function contains([base, prefix]: Network, ip: Ip): boolean {
  if (isIpv4(base)) return isIpv4(ip) && ip.match(base, prefix);
  return !isIpv4(ip) && ip.match(base, prefix);
}

function parseNetwork(text: string): Network {
  const [address = "", size, ...more] = text.split("/");
  const ip = parse(address);
  const bits = ip && isIpv4(ip) ? IPV4_BITS : IPV6_BITS;
  const prefix = size === undefined ? bits : /^\d{1,3}$/.test(size) ? Number(size) : -1;
  if (ip === undefined || more.length > 0 || prefix < 0 || prefix > bits)
    throw new Fault("usage", `${quote(text)} is not a network`, "write 10.0.0.0/8, 192.0.2.7 or fd00::/8");
  return [ip, prefix];
}

function parse(text: string): Ip | undefined {
  if (!text.includes(":"))
    return ipaddr.IPv4.isValidFourPartDecimal(text) ? ipaddr.IPv4.parse(text) : undefined;
  return NO_IPV6.test(text) || !ipaddr.IPv6.isValid(text) ? undefined : ipaddr.process(text);
}

function isIpv4(ip: Ip): ip is ipaddr.IPv4 {
  return ip.kind() === "ipv4";
}
