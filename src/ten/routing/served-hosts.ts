// The names by which this server can be asked for, which certificates are for, and where each of them is reached.
import type { Config } from "../config/config.ts";
import type { Service } from "../config/service.ts";

export interface ServedParts {
  /** The server's own domain, in canonical form. */
  readonly domain: string;
  /** Where the admin answers when a service has the own hosts. */
  readonly adminHost: string;
  /** In force. */
  config(): Pick<Config, "services" | "routing">;
  hasInstance(service: string, id: string): boolean;
  hasCertificate(host: string): boolean;
  /** Of http. */
  port(): number | string;
  httpsUrl(): URL | undefined;
}

export interface ServedHosts {
  /** Those that are served whatever runs: the own ones, then of each service its own and its domains. */
  all(): string[];
  /** By which visitors come to a service. */
  of(service: string): string[];
  /** Whether a visitor may come by this name. */
  serves(host: string): boolean;
  /** Where a host is reached as things are, `https://api.example.com`. */
  siteOf(host: string): string;
  /** As this machine sees it: what stands in front of the server is not known. */
  dashboardUrl(): string;
}

export function createServedHosts(parts: ServedParts): ServedHosts {
  const { domain, adminHost, config } = parts;
  const hostsOf = ({ name, domains, hasPort }: Service) => (hasPort ? [`${name}.${domain}`, ...domains] : []);
  const hasOwnHosts = () => config().routing.default === undefined;
  const all = () => [
    domain,
    ...(hasOwnHosts() ? [] : [adminHost]),
    ...[...config().services.values()].flatMap(hostsOf),
  ];
  const siteOf = (host: string) => {
    const secure = parts.hasCertificate(host) ? parts.httpsUrl() : undefined;
    return secure === undefined ? `http://${host}:${parts.port()}` : withPort(`https://${host}`, secure);
  };
  return {
    all,
    of(service) {
      const found = config().services.get(service);
      return found === undefined ? [] : hostsOf(found).filter((host) => host !== domain);
    },
    serves(host) {
      if (all().includes(host)) return true;
      const named = instanceOfHost(host, domain);
      const direct = named && config().services.get(named.service)?.policy.direct;
      const isOpen = direct === "open" || direct === "preview";
      return isOpen && parts.hasInstance(named?.service ?? "", named?.id ?? "");
    },
    siteOf,
    dashboardUrl: () => new URL(siteOf(hasOwnHosts() ? domain : adminHost)).href,
  };
}

/** The instance that a host names, `v2.api.example.com`; undefined when it is none of that form. */
function instanceOfHost(host: string, domain: string): { service: string; id: string } | undefined {
  if (!host.endsWith(`.${domain}`)) return undefined;
  const rest = host.slice(0, -domain.length - 1);
  const dot = rest.lastIndexOf(".");
  // The id may contain dots: the service is the last label.
  return dot < 0 ? undefined : { service: rest.slice(dot + 1), id: rest.slice(0, dot) };
}

/** The port only where it is not the usual one. */
function withPort(origin: string, { port }: URL): string {
  return port === "" || port === "443" ? origin : `${origin}:${port}`;
}
