// The answer of a server that was asked by its own name, for a visitor who asked by another: where it names itself it names the visitor's host.

/** One header field, its name in lower case. */
export type Field = readonly [name: string, value: string];

export interface HostMapping {
  /** The Host that the server was sent. */
  readonly server: string;
  /** The Host that the visitor sent, and the scheme in which. */
  readonly visitor: string;
  readonly scheme: string;
}

/** Location, Content-Location, Refresh and the domains of cookies; all other fields as they are, in their order. */
export function mapAnswerFields(fields: readonly Field[], mapping: HostMapping): readonly Field[] {
  return fields.map((field) => {
    const [name, value] = field;
    const mapped = mapValue(name.toLowerCase(), value, mapping);
    return mapped === value ? field : [name, mapped];
  });
}

function mapValue(name: string, value: string, mapping: HostMapping): string {
  switch (name) {
    case "location":
    case "content-location":
      return mapUrl(value, mapping);
    case "refresh":
      return value.replace(REFRESH_URL, (_, before: string, url: string) => before + mapUrl(url, mapping));
    case "set-cookie":
      return value.replace(COOKIE_DOMAIN, (attribute: string, before: string, domain: string) => {
        const isForeign = covers(domain, mapping.server) && !covers(domain, mapping.visitor);
        return isForeign ? before + nameOf(mapping.visitor) : attribute;
      });
    default:
      return value;
  }
}

/** `5; url=https://...`, in the forms that browsers take. */
const REFRESH_URL = /^(\s*[\d.]+\s*[;,]?\s*(?:url\s*=\s*)?["']?)(.*)$/is;
const COOKIE_DOMAIN = /(;\s*domain\s*=\s*)\.?([^;\s]+)/i;
const ABSOLUTE = /^(https?:)?\/\/([^/?#"'\s]*)/i;

/** A reference without a host of its own needs nothing: the visitor resolves it. */
function mapUrl(url: string, { server, visitor, scheme }: HostMapping): string {
  const [origin, written, authority] = ABSOLUTE.exec(url) ?? [];
  if (origin === undefined || authority === undefined || !isSame(authority, server)) return url;
  return `${written === undefined ? "" : `${scheme}:`}//${visitor}${url.slice(origin.length)}`;
}

/** A server behind a proxy of its own may not know its port, or take the scheme's for it. */
function isSame(authority: string, server: string): boolean {
  if (nameOf(authority) !== nameOf(server)) return false;
  const port = portOf(authority);
  return port === "" || port === "80" || port === "443" || port === portOf(server);
}

/** Whether browsers would take a cookie with that domain from the host. */
function covers(domain: string, host: string): boolean {
  const name = nameOf(host);
  const wanted = domain.toLowerCase();
  return name === wanted || name.endsWith(`.${wanted}`);
}

function nameOf(host: string): string {
  return host.replace(/:\d*$/, "").toLowerCase();
}

function portOf(host: string): string {
  return /:(\d*)$/.exec(host)?.[1] ?? "";
}
