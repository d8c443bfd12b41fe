// A Caddyfile for a ten or a slum: TLS for its hosts, what keeps requests alive while it is restarted, and nothing that strangers may claim.

export interface CaddySite {
  readonly program: "ten" | "slum";
  readonly domain: string;
  /** Where Caddy finds it, `host:port`. */
  readonly upstream: string;
  /** What is served besides wildcards: Caddy gets certificates for these as soon as their names lead to it. */
  readonly hosts: readonly string[];
  /** Hosts that only a DNS challenge proves, `*.api.example.com`. */
  readonly wildcards: readonly string[];
  /** Whether certificates for other hosts are got with their first handshake, when the program knows the host. */
  readonly onDemand: boolean;
  /** Whom the certificate authority writes to. */
  readonly email: string | undefined;
  /** Caddy's name of the DNS provider that answers challenges, for wildcard certificates. */
  readonly dns: string | undefined;
}

/** Where Caddy asks whether a host may have a certificate. */
export const TLS_CHECK_PATH = "/internal/tls-check";

/** How a file begins that was written here. */
export function caddyfileMark(program: CaddySite["program"]): string {
  return `# Written by \`${program} caddy\``;
}

/**
 * Fields by which a request claims to come from somebody, by another host or path: Caddy passes them on as they came, and is
 * believed. X-Forwarded-For, -Proto and -Host it sets itself.
 */
const CLAIMS = [
  "Forwarded",
  "X-Real-IP",
  "X-Client-IP",
  "X-Cluster-Client-IP",
  "True-Client-IP",
  "CF-Connecting-IP",
  "Fastly-Client-IP",
  "X-Forwarded-Port",
  "X-Forwarded-Prefix",
  "X-Forwarded-Scheme",
  "X-Forwarded-Server",
  "X-Forwarded-Ssl",
  "X-Original-Host",
  "X-Original-URL",
  "X-Rewrite-URL",
];
const SELECTOR = "X-Tenement-Instance";

export function caddyfile(site: CaddySite): string {
  const { program, domain, upstream, hosts, onDemand } = site;
  return [
    `${caddyfileMark(program)} for ${program} at ${upstream} with the domain ${domain}. After a change of ${
      program === "ten" ? "services or domains" : "its address or domain"
    }, write it again.`,
    ...globals(site),
    "",
    ...snippet(site),
    "",
    `# ${program} itself (dashboard, API and metrics, with a token)${program === "ten" ? ", and services by weight" : ""}.`,
    `${hosts.join(", ")} {`,
    `\timport ${program}`,
    "}",
    ...wildcardSites(site),
    ...(onDemand ? demanded(site) : []),
    "",
  ].join("\n");
}

function globals({ email, onDemand, upstream }: CaddySite): string[] {
  if (email === undefined && !onDemand) return [];
  return [
    "{",
    ...(email === undefined ? [] : [`\temail ${email}`]),
    ...(onDemand ? ["\ton_demand_tls {", `\t\task http://${upstream}${TLS_CHECK_PATH}`, "\t}"] : []),
    "}",
  ];
}

function snippet({ program, upstream }: CaddySite): string[] {
  return [
    `(${program}) {`,
    `\t# ${program} believes Caddy, so nothing passes that a visitor may not say: who it is for, and where it comes from. Behind a`,
    "\t# CDN whose field your apps read, take that line out.",
    ...[SELECTOR, ...CLAIMS].map((field) => `\trequest_header -${field}`),
    "\t# Bodies flow both ways without a limit of Caddy's, event streams and WebSockets need nothing more. Leave flush_interval",
    "\t# alone: -1 would keep requests running whose visitors have left.",
    `\treverse_proxy ${upstream} {`,
    `\t\t# While ${program} is restarted, for less than a second, requests wait for it instead of failing. Up to Caddy 2.11.1 those with a`,
    "\t\t# body fail all the same (caddyserver/caddy#7546).",
    "\t\tlb_try_duration 10s",
    "\t\tlb_try_interval 50ms",
    "\t\t# Apps see the visitor's address. Behind a CDN or load balancer, name its networks here, else they see that:",
    "\t\t# trusted_proxies 192.0.2.0/24",
    "\t\ttransport http {",
    `\t\t\t# ${program} closes connections that are idle for 120 s; Caddy has to be sooner, or a request could meet the end.`,
    "\t\t\tkeepalive 90s",
    "\t\t}",
    "\t}",
    "}",
  ];
}

/** Their hosts are not known beforehand, and only a DNS challenge proves a wildcard. */
function wildcardSites({ program, dns, wildcards }: CaddySite): string[] {
  if (wildcards.length === 0) return [];
  const site = [
    `${wildcards.join(", ")} {`,
    "\ttls {",
    `\t\tdns ${dns ?? "PROVIDER"} {env.DNS_API_TOKEN}`,
    "\t}",
    `\timport ${program}`,
    "}",
  ];
  const what = program === "ten" ? "Single instances, v2.api and so on" : "Tenants with wildcards";
  return [
    "",
    `# ${what}. This needs wildcard certificates, and they a DNS challenge: a Caddy with the module of your`,
    `# DNS provider (xcaddy build --with github.com/caddy-dns/${dns ?? "PROVIDER"}), and its token in DNS_API_TOKEN.`,
    ...site.map((line) => (dns === undefined ? `# ${line}` : line)),
  ];
}

function demanded({ program }: CaddySite): string[] {
  const what = program === "ten" ? "Single instances, v2.api and so on" : "Tenants";
  return [
    "",
    `# ${what}: a certificate with the first handshake, for hosts that ${program} knows.`,
    "https:// {",
    "\ttls {",
    "\t\ton_demand",
    "\t}",
    `\timport ${program}`,
    "}",
  ];
}

/** What the sample of Caddy's packages comes to without its comments. */
const SAMPLE = ":80 { root * /usr/share/caddy file_server }";

/** Whether a Caddyfile is the sample that comes with Caddy's packages, and nobody has made it anything else. */
export function isUntouchedSample(text: string): boolean {
  const words = text
    .split("\n")
    .map((line) => line.replace(/(^|\s)#.*$/, ""))
    .join(" ")
    .split(/\s+/)
    .filter((word) => word !== "");
  return words.join(" ") === SAMPLE;
}
