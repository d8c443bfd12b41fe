// https of `slum serve`: a certificate for slum's own host and for each tenant's domain, shared by all slums of a registry.
import { join } from "node:path";
import { type AcmeSettings, readAcme } from "../certificates/acme-settings.ts";
import { type Certificates, openCertificates } from "../certificates/open-certificates.ts";
import { createDirectoryStore } from "../certificates/store/directory-store.ts";
import type { CertificateStore } from "../certificates/store/store.ts";
import { HTTPS_PORT } from "../cli/serve.ts";
import { isPublicDomain } from "../core/domain.ts";
import { Fault, messageOf } from "../core/fault.ts";
import { definedIn, type Environment } from "../platform/environment.ts";
import type { Log } from "../platform/log.ts";
import { createPostgres } from "../platform/storage/postgres.ts";
import { isPostgresUrl } from "../platform/storage/postgres-url.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { Outbox } from "../webhooks/outbox.ts";
import type { Routes } from "./fleet/routes.ts";
import { tellOfCertificate } from "./operations/certificate-alerts.ts";
import { boxFor } from "./registry/open-registry.ts";
import { dataPaths } from "./registry/paths.ts";
import { createSharedStore } from "./registry/postgres/certificate-store.ts";
import type { Registry } from "./registry/registry.ts";

/** As the command line says it. */
export interface HttpsSettings {
  readonly port: number;
  readonly http2: boolean;
  readonly certificates: readonly string[];
  /** Without a command for DNS-01, wildcards are ordered name by name, when they are asked for. */
  readonly acme: AcmeSettings;
}

export interface HttpsParts {
  readonly settings: HttpsSettings;
  readonly version: string;
  /** Where it is served; asked once it is. */
  httpsUrl(): URL | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly environment: Environment;
  readonly database: string | undefined;
  readonly keyFile: string | undefined;
  readonly dataDir: string;
  readonly slumId: string;
  /** slum's own host. */
  readonly domain: string;
  isOurs(host: string): boolean;
  readonly registry: Registry;
  readonly routes: Routes;
  readonly webhooks: Outbox;
  /** What is opened here is closed with it. */
  readonly opened: AsyncDisposableStack;
}

/** How long certificates wait for more tenants to come. */
const TOGETHER_MS = 1_000;

/** Opens what is kept and begins to order what is missing. Throws a usage fault for files that are not what they should be. */
export async function openHttps(parts: HttpsParts): Promise<Certificates> {
  const { settings, log, registry, routes, domain, clock, opened } = parts;
  const isProvable = (name: string) =>
    name.startsWith("*.")
      ? settings.acme.dnsCommand !== undefined && isPublicDomain(name.slice(2))
      : isPublicDomain(name);
  const domains = () => [domain, ...[...registry.tenants.values()].map((tenant) => tenant.domain)];
  const certificates = await openCertificates({
    acme: readAcme(settings.acme, { eabFile: "--acme-eab", rootsFile: "--acme-roots" }),
    paths: settings.certificates,
    store: certificateStore(parts),
    clock,
    program: "slum",
    version: parts.version,
    httpsPort: () => Number(parts.httpsUrl()?.port || HTTPS_PORT),
    environment: definedIn(parts.environment),
    wanted: () => domains().filter(isProvable),
    isOurs: (name) => isProvable(name) && parts.isOurs(name),
    ownerOf: (name) => wildcardTenant(routes, name),
    onEvent({ kind, name, detail }) {
      if (kind === "failed" || kind === "expiring") log.warn(`certificate of ${name}: ${detail}`);
      void tellOfCertificate(parts, `certificate.${kind}`, name, detail).catch((thrown) =>
        log.warn(`certificate.${kind} of ${name} could not be noted: ${messageOf(thrown)}`),
      );
    },
    onProblem: (text) => log.warn(text),
  });
  opened.use(certificates);
  opened.use(orderForTenants(registry, certificates, clock));
  return certificates;
}

/** Whose wildcard covers a host. */
function wildcardTenant(routes: Routes, host: string): string | undefined {
  const row = routes.tenant(host)?.row;
  return row?.domain.startsWith("*.") ? row.id : undefined;
}

/** Has what tenants need ordered when they come, of many at once together. */
function orderForTenants(registry: Registry, certificates: Certificates, clock: Clock): Disposable {
  let cancel: (() => void) | undefined;
  registry.onChange(({ tenants }) => {
    if (tenants?.length === 0 || cancel !== undefined) return;
    cancel = clock.after(TOGETHER_MS, () => {
      cancel = undefined;
      certificates.refresh();
    });
  });
  return { [Symbol.dispose]: () => cancel?.() };
}

/** In the data directory, or in a registry that is shared, with a copy there. */
function certificateStore({
  database,
  keyFile,
  dataDir,
  clock,
  slumId,
  opened,
}: HttpsParts): CertificateStore {
  const paths = dataPaths(dataDir);
  const copy = createDirectoryStore(join(paths.root, "_certificates"));
  if (database === undefined || !isPostgresUrl(database)) return copy;
  const box = boxFor(database, keyFile, paths);
  if (box === undefined)
    throw new Fault(
      "usage",
      "the keys of certificates would lie in the shared registry in clear",
      "give all slums one --key-file: (umask 077; head -c 32 /dev/urandom | base64 > key)",
    );
  return createSharedStore({ postgres: opened.use(createPostgres(database, clock)), box, slumId, copy });
}
