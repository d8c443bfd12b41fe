// What is said of https in tenement.toml and by flags, at the compiled binary and a real authority: an account that is bound, a wildcard by DNS, who is sent to https, the admin side, and HTTP/2 switched off.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { certificateDirectory } from "../support/certificate-directory.ts";
import { freePort } from "../support/free-port.ts";
import { askByTls } from "../support/https-client.ts";
import { makeAuthority } from "../support/make-certificate.ts";
import { DNS_SCRIPT, hasPebble, NEEDS_PEBBLE, startPebble } from "../support/pebble.ts";
import { until } from "../support/until.ts";
import { startSlumWith } from "./slum.ts";
import { startTen, type Ten, tomlFor } from "./ten.ts";

setDefaultTimeout(120_000);

const CURL = Bun.which("curl");
const BINDING = { kid: "kid-1", hmac: "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W" };

interface Listed {
  readonly name: string;
  readonly state: string;
}

const valid = async (ten: Ten) =>
  (await ten.json<{ certificates: Listed[] }>("cert", "list")).certificates
    .filter(({ state }) => state === "valid")
    .map(({ name }) => name)
    .toSorted();

const metric = async (ten: Ten) =>
  (await fetch("http://localhost/metrics", { unix: join(ten.dataDir, "ten.sock") } as RequestInit)).text();

