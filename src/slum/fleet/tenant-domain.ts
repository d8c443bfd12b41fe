// The domain of a tenant: canonical, possibly with one wildcard label in front, and never a host that is slum's own.
import { isDomain, parseDomain } from "../../core/domain.ts";
import { Fault } from "../../core/fault.ts";
import { isIpLiteral } from "../../core/host.ts";
import { quote } from "../../core/quote.ts";

/** The domain as it is compared, or a usage fault whose hint is the form to write. `*.acme.com` covers one label. */
export function parseTenantDomain(text: string): string {
  if (isIpLiteral(text.trim()))
    throw new Fault("usage", `${quote(text)} is an address, and those are slum's own hosts`, "give a domain");
  if (!text.startsWith("*.")) return parseDomain(text);
  const rest = text.slice(2);
  if (rest.includes("*"))
    throw new Fault("usage", `${quote(text)} has two wildcards`, "one label in front may be *");
  if (isDomain(rest) && rest.includes(".")) return text;
  if (isDomain(rest) && rest !== "localhost")
    throw new Fault("usage", `${quote(text)} covers a whole top-level domain`, `write *.acme.${rest}`);
  try {
    return `*.${parseDomain(rest)}`;
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    throw new Fault("usage", thrown.message, thrown.hint?.replace(/^write "/, 'write "*.'));
  }
}

/** Refuses a domain that is one of slum's own hosts, which are where its admin API answers. */
export function refuseOwnHost(domain: string, ownHosts: ReadonlySet<string>): void {
  if (!ownHosts.has(domain)) return;
  throw new Fault("conflict", `${domain} is slum's own host`, "no tenant may have it; choose another domain");
}
