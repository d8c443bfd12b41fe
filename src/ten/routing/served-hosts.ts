// The names by which this server can be asked for: what certificates are for.
import type { Service } from "../config/service.ts";

export interface ServedInput {
  /** The server's own domain, in canonical form. */
  readonly domain: string;
  readonly services: Iterable<Pick<Service, "name" | "domains" | "hasPort">>;
  /** Where the admin answers when a service has the own hosts. */
  readonly adminHost: string | undefined;
}

/** Hosts that are served whatever runs: the own ones, then of each service its own and its domains. */
export function servedHosts({ domain, services, adminHost }: ServedInput): string[] {
  return [
    domain,
    ...(adminHost === undefined ? [] : [adminHost]),
    ...[...services].flatMap(({ name, domains, hasPort }) =>
      hasPort ? [`${name}.${domain}`, ...domains] : [],
    ),
  ];
}

/** The instance that a host names, `v2.api.example.com`; undefined when it is none of that form. */
export function instanceOfHost(host: string, domain: string): { service: string; id: string } | undefined {
  if (!host.endsWith(`.${domain}`)) return undefined;
  const rest = host.slice(0, -domain.length - 1);
  const dot = rest.lastIndexOf(".");
  // The id may contain dots: the service is the last label.
  return dot < 0 ? undefined : { service: rest.slice(dot + 1), id: rest.slice(0, dot) };
}
