// https of `slum`: a certificate for each tenant's domain, the first time that it is asked for, and for nobody else's.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { hasChromium, startChromium } from "../support/chromium.ts";
import { freePort } from "../support/free-port.ts";
import { askByTls } from "../support/https-client.ts";
import { startOrigin } from "../support/origin.ts";
import { DNS_SCRIPT, hasPebble, NEEDS_PEBBLE, type Pebble, startPebble } from "../support/pebble.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { type Slum, startSlumWith } from "./slum.ts";

interface Listed {
  readonly name: string;
  readonly state: string;
}

const certificates = async (slum: Slum) =>
  (await slum.json<{ certificates: Listed[] }>("cert", "list")).certificates;

describe.if(hasPebble)(`a slum with an authority ${NEEDS_PEBBLE}`, () => {
  test("serves each tenant's domain by https, orders nothing for others, and forgets who is removed", async () => {
    using temp = createTempDir();
    const [port, httpsPort] = await Promise.all([freePort(), freePort()]);
    await using pebble: Pebble = await startPebble({
      httpPort: port,
      tlsPort: httpsPort,
      env: { PEBBLE_ALTERNATE_ROOTS: "1" },
    });
    await using origin = startOrigin(() => new Response("ok"));
    writeFileSync(temp.file("roots.pem"), pebble.roots);
    const script = temp.file("dns.sh");
    writeFileSync(script, DNS_SCRIPT, { mode: 0o700 });
    const byDns = ["--acme-dns-command", `${script} ${pebble.dnsUrl}`];
    const acme = ["--acme", pebble.directory, "--acme-roots", temp.file("roots.pem"), ...byDns];
    const chain = ["--acme-preferred-chain", await pebble.rootName(1)];
    const https = [
      "--https",
      "--https-port",
      String(httpsPort),
      "--domain",
      "slum.test",
      "--host",
      "127.0.0.1",
    ];
    await using slum = await startSlumWith({ words: [...https, ...acme, ...chain], port });
    await slum.ok("server", "add", "one", origin.url);
    for (const id of ["a", "b", "c"]) await slum.ok("tenant", "add", id, `${id}.customer.test`, "one", "api");
    const ca = await pebble.issuingRoot(1);
    for (const id of ["a", "b", "c"]) {
      const name = `${id}.customer.test`;
      const seen = await until(`${name} is served`, () =>
        askByTls({ port: httpsPort, name, ca }).catch(() => undefined),
      );
      expect([seen.status, seen.certificate.subjectaltname]).toEqual([200, `DNS:${name}`]);
    }
    await expect(askByTls({ port: httpsPort, name: "stranger.test" })).rejects.toThrow();
    const names = (await certificates(slum)).map(({ name }) => name);
    expect(names).not.toContain("stranger.test");
    const plain = await slum.get("a.customer.test", "/x?y");
    expect([plain.status, plain.headers.get("location")]).toEqual([
      308,
      `https://a.customer.test:${httpsPort}/x?y`,
    ]);
    expect((await slum.get("slum.test", "/health")).status).toBe(200);
    // One for all that a tenant's wildcard covers, by a record in its zone.
    await slum.ok("tenant", "add", "wild", "*.wild.test", "one", "api");
    await until("the wildcard is there", async () =>
      (await certificates(slum)).some(({ name, state }) => name === "*.wild.test" && state === "valid"),
    );
    const wild = await askByTls({ port: httpsPort, name: "any.wild.test", ca });
    expect([wild.status, wild.certificate.subjectaltname]).toEqual([200, "DNS:*.wild.test"]);
    expect((await askByTls({ port: httpsPort, name: "other.wild.test", ca })).status).toBe(200);
    expect((await certificates(slum)).map(({ name }) => name)).not.toContain("any.wild.test");
    const why = await slum.run("why", "a.customer.test");
    expect(why.stdout).toMatch(/^a\.customer\.test: a\.customer\.test has no address in DNS/);
    expect(why.stdout).toMatch(/certificate +by .* days left, renewed 2/);
    expect((await slum.ok("ps")).stdout).not.toContain("certificate");
    if (hasChromium) {
      await using browser = await startChromium();
      const tab = await browser.tab();
      const { url } = await slum.json<{ url: string }>("dashboard");
      await tab.open(url.replace("slum.test", "localhost"));
      await tab.sees(
        "certificates",
        `document.querySelector("#certificates")?.closest("section").innerText.includes("*.wild.test")`,
      );
      expect(await tab.axe()).toEqual([]);
      expect(tab.complaints).toEqual([]);
    }
    await slum.ok("tenant", "delete", "c");
    // Nobody's any more: its certificate is still there, and leads nowhere.
    const gone = await askByTls({ port: httpsPort, name: "c.customer.test" });
    expect(gone.status).toBe(404);
  }, 120_000);
});
