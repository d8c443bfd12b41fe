// What `slum serve` says once it serves: which registry, which domain, where the dashboard is, and what to do next.
import { counted } from "../../cli/format.ts";

export interface Served {
  readonly url: URL;
  readonly httpsUrl: URL | undefined;
  readonly domain: string;
  readonly dataDir: string;
  readonly registry: {
    /** A path, or a URL without its password. */
    readonly name: string;
    readonly servers: number;
    readonly tenants: number;
  };
}

export function bannerLines({ url, httpsUrl, domain, dataDir, registry }: Served): string[] {
  const { name, servers, tenants } = registry;
  return [
    `registry   ${name} (${counted(servers, "server")}, ${counted(tenants, "tenant")})`,
    `domain     ${domain}: the admin API and the dashboard answer at http://${domain}:${url.port}/`,
    ...(httpsUrl === undefined
      ? []
      : [`https      on port ${httpsUrl.port || 443}; certificates: slum cert list`]),
    `dashboard  slum dashboard prints a link that logs in`,
    `data in    ${dataDir}`,
    `next       ${nextStep(servers, tenants)}`,
  ];
}

function nextStep(servers: number, tenants: number): string {
  if (servers === 0) return "slum server add ID https://...";
  if (tenants === 0) return "slum tenant add ID DOMAIN SERVER SERVICE";
  return "slum ps shows the servers, and what is wrong anywhere";
}
