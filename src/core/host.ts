// Hosts as they stand in a Host header, and the one canonical form in which they are compared.

const HOST = /^([a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])\.?(?::[0-9]{0,5})?$/;
const IPV4 = /^(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;
const HOST_MAX_CHARS = 255;

/**
 * The host in lower case, without its port and without one trailing dot (an IPv6 literal keeps its brackets);
 * undefined when it is no host at all: empty, doubled ("a, b"), or with characters that no name has.
 */
export function canonicalHost(text: string): string | undefined {
  if (text.length > HOST_MAX_CHARS) return undefined;
  return HOST.exec(text.toLowerCase())?.[1];
}

/** An address as it stands in a URL or a Host header: IPv6 literals in brackets. */
export function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

/** An address as it is dialled: without the brackets of an IPv6 literal. */
export function unbracketed(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}

/** Whether a canonical host is an address rather than a name. */
export function isIpLiteral(host: string): boolean {
  return host.startsWith("[") || IPV4.test(host);
}
