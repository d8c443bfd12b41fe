// https of the compiled binary: from nothing to a certificate, what visitors see meanwhile, and what is refused.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { askByTls } from "../support/https-client.ts";
import { makeAuthority, makeCertificate } from "../support/make-certificate.ts";
import { hasPebble, NEEDS_PEBBLE, type Pebble, startPebble } from "../support/pebble.ts";
import { until } from "../support/until.ts";
import { startTen, type Ten, tomlFor } from "./ten.ts";

interface Listed {
  readonly name: string;
  readonly state: string;
  readonly source: string;
  readonly issuer: string | null;
  readonly serial: string | null;
  readonly last_failure: { readonly reason: string } | null;
}

const certificates = async (ten: Ten) =>
  (await ten.json<{ certificates: Listed[] }>("cert", "list")).certificates;

const untilValid = (ten: Ten, name: string) =>
  until(`${name} has a certificate`, async () =>
    (await certificates(ten)).find((one) => one.name === name && one.state === "valid"),
  );

/** Who may name a route is sent nowhere else: these tests are visitors. */
const visited = (toml: string) => toml.replace(/selector_from.*\n/, "");

/** Two services, one of them with a domain of its own, and pebble for an authority. */
async function startWithPebble(
  more: { service?: string; settings?: string; env?: Record<string, string>; rootWanted?: number } = {},
) {
  const [port, httpsPort] = await Promise.all([freePort(), freePort()]);
  const pebble = await startPebble({
    httpPort: port,
    tlsPort: httpsPort,
    ...(more.env && { env: more.env }),
  });
  const service = visited(tomlFor("bun", more.service));
  const web = service.slice(service.indexOf("[service.api]")).replace("[service.api]", "[service.web]");
  const chain =
    more.rootWanted === undefined ? "" : `preferred_chain = "${await pebble.rootName(more.rootWanted)}"\n`;
  const toml = `${service}\n${web}\ndomains = ["www.other.test"]\n[acme]\nauthorities = ["${pebble.directory}"]\nroots = "roots.pem"\nemail = "ops@shop.test"\n${chain}`;
  const ten = await startTen({
    port,
    toml,
    serve: ["--https", "--https-port", String(httpsPort), "--domain", "shop.test", "--host", "127.0.0.1"],
    prepare: (dir) => writeFileSync(join(dir, "roots.pem"), pebble.roots),
  });
  return { ten, pebble, httpsPort, port };
}

// Real authorities on a busy machine take their time.
setDefaultTimeout(180_000);

