// A Caddyfile for a ten: TLS for the hosts that are known, and what keeps requests alive while ten is restarted.

export interface CaddySite {
  readonly domain: string;
  /** Where Caddy finds ten, `host:port`. */
  readonly upstream: string;
  /** A service answers at the domain itself, and ten at `ten.` below it. */
  readonly hasDefault: boolean;
  readonly services: readonly {
    readonly name: string;
    readonly domains: readonly string[];
    readonly direct: "open" | "trusted" | "off";
  }[];
  /** Whom the certificate authority writes to. */
  readonly email: string | undefined;
  /** Caddy's name of the DNS provider that answers challenges, for wildcard certificates. */
  readonly dns: string | undefined;
}

export const CADDYFILE_MARK = "# Written by `ten caddy`";

/** The hosts that get certificates without a DNS challenge, ten's own first. */
export function hostsOf({ domain, hasDefault, services }: CaddySite): string[] {
  const own = hasDefault ? [domain, `ten.${domain}`] : [domain];
  return [...own, ...services.flatMap(({ name, domains }) => [`${name}.${domain}`, ...domains])];
}

export function caddyfile(site: CaddySite): string {
  const { domain, upstream, services, email } = site;
  return [
    `${CADDYFILE_MARK} for ten at ${upstream} with the domain ${domain}. After a change of services or domains, write it again.`,
    ...(email === undefined ? [] : ["{", `\temail ${email}`, "}"]),
    "",
    ...snippet(site),
    "",
    `# ${site.hasDefault ? "The default service, ten itself" : "ten itself"} (dashboard, API and metrics, with a token), then services by weight.`,
    `${hostsOf(site).join(", ")} {`,
    "\timport ten",
    "}",
    ...wildcards(
      site,
      services.filter(({ direct }) => direct === "open").map(({ name }) => `*.${name}.${domain}`),
    ),
    "",
  ].join("\n");
}

function snippet({ upstream, services }: CaddySite): string[] {
  const trusting = services.some(({ direct }) => direct === "trusted");
  return [
    "(ten) {",
    ...(trusting
      ? [
          '\t# ten trusts Caddy, and so would open instances with direct = "trusted" to every visitor.',
          "\trequest_header -X-Tenement-Instance",
        ]
      : []),
    "\t# Bodies flow both ways without a limit of Caddy's, event streams and WebSockets need nothing more. Leave flush_interval",
    "\t# alone: -1 would keep requests running whose visitors have left.",
    `\treverse_proxy ${upstream} {`,
    "\t\t# While ten is restarted, for less than a second, requests wait for it instead of failing. Up to Caddy 2.11.1 those with a",
    "\t\t# body fail all the same (caddyserver/caddy#7546).",
    "\t\tlb_try_duration 10s",
    "\t\tlb_try_interval 50ms",
    "\t\t# Apps see the visitor's address. Behind a CDN or load balancer, name its networks here, else they see that:",
    "\t\t# trusted_proxies 192.0.2.0/24",
    "\t\ttransport http {",
    "\t\t\t# ten closes connections that are idle for 120 s; Caddy has to be sooner, or a request could meet the end.",
    "\t\t\tkeepalive 90s",
    "\t\t}",
    "\t}",
    "}",
  ];
}

/** Names of instances are not known beforehand, and only a DNS challenge proves a wildcard. */
function wildcards({ dns }: CaddySite, hosts: readonly string[]): string[] {
  if (hosts.length === 0) return [];
  const site = [
    `${hosts.join(", ")} {`,
    "\ttls {",
    `\t\tdns ${dns ?? "PROVIDER"} {env.DNS_API_TOKEN}`,
    "\t}",
    "\timport ten",
    "}",
  ];
  return [
    "",
    "# Single instances, v2.api and so on. This needs wildcard certificates, and they a DNS challenge: a Caddy with the module of your",
    `# DNS provider (xcaddy build --with github.com/caddy-dns/${dns ?? "PROVIDER"}), and its token in DNS_API_TOKEN.`,
    ...site.map((line) => (dns === undefined ? `# ${line}` : line)),
  ];
}
