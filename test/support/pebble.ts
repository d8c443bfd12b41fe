// A real ACME authority on this machine: Let's Encrypt's pebble with its DNS, for whoever has Debian's package of that name.
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { freePort } from "./free-port.ts";
import { makeAuthority, makeCertificate } from "./make-certificate.ts";
import { createTempDir } from "./temp-dir.ts";
import { until } from "./until.ts";

const BINARY = Bun.which("pebble");
const DNS_BINARY = Bun.which("pebble-challtestsrv");

export const hasPebble = BINARY !== null && DNS_BINARY !== null;
/** For the names of tests that are skipped without it. */
export const NEEDS_PEBBLE = "(needs pebble)";

/** Called as `dns.sh URL set|clear NAME VALUE`: writes into the zone of pebble's DNS (needs curl). */
export const DNS_SCRIPT = `#!/bin/sh
case $2 in
set) exec curl -sf -d "{\\"host\\":\\"$3.\\",\\"value\\":\\"$4\\"}" $1/set-txt;;
clear) exec curl -sf -d "{\\"host\\":\\"$3.\\"}" $1/clear-txt;;
esac
`;

export interface PebbleOptions {
  /** Where it looks for answers to HTTP-01 and TLS-ALPN-01. */
  readonly httpPort?: number;
  readonly tlsPort?: number;
  /** Environment variables of its own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Accounts that it wants to be bound: HMAC keys by key id. */
  readonly bindings?: Readonly<Record<string, string>>;
}

export interface Pebble extends AsyncDisposable {
  readonly directory: string;
  /** What its own TLS is to be trusted by. */
  readonly roots: string;
  /** The root of what it issues; of alternate chains those from 1. */
  issuingRoot(nth?: number): Promise<string>;
  /** The common name of such a root. */
  rootName(nth?: number): Promise<string>;
  /** Whether it knows a certificate as `Valid` or `Revoked`. */
  status(serial: string): Promise<string>;
  /** Tells its DNS something: `add-a`, `set-txt`, `set-servfail`... */
  dns(path: string, body: unknown): Promise<void>;
  readonly dnsUrl: string;
}

export async function startPebble(options: PebbleOptions = {}): Promise<Pebble> {
  const temp = createTempDir();
  const [port, management, dnsPort, dnsManagement] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  const authority = makeAuthority("test root");
  const own = makeCertificate(authority, { names: ["127.0.0.1", "localhost"] });
  writeFileSync(temp.file("cert.pem"), own.certificate);
  writeFileSync(temp.file("key.pem"), own.key);
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: temp.file("cert.pem"),
    privateKey: temp.file("key.pem"),
    httpPort: options.httpPort ?? 1,
    tlsPort: options.tlsPort ?? 1,
    externalAccountBindingRequired: options.bindings !== undefined,
    externalAccountMACKeys: options.bindings ?? {},
  };
  writeFileSync(temp.file("config.json"), JSON.stringify({ pebble }));
  const dnsUrl = `http://127.0.0.1:${dnsManagement}`;
  const quiet = { stdin: "ignore", stdout: "ignore", stderr: Bun.file(temp.file("log")) } as const;
  const words = [
    "-management",
    `127.0.0.1:${dnsManagement}`,
    "-dns01",
    `127.0.0.1:${dnsPort}`,
    "-defaultIPv6",
    "",
  ];
  const dns = Bun.spawn([DNS_BINARY ?? "", ...words, "-http01", "", "-https01", "", "-tlsalpn01", ""], quiet);
  const child = Bun.spawn(
    [BINARY ?? "", "-strict", "-config", temp.file("config.json"), "-dnsserver", `127.0.0.1:${dnsPort}`],
    {
      ...quiet,
      env: { PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: "10", PEBBLE_AUTHZREUSE: "0", ...options.env },
    },
  );
  const tls = { ca: authority.certificate };
  const directory = `https://127.0.0.1:${port}/dir`;
  const ask = (path: string) =>
    fetch(`https://127.0.0.1:${management}${path}`, { tls }).then((answer) => answer.text());
  await until("pebble answers", () =>
    fetch(directory, { tls }).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  await until("its DNS answers", () =>
    fetch(`${dnsUrl}/clear-txt`, { method: "POST", body: "{}" }).then(
      () => true,
      () => false,
    ),
  );
  const issuingRoot = (nth = 0) => ask(`/roots/${nth}`);
  return {
    directory,
    roots: authority.certificate,
    issuingRoot,
    rootName: async (nth) =>
      /^CN=(.+)$/m.exec(new X509Certificate(await issuingRoot(nth)).subject)?.[1] ?? "",
    status: async (serial) => String(JSON.parse(await ask(`/cert-status-by-serial/${serial}`)).Status),
    async dns(path, body) {
      await fetch(`${dnsUrl}/${path}`, { method: "POST", body: JSON.stringify(body) });
    },
    dnsUrl,
    async [Symbol.asyncDispose]() {
      child.kill();
      dns.kill();
      await Promise.all([child.exited, dns.exited]);
      temp[Symbol.dispose]();
    },
  };
}
