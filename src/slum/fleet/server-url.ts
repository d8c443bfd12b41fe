// The URL of a server: a scheme, a host and a port, and nothing that could send a request anywhere else.

import { isDomain } from "../../core/domain.ts";
import { Fault } from "../../core/fault.ts";
import { isIpLiteral, unbracketed } from "../../core/host.ts";
import { quote } from "../../core/quote.ts";
import type { Address } from "../../core/route.ts";
import type { Resolver } from "../../platform/net/resolver.ts";

export interface ServerUrl {
  /** The canonical form, `https://host` or `http://host:8080`. */
  readonly origin: string;
  /** For https: the name that the server's certificate has to have; empty when it is an address, which is no server name. */
  readonly tls: { readonly serverName: string } | undefined;
  /** What is dialled: a name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
  /** What the server is called in a Host header, with its port unless that is the scheme's own. */
  readonly hostHeader: string;
}

/** Reads what a person wrote; a usage fault names the part that does not belong, and the URL without it. */
export function parseServerUrl(text: string): ServerUrl {
  const shown = quote(text);
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
    throw new Fault("usage", `${shown} is not a URL`, "begin it with https:// or http://");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url) throw new Fault("usage", `${shown} is not a URL`, "write https://host or http://host:8080");
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new Fault("usage", `${shown} is not an http or https URL`, `write https://${url.host || "host"}`);
  if (url.username !== "" || url.password !== "")
    throw new Fault("usage", "the URL of a server has no user name or password", `write ${url.origin}`);
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "" || /[?#]/.test(text))
    throw new Fault("usage", `${shown} has a path; the URL of a server has none`, `write ${url.origin}`);
  if (url.port === "0") throw new Fault("usage", `${shown} has port 0`, "write the port that it listens on");
  const host = url.hostname.replace(/\.$/, "");
  if (!isDomain(host) && !isIpLiteral(host))
    throw new Fault("usage", `${shown} has no valid host name`, "write https://host or http://host:8080");
  const isTls = url.protocol === "https:";
  const hostHeader = url.port === "" ? host : `${host}:${url.port}`;
  return {
    origin: `${url.protocol}//${hostHeader}`,
    tls: isTls ? { serverName: isIpLiteral(host) ? "" : host } : undefined,
    host: unbracketed(host),
    port: url.port === "" ? (isTls ? 443 : 80) : Number(url.port),
    hostHeader,
  };
}

/** Where a server is dialled now, with roots of one's own if there are any. A name without an address yet is left to the connection. */
export function addressOf(
  { host, port, tls }: ServerUrl,
  resolver: Resolver,
  ca: string | undefined,
): Address {
  const secure = tls && { tls: { ...tls, ...(ca !== undefined && { ca }) } };
  return { host: resolver.address(host) ?? host, port, ...secure };
}
