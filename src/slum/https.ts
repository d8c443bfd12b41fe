// https of `slum serve`: a certificate for slum's own host and for each tenant's domain, shared by all slums of a registry.
import { readFileSync } from "node:fs";
import { readRoots } from "../certificates/certificate.ts";
import { type AcmeOptions, type Certificates, openCertificates } from "../certificates/open-certificates.ts";
import type { CertificateStore } from "../certificates/store/store.ts";
import { parseAuthority, parseBindings } from "../core/certificate-authority.ts";
import { isDomain, isLoopbackDomain } from "../core/domain.ts";
import { Fault, messageOf } from "../core/fault.ts";
import { quote } from "../core/quote.ts";
import { definedIn, type Environment } from "../platform/environment.ts";
import type { Log } from "../platform/log.ts";
import type { Clock } from "../platform/time/clock.ts";

/** As the command line says it. */
export interface HttpsSettings {
  readonly port: number;
  readonly http2: boolean;
  readonly certificates: readonly string[];
  /** Names or addresses of authorities; `none`: nothing is ordered. */
  readonly authorities: readonly string[];
  readonly email: string | undefined;
  readonly eabFile: string | undefined;
  readonly profile: string | undefined;
  readonly rootsFile: string | undefined;
  readonly challenges: readonly ("http-01" | "tls-alpn-01")[];
  /** The words of the command for DNS-01; undefined: wildcards are ordered name by name, when they are asked for. */
  readonly dnsCommand: readonly string[] | undefined;
}

export interface HttpsParts {
  readonly settings: HttpsSettings;
  readonly store: CertificateStore;
  readonly version: string;
  /** As it is served; asked once it is. */
  httpsPort(): number;
  readonly clock: Clock;
  readonly log: Log;
  readonly environment: Environment;
  /** slum's own host and the domains of all tenants. */
  domains(): Iterable<string>;
  isOurs(host: string): boolean;
  /** The tenant whose wildcard covers a host. */
  wildcardTenant(host: string): string | undefined;
  note(kind: string, name: string, detail: string): void;
}

/** Opens what is kept and begins to order what is missing. Throws a usage fault for files that are not what they should be. */
export function openHttps(parts: HttpsParts): Promise<Certificates> {
  const { settings, log } = parts;
  const { dnsCommand } = settings;
  const isPublic = (name: string) => isDomain(name) && !isLoopbackDomain(name) && name.includes(".");
  const isProvable = (name: string) =>
    name.startsWith("*.") ? dnsCommand !== undefined && isPublic(name.slice(2)) : isPublic(name);
  return openCertificates({
    acme: acmeOptions(settings),
    paths: settings.certificates,
    store: parts.store,
    clock: parts.clock,
    program: "slum",
    version: parts.version,
    httpsPort: parts.httpsPort,
    environment: definedIn(parts.environment),
    wanted: () => [...parts.domains()].filter(isProvable),
    isOurs: (name) => isProvable(name) && parts.isOurs(name),
    ownerOf: parts.wildcardTenant,
    onEvent({ kind, name, detail }) {
      parts.note(`certificate.${kind}`, name, detail);
      if (kind === "failed" || kind === "expiring") log.warn(`certificate of ${name}: ${detail}`);
    },
    onProblem: (text) => log.warn(text),
  });
}

function acmeOptions(settings: HttpsSettings): AcmeOptions | undefined {
  const { authorities, email, eabFile, profile, rootsFile, challenges } = settings;
  if (authorities.includes("none")) return undefined;
  const urls = (authorities.length === 0 ? ["letsencrypt"] : authorities).map(parseAuthority);
  return {
    authorities:
      eabFile === undefined ? urls.map((url) => ({ url })) : parseBindings(readText(eabFile), urls, eabFile),
    email,
    profile,
    dnsCommand: settings.dnsCommand,
    roots: rootsFile === undefined ? undefined : readRoots(rootsFile, "--acme-roots"),
    challenges: challenges.length === 0 ? ["http-01"] : challenges,
  };
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (thrown) {
    throw new Fault(
      "usage",
      `--acme-eab: cannot read ${quote(file)}: ${messageOf(thrown)}`,
      "it has a line for each account: AUTHORITY KEY-ID HMAC-KEY",
    );
  }
}
