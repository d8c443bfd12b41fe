// A domain as people write it into a configuration or a command, checked to be canonical: what the Host header is compared with.
import { domainToASCII } from "node:url";
import { Fault } from "./fault.ts";
import { quote } from "./quote.ts";

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
const DOMAIN_MAX_CHARS = 253;

/** The domain itself when it is canonical (lower case, no scheme, port, path or final dot), else a usage fault whose hint is the form to write. */
export function parseDomain(text: string): string {
  if (isDomain(text)) return text;
  const better = canonical(text);
  if (better !== undefined)
    throw new Fault("usage", `${quote(text)} is not a plain domain`, `write ${quote(better)}`);
  if (text.includes("*")) throw new Fault("usage", `${quote(text)} has a wildcard`, "name each domain");
  throw new Fault("usage", `${quote(text)} is not a domain`, "write one such as app.example.com");
}

/** Whether the text is a canonical host name; an IP address is none. */
export function isDomain(text: string): boolean {
  const labels = text.split(".");
  // A last label of digits only is an IPv4 address, or would be read as one (WHATWG URL, "ends in a number").
  return (
    text.length <= DOMAIN_MAX_CHARS &&
    labels.every((label) => LABEL.test(label)) &&
    !/^\d+$/.test(labels.at(-1) ?? "")
  );
}

/** `localhost` and what is below it lead to this machine alone (RFC 6761 section 6.3). */
export function isLoopbackDomain(domain: string): boolean {
  return isWithin(domain, "localhost");
}

/** Whether a public authority may issue a certificate for the name. */
export function isPublicDomain(name: string): boolean {
  return isDomain(name) && !isLoopbackDomain(name) && name.includes(".");
}

/** Whether `domain` is `parent` or below it. */
export function isWithin(domain: string, parent: string): boolean {
  return domain === parent || domain.endsWith(`.${parent}`);
}

function canonical(text: string): string | undefined {
  const host = text
    .trim()
    .replace(/^[a-z][a-z0-9+.-]*:\/\//i, "")
    .replace(/[/?#].*$/, "")
    .replace(/:\d*$/, "")
    .replace(/\.$/, "");
  const ascii = domainToASCII(host);
  return isDomain(ascii) ? ascii : undefined;
}