/** With its services `api` and `web`, the latter served by http as well. */
async function start(acme: (pebble: Awaited<ReturnType<typeof startPebble>>) => string, settings = "") {
  const [port, httpsPort] = await Promise.all([freePort(), freePort()]);
  const opened = new AsyncDisposableStack();
  const pebble = opened.use(
    await startPebble({ httpPort: port, tlsPort: httpsPort, bindings: { [BINDING.kid]: BINDING.hmac } }),
  );
  const service = tomlFor("bun")
    .replace(/selector_from.*\n/, "")
    .replace("[settings]", `[settings]\n${settings}`);
  const web = service.slice(service.indexOf("[service.api]")).replace("[service.api]", "[service.web]");
  const ten = opened.use(
    await startTen({
      port,
      toml: `${service}\n${web}\nredirect = false\n[acme]\nauthorities = ["${pebble.directory}"]\nroots = "roots.pem"\neab_file = "eab"\n${acme(pebble)}`,
      serve: ["--https", "--https-port", String(httpsPort), "--domain", "shop.test", "--host", "127.0.0.1"],
      prepare(dir) {
        writeFileSync(join(dir, "roots.pem"), pebble.roots);
        writeFileSync(join(dir, "eab"), `${BINDING.kid} ${BINDING.hmac}\n`, { mode: 0o600 });
        writeFileSync(join(dir, "dns.sh"), DNS_SCRIPT, { mode: 0o700 });
      },
    }),
  );
  await ten.ok("deploy", "api:v1");
  await ten.ok("deploy", "web:v1");
  return {
    ten,
    httpsPort,
    ca: await pebble.issuingRoot(),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

describe.if(hasPebble)(`a server with an authority that binds accounts ${NEEDS_PEBBLE}`, () => {
  test.skipIf(CURL === null)(
    "has one wildcard by DNS for all services; sends to https who is to be sent there (needs curl)",
    async () => {
      await using all = await start(
        ({ dnsUrl }) => `dns_command = "./dns.sh ${dnsUrl}"\n`,
        'trusted_proxies = ["127.0.0.1"]\nhttp2 = false\n',
      );
      const { ten, httpsPort, ca } = all;
      await until("both are there", async () => (await valid(ten)).length === 2, 60_000);
      expect(await valid(ten)).toEqual(["*.shop.test", "shop.test"]);
      for (const name of ["api.shop.test", "web.shop.test"]) {
        const seen = await askByTls({ port: httpsPort, name, ca, alpn: ["h2", "http/1.1"] });
        expect([seen.status, seen.certificate.subjectaltname, seen.protocol]).toEqual([
          200,
          "DNS:*.shop.test",
          "http/1.1",
        ]);
      }
      // The one covers the other, and so does its certificate.
      expect(
        (await askByTls({ port: httpsPort, name: "api.shop.test", host: "web.shop.test", ca })).status,
      ).toBe(200);

      expect((await ten.get("api.shop.test")).status).toBe(308);
      expect((await ten.get("web.shop.test")).status).toBe(200);
      const bySecure = { headers: { "X-Forwarded-Proto": "https" } };
      expect((await ten.get("api.shop.test", "/", bySecure)).status).toBe(200);
      await ten.ok("maintenance", "api", "on");
      const path = "/.well-known/acme-challenge/token-that-nobody-knows";
      const answer = await ten.get("api.shop.test", path);
      expect([answer.status, answer.body]).toEqual([
        200,
        expect.stringMatching(/^token-that-nobody-knows\.[\w-]{43}$/) as unknown as string,
      ]);
      const secure = await askByTls({ port: httpsPort, name: "api.shop.test", ca, path });
      expect([secure.status, secure.body]).toEqual([200, answer.body]);

      const text = await metric(ten);
      for (const name of ["*.shop.test", "shop.test"])
        expect(text).toContain(`ten_tls_certificate_expiry_seconds{name="${name}",source="acme"} 1`);
    },
  );

  test("has one for each service, and for a version when somebody first asks for it; who has a token is answered by https", async () => {
    await using all = await start(() => "");
    const { ten, httpsPort, ca } = all;
    const names = ["api.shop.test", "shop.test", "web.shop.test"];
    await until("all are there", async () => (await valid(ten)).length === names.length, 60_000);
    expect(await valid(ten)).toEqual(names);
    // Of that one handshake a certificate comes.
    const seen = await askByTls({ port: httpsPort, name: "v1.api.shop.test", ca });
    expect([seen.status, seen.certificate.subjectaltname]).toEqual([200, "DNS:v1.api.shop.test"]);
    expect(await valid(ten)).toContain("v1.api.shop.test");
    await expect(askByTls({ port: httpsPort, name: "v9.api.shop.test", ca })).rejects.toThrow();

    const { token } = await ten.json<{ token: string }>("token-gen");
    const asked = (fields: string) =>
      askByTls({ port: httpsPort, name: "shop.test", ca, path: "/api/instances", fields });
    expect((await asked("")).status).toBe(401);
    expect((await asked("Authorization: Bearer nonsense\r\n")).status).toBe(401);
    expect((await asked(`Authorization: Bearer ${token}\r\n`)).status).toBe(200);
  });
});

test("slum with --no-http2 speaks HTTP/1.1 to who offers both; who names no host gets default.pem once it is there", async () => {
  const root = makeAuthority("own root");
  using certs = certificateDirectory(root);
  certs.put("a.pem", "a.customer.test");
  const httpsPort = await freePort();
  const words = ["--https", "--https-port", String(httpsPort), "--host", "127.0.0.1", "--acme", "none"];
  await using slum = await startSlumWith({ words: [...words, "--no-http2", "--certificates", certs.path] });
  const alpn = ["h2", "http/1.1"];
  const seen = await askByTls({ port: httpsPort, name: "a.customer.test", ca: root.certificate, alpn });
  expect([seen.protocol, seen.status]).toEqual(["http/1.1", 404]);
  const nameless = () => askByTls({ port: httpsPort, host: "a.customer.test", alpn: ["http/1.1"] });
  await expect(nameless()).rejects.toThrow();
  certs.put("default.pem", "fallback.test");
  // Who comes at that very moment may have begun with the one that nobody trusts.
  const seenBy = async () => (await nameless().catch(() => undefined))?.certificate.subjectaltname;
  await until("it is taken up", async () => (await seenBy()) === "DNS:fallback.test", 60_000);
  expect((await nameless()).certificate.subjectaltname).toBe("DNS:fallback.test");
  expect((await slum.run("cert", "list")).exit).toBe(0);
});
