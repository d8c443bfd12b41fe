// https of `ten serve`: which names are its own to order certificates for, and where they are kept.
import { join, resolve } from "node:path";
import { type AcmeSettings, readAcme } from "../certificates/acme-settings.ts";
import { type Certificates, openCertificates } from "../certificates/open-certificates.ts";
import { createDirectoryStore } from "../certificates/store/directory-store.ts";
import { isPublicDomain, isWithin } from "../core/domain.ts";
import { splitWords } from "../core/shell-words.ts";
import { definedIn, type Environment } from "../platform/environment.ts";
import type { Log } from "../platform/log.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { Config } from "./config/config.ts";

export interface HttpsParts {
  readonly config: Config;
  /** Test certificates, whatever authority is configured. */
  readonly isStaging: boolean;
  readonly domain: string;
  readonly dataDir: string;
  readonly version: string;
  /** As it is served; asked once it is. */
  httpsPort(): number;
  readonly environment: Environment;
  readonly clock: Clock;
  readonly log: Log;
  /** Hosts that are served whatever runs. */
  hosts(): readonly string[];
  /** Whether a visitor may come by this name. */
  serves(host: string): boolean;
  note(kind: string, detail: string): void;
}

/** Opens what is kept and begins to order what is missing. Throws a usage fault for files that are not what they should be. */
export async function openHttps(parts: HttpsParts): Promise<Certificates> {
  const { config, domain, log, clock } = parts;
  const acme = readAcme(acmeSettings(config, parts.isStaging), {
    eabFile: "acme.eab_file",
    rootsFile: "acme.roots",
  });
  if (!isPublicDomain(domain) && config.settings.certificates.length === 0)
    log.warn(
      `no authority issues certificates for ${domain}: name your domain (--domain), or give certificates of your own`,
    );
  return openCertificates({
    acme,
    paths: config.settings.certificates,
    store: createDirectoryStore(join(parts.dataDir, "_certificates")),
    clock,
    program: "ten",
    version: parts.version,
    httpsPort: parts.httpsPort,
    environment: definedIn(parts.environment),
    wanted() {
      const hosts = parts.hosts().filter(isPublicDomain);
      if (acme?.dnsCommand === undefined) return hosts;
      // One for all services, as the operator can prove the whole domain.
      const isBelow = (host: string) => host !== domain && isWithin(host, domain);
      return [...hosts.filter((host) => !isBelow(host)), ...(hosts.some(isBelow) ? [`*.${domain}`] : [])];
    },
    isOurs: (name) => isPublicDomain(name) && parts.serves(name),
    onEvent({ kind, name, detail }) {
      parts.note(`certificate.${kind}`, `${name} ${detail}`);
      if (kind === "failed" || kind === "expiring") log.warn(`certificate of ${name}: ${detail}`);
      else log.info(`certificate of ${name} ${kind}: ${detail}`);
    },
    onProblem: (text) => log.warn(text),
  });
}

function acmeSettings({ document, directory }: Config, isStaging: boolean): AcmeSettings {
  const { authorities, email, eab_file: eab, profile, dns_command: dns, roots, challenges } = document.acme;
  return {
    authorities: isStaging ? ["staging"] : authorities,
    email,
    eabFile: eab === undefined ? undefined : resolve(directory, eab),
    profile,
    preferredChain: document.acme.preferred_chain,
    dnsCommand: dns === undefined ? undefined : splitWords(dns),
    rootsFile: roots === undefined ? undefined : resolve(directory, roots),
    challenges,
  };
}