describe.if(hasPebble)(`a server with an authority ${NEEDS_PEBBLE}`, () => {
  test("has certificates for all its names by itself, keeps them over a restart, and sends http to https", async () => {
    const { ten, pebble, httpsPort } = await startWithPebble({
      service: 'hsts = "1y"',
      env: { PEBBLE_ALTERNATE_ROOTS: "1" },
      rootWanted: 1,
    });
    await using _ten = ten;
    await using _pebble: Pebble = pebble;
    await ten.ok("deploy", "api:v1");
    for (const name of ["shop.test", "api.shop.test", "web.shop.test", "www.other.test"])
      await untilValid(ten, name);
    // The chain that was asked for leads to the second root, and to no other.
    const ca = await pebble.issuingRoot(1);
    const seen = await askByTls({ port: httpsPort, name: "api.shop.test", ca, alpn: ["http/1.1"] });
    const other = { port: httpsPort, name: "api.shop.test", ca: await pebble.issuingRoot(0) };
    await expect(askByTls(other)).rejects.toThrow(/issuer certificate/);
    expect(seen).toMatchObject({ status: 200, protocol: "http/1.1" });
    expect(seen.head).toContain("X-Ten-Instance: api:v1".toLowerCase());
    expect(seen.head).toContain("Strict-Transport-Security: max-age=31536000");
    expect(seen.certificate.subjectaltname).toBe("DNS:api.shop.test");

    const plain = await fetch(`http://127.0.0.1:${ten.port}/path?q=%2F1`, {
      headers: { Host: "api.shop.test" },
      redirect: "manual",
    });
    expect([plain.status, plain.headers.get("location")]).toEqual([
      308,
      `https://api.shop.test:${httpsPort}/path?q=%2F1`,
    ]);
    const health = await fetch(`http://127.0.0.1:${ten.port}/health`, {
      headers: { Host: "shop.test" },
      redirect: "manual",
    });
    expect(health.status).toBe(200);

    const why = await ten.run("why", "api:v1");
    expect(why.stdout).toMatch(/https +api\.shop\.test: by .*, good for \d+ days/);
    // Nobody's DNS knows it here, which is said with the certificate that there is.
    const host = await ten.run("why", "API.shop.test.");
    expect([host.exit, host.stdout]).toEqual([
      5,
      expect.stringMatching(/^api\.shop\.test: api\.shop\.test has no address in DNS \(/),
    ]);
    expect(host.stdout).toMatch(/certificate +by .*, \d+ days left, renewed 2/);
    expect((await ten.run("why", "stranger.test")).stdout).toContain("is not served here");
    expect((await ten.ok("ps")).stdout).not.toContain("certificate");

    const key = join(ten.dataDir, "_certificates/certificate/api.shop.test.stored");
    expect(statSync(key).mode & 0o777).toBe(0o600);
    const before = (await certificates(ten)).map(({ serial }) => serial);
    ten.kill("SIGTERM");
    await ten.exited;
    await ten.start();
    expect((await certificates(ten)).map(({ serial }) => serial)).toEqual(before);
    expect((await askByTls({ port: httpsPort, name: "api.shop.test", ca })).status).toBe(200);
  });

  test("replaces them on command, and nobody who is connected notices", async () => {
    const { ten, pebble, httpsPort } = await startWithPebble();
    await using _ten = ten;
    await using _pebble: Pebble = pebble;
    await ten.ok("deploy", "api:v1");
    const { serial } = await untilValid(ten, "api.shop.test");
    const ca = await pebble.issuingRoot();
    await using visitors = startVisitors(httpsPort, "api.shop.test", ca);
    await until("visitors are served", () => visitors.served() > 20);
    const renewed = await ten.json<Listed>("cert", "renew", "api.shop.test");
    expect(renewed.serial).not.toBe(serial);
    const seen = await until("the new one is served", async () => {
      const one = await askByTls({ port: httpsPort, name: "api.shop.test", ca });
      return one.certificate.serialNumber.toLowerCase() === renewed.serial && one;
    });
    expect(seen.status).toBe(200);
    const served = visitors.served();
    await until("visitors are served on", () => visitors.served() > served + 20);
    expect(visitors.failed()).toEqual([]);

    await ten.ok("cert", "revoke", "api.shop.test", "--reason", "key-compromise");
    expect(await pebble.status(renewed.serial ?? "")).toBe("Revoked");
    const next = await untilValid(ten, "api.shop.test");
    expect(next.serial).not.toBe(renewed.serial);
    const events = await ten.json<{ events: { kind: string; by: string | null }[] }>(
      "events",
      "--limit",
      "200",
    );
    const kinds = new Set(events.events.map(({ kind }) => kind));
    for (const kind of ["certificate.issued", "certificate.renewed", "certificate.revoked"])
      expect(kinds).toContain(kind);
  });

  test("orders nothing for names that are not its own, and refuses their handshakes", async () => {
    const { ten, pebble, httpsPort } = await startWithPebble();
    await using _ten = ten;
    await using _pebble: Pebble = pebble;
    await untilValid(ten, "shop.test");
    const refused = (name: string | undefined) =>
      expect(askByTls({ port: httpsPort, name, host: "shop.test" })).rejects.toThrow();
    await refused("evil.example");
    await refused("nobody.api.shop.test");
    await refused(`${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(60)}.${"d".repeat(60)}.shop.test`);
    await refused(undefined);
    const names = (await certificates(ten)).map(({ name }) => name);
    expect(names.toSorted()).toEqual(["api.shop.test", "shop.test", "web.shop.test", "www.other.test"]);
    // The certificate of one name says nothing of another's.
    expect((await askByTls({ port: httpsPort, name: "shop.test", host: "api.shop.test" })).status).toBe(421);
    const metrics = (await ten.run("metrics")).stdout || (await askMetrics(ten));
    expect(metrics).toContain('ten_tls_handshakes_total{result="unknown_name"} ');
  });

  test("serves on by http while the authority refuses, and says what is wrong", async () => {
    const { ten, pebble } = await startWithPebble({ env: { PEBBLE_VA_NOSLEEP: "1" } });
    await using _ten = ten;
    await pebble.dns("set-default-ipv4", { ip: "127.0.0.9" });
    await pebble[Symbol.asyncDispose]();
    await ten.ok("deploy", "api:v1");
    const renewing = await ten.run("cert", "renew", "web.shop.test");
    expect(renewing.exit).toBe(5);
    expect(renewing.stderr).toContain("cannot be reached");
    expect((await ten.get("web.shop.test")).status).not.toBe(308);
    expect((await ten.get("api.shop.test")).status).toBeLessThan(309);
    const { stdout } = await ten.ok("cert", "list");
    expect(stdout).toMatch(/web\.shop\.test +missing/);
    expect((await ten.ok("ps")).stdout).toMatch(
      /shop\.test.*: no certificate: 127\.0\.0\.1:\d+: cannot be reached: (connection refused|the connection was closed); next try 2/,
    );
    // The app is well, and visitors by https do not come to it.
    const why = await ten.run("why", "api:v1");
    expect([why.exit, why.stdout]).toEqual([
      5,
      expect.stringMatching(/^api:v1: api\.shop\.test: no certificate: .*\n +what to do: ten why api/),
    ]);
  });
});

/** Over the admin socket, as a scraper on this machine. */
async function askMetrics(ten: Ten): Promise<string> {
  const response = await fetch("http://localhost/metrics", {
    unix: join(ten.dataDir, "ten.sock"),
  } as RequestInit);
  return response.text();
}

/** Keep-alive visitors of one host, one after the other on each of a few connections. */
function startVisitors(port: number, name: string, ca: string) {
  let served = 0;
  let isOver = false;
  const failed: string[] = [];
  const visit = async () => {
    while (!isOver) {
      try {
        const answer = await fetch(`https://127.0.0.1:${port}/`, {
          headers: { Host: name },
          tls: { ca, serverName: name },
          proxy: false,
        } as RequestInit);
        await answer.text();
        if (answer.status === 200) served++;
        else failed.push(String(answer.status));
      } catch (thrown) {
        failed.push(String(thrown));
        await Bun.sleep(10);
      }
    }
  };
  const all = Promise.all(Array.from({ length: 4 }, visit));
  return {
    served: () => served,
    failed: () => failed,
    async [Symbol.asyncDispose]() {
      isOver = true;
      await all;
    },
  };
}

describe("a server with certificates of its own", () => {
  const root = makeAuthority("own root");
  const made = (...names: string[]) => {
    const { certificate, key } = makeCertificate(root, { names });
    return `${certificate}${key}`;
  };

  async function start(prepare: (dir: string) => void, settings = "") {
    const httpsPort = await freePort();
    const toml = visited(tomlFor("bun")).replace(
      "[settings]",
      `[settings]\ncertificates = ["certs"]\n${settings}`,
    );
    const ten = await startTen({
      toml: `${toml}\n[acme]\nauthorities = ["none"]\n`,
      serve: ["--https", "--https-port", String(httpsPort), "--domain", "shop.test", "--host", "127.0.0.1"],
      prepare(dir) {
        mkdirSync(join(dir, "certs"), { mode: 0o700 });
        prepare(dir);
      },
    });
    return {
      ten,
      httpsPort,
      put: (name: string, text: string) => putFile(join(ten.dir, "certs", name), text),
    };
  }

  const putFile = (path: string, text: string) => {
    writeFileSync(`${path}.draft`, text, { mode: 0o600 });
    renameSync(`${path}.draft`, path);
  };

  test("serves them, takes new ones while it runs, and keeps what it has when they are wrong", async () => {
    const { ten, httpsPort, put } = await start((dir) =>
      putFile(join(dir, "certs/shop.pem"), made("shop.test", "*.shop.test")),
    );
    await using _ = ten;
    await ten.ok("deploy", "api:v1");
    const first = await askByTls({
      port: httpsPort,
      name: "API.shop.test",
      host: "api.shop.test",
      ca: root.certificate,
    });
    expect(first.status).toBe(200);
    // One certificate covers both.
    expect((await askByTls({ port: httpsPort, name: "shop.test", host: "api.shop.test" })).status).toBe(200);
    put("shop.pem", "nonsense");
    await until("it is told of", async () => (await ten.log()).includes("there is no certificate in it"));
    expect((await askByTls({ port: httpsPort, name: "api.shop.test" })).status).toBe(200);
    put("shop.pem", made("shop.test", "*.shop.test"));
    await until("the new one is served", async () => {
      const { certificate } = await askByTls({ port: httpsPort, name: "api.shop.test" });
      return certificate.serialNumber !== first.certificate.serialNumber;
    });
  });

  test("takes one by command, and refuses what cannot be served with the reason", async () => {
    const { ten, httpsPort } = await start(() => {});
    await using _ = ten;
    await ten.ok("deploy", "api:v1");
    await expect(askByTls({ port: httpsPort, name: "api.shop.test" })).rejects.toThrow();
    writeFileSync(join(ten.dir, "one.pem"), made("api.shop.test"));
    writeFileSync(join(ten.dir, "bare.pem"), makeCertificate(root, { names: ["api.shop.test"] }).certificate);
    const bare = await ten.run("cert", "add", "bare.pem");
    expect([bare.exit, bare.stderr]).toEqual([
      2,
      expect.stringContaining("bare.pem: there is no private key to it"),
    ]);
    await ten.ok("cert", "add", "one.pem");
    expect((await askByTls({ port: httpsPort, name: "api.shop.test", ca: root.certificate })).status).toBe(
      200,
    );
    const renewing = await ten.run("cert", "renew", "api.shop.test");
    expect(renewing.exit).toBe(4);
    await ten.ok("cert", "rm", "api.shop.test", "--yes");
    await expect(askByTls({ port: httpsPort, name: "api.shop.test" })).rejects.toThrow();
  });

  test("as a unit has the right to the ports below 1024, and no other", async () => {
    const { ten } = await start(() => {});
    await using _ = ten;
    const words = ["install", "--print", "--user", "nobody", "--domain", "shop.test"];
    const { stdout } = await ten.ok(...words, "--https");
    expect(stdout).toContain("AmbientCapabilities=CAP_NET_BIND_SERVICE\n");
    expect(stdout).toMatch(/ExecStart=.* serve .*--https( |\n)/);
    expect((await ten.ok(...words, "--port", "8080")).stdout).not.toContain("AmbientCapabilities");
    expect(
      (await ten.ok(...words, "--https", "--port", "8080", "--https-port", "8443")).stdout,
    ).not.toContain("AmbientCapabilities");
  });

  test("asks the test authority with --https=staging, and what is no such word is refused", async () => {
    await using ten = await startTen({
      serve: ["--https=staging", "--https-port", "0", "--domain", "shop.test", "--host", "127.0.0.1"],
      toml: tomlFor("bun"),
    });
    const { authorities } = await ten.json<{ authorities: string[] }>("cert", "list");
    expect(authorities).toEqual(["https://acme-staging-v02.api.letsencrypt.org/directory"]);
    const wrong = await ten.run("serve", "--https=production");
    expect([wrong.exit, wrong.stderr]).toEqual([
      2,
      expect.stringContaining("write --https or --https=staging"),
    ]);
    const words = ["install", "--print", "--user", "nobody", "--domain", "shop.test", "--https=staging"];
    expect((await ten.ok(...words)).stdout).toMatch(/ExecStart=.* serve .*--https=staging( |\n)/);
  });

  test("tells of one whose end comes near, by event and webhook, and of the next one", async () => {
    const heard: { type: string; data: { detail: string } }[] = [];
    await using receiver = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request) {
        heard.push((await request.json()) as (typeof heard)[number]);
        return new Response("thanks");
      },
    });
    const now = Date.now();
    const ending = makeCertificate(root, {
      names: ["shop.test"],
      from: now - 85 * 86_400_000,
      until: now + 5 * 86_400_000,
    });
    const { ten, put } = await start((dir) => putFile(join(dir, "certs/shop.pem"), made("other.test")));
    await using _ = ten;
    await ten.ok("webhook", "add", receiver.url.href, "--allow-private", "--only", "certificate.*");
    await ten.ok("cert", "list");
    put("ending.pem", `${ending.certificate}${ending.key}`);
    const told = await until(
      "it is told",
      () => heard.find(({ type }) => type === "certificate.expiring"),
      90_000,
    );
    expect(told.data.detail).toMatch(/^shop\.test valid until .*; put a new one at .*ending\.pem$/);
    expect((await ten.ok("ps")).stdout).toContain("shop.test: the certificate ends in 4 days");
    put("ending.pem", made("shop.test"));
    await until("its end is told", () => heard.find(({ type }) => type === "certificate.renewed"));
    expect(heard.length).toBe(2);
  });

  test("does not take a directory that others can write to", async () => {
    const { ten } = await start((dir) => {
      putFile(join(dir, "certs/shop.pem"), made("shop.test"));
      chmodSync(join(dir, "certs"), 0o777);
    });
    await using _ = ten;
    expect((await ten.run("cert", "list")).stderr).toContain("can be written by other users");
  });

  test("answers who speaks http to its port for https, and TLS to its port for http", async () => {
    const { ten, httpsPort } = await start((dir) =>
      putFile(join(dir, "certs/default.pem"), made("shop.test")),
    );
    await using _ = ten;
    const said = await talk(httpsPort, "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
    expect(said).toStartWith("HTTP/1.1 400 Bad Request\r\n");
    expect(said).toEndWith("This port speaks https: ask with https:// before\n");
    expect(await talk(ten.port, "\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03")).toStartWith("HTTP/1.1 400");
    // Who names no host gets the certificate that is called default.
    expect((await askByTls({ port: httpsPort, host: "shop.test" })).status).toBeGreaterThan(199);
  });
});

/** What is answered to bytes on a connection of their own. */
function talk(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(Buffer.from(text, "latin1")));
    let said = "";
    socket.on("data", (bytes) => {
      said += bytes.toString("latin1");
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(said));
  });
}
