// Whose a connection is, as a proxy that passes bytes on says by a PROXY header: to ten and slum, by http and https; and what it never changes.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { certificateDirectory } from "../support/certificate-directory.ts";
import { freePort } from "../support/free-port.ts";
import { askByTls, connected } from "../support/https-client.ts";
import { makeAuthority } from "../support/make-certificate.ts";
import { proxyHeader2 } from "../support/proxy-header.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { type Slum, startSlumWith } from "./slum.ts";
import { startTen, type Ten } from "./ten.ts";

setDefaultTimeout(180_000);

/** A proxy, one that may also name routes, and somebody who is neither. */
const PROXY = "127.0.0.2";
const SLUM = "127.0.0.3";
const STRANGER = "127.0.0.4";
/** Visitors whom they name; the second is in every list of rights. */
const VISITOR = "192.0.2.1";
const PRIVILEGED = "192.0.2.9";
const HOST = "api.shop.test";

const v1 = (source: string) => Buffer.from(`PROXY TCP4 ${source} 198.51.100.1 56324 443\r\n`);
const v2 = (source: string) =>
  proxyHeader2(0x21, 0x11, [...source.split(".").map(Number), 198, 51, 100, 1, 1, 2, 3, 4, 4, 0, 1, 9]);
const V6 = proxyHeader2(0x21, 0x21, [
  ...Buffer.from("20010db8000000000000000000000007", "hex"),
  ...Buffer.alloc(16, 1),
  ...[1, 2, 3, 4],
]);
const LOCAL = proxyHeader2(0x20, 0, []);

const APP = `
Bun.serve({
  port: Number(process.env.PORT),
  hostname: process.env.HOST,
  fetch: ({ url, headers }) =>
    Response.json({ path: new URL(url).pathname, for: headers.get("x-forwarded-for"), proto: headers.get("x-forwarded-proto") }),
});
`;

interface Program {
  readonly port: number;
  readonly httpsPort: number;
}

/** What is answered by http, or "" when the connection ends without a word. */
async function ask(port: number, from: string, preface: readonly Buffer[], request: string): Promise<string> {
  const socket = await connected(port, from, preface);
  let text = "";
  socket.on("data", (bytes) => {
    text += bytes.toString("latin1");
  });
  socket.write(request);
  await new Promise<void>((closed) => {
    socket.on("close", () => closed());
    socket.on("error", () => closed());
    socket.on("end", () => socket.end());
  });
  return text;
}

const GET = (host: string, fields = "", path = "/") =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}Connection: close\r\n\r\n`;

const singly = (bytes: Buffer) => Array.from(bytes, (byte) => Buffer.from([byte]));

let ten: Ten;
let slum: Slum;
let origin: Bun.Server<undefined>;
const temp = createTempDir();
const certs = certificateDirectory(makeAuthority("proxied"));
const at: { ten: Program; slum: Program } = {
  ten: { port: 0, httpsPort: 0 },
  slum: { port: 0, httpsPort: 0 },
};

beforeAll(async () => {
  certs.put("shop.pem", "shop.test", "*.shop.test");
  writeFileSync(temp.file("app.ts"), APP);
  const [tenHttps, slumHttps] = await Promise.all([freePort(), freePort()]);
  ten = await startTen({
    toml: `
[settings]
trusted_proxies = ["${PROXY}", "${SLUM}"]
selector_from = ["${SLUM}", "${PRIVILEGED}"]
direct_from = ["${PRIVILEGED}"]
proxy_protocol = true
admin = "loopback"
certificates = [${JSON.stringify(certs.path)}]
[acme]
authorities = ["none"]
[service.api]
command = "'${process.execPath}' ${temp.file("app.ts")}"
direct = "trusted"
redirect = false
[service.web]
command = "'${process.execPath}' ${temp.file("app.ts")}"
`,
    serve: ["--https", "--https-port", String(tenHttps), "--domain", "shop.test", "--host", "127.0.0.1"],
  });
  await ten.ok("deploy", "api:v1");
  await ten.ok("deploy", "web:v1");
  at.ten = { port: ten.port, httpsPort: tenHttps };
  origin = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: ({ headers }) => Response.json({ for: headers.get("x-forwarded-for") }),
  });
  const words = ["--https", "--https-port", String(slumHttps), "--host", "127.0.0.1", "--acme", "none"];
  const proxy = ["--proxy-protocol", "--trusted-proxies", PROXY, "--trusted-proxies", "127.0.0.1"];
  slum = await startSlumWith({ words: [...words, ...proxy, "--certificates", certs.path] });
  await slum.ok("server", "add", "iad", `http://127.0.0.1:${origin.port}`);
  await slum.ok("tenant", "add", "api", HOST, "iad", "api");
  await until("the server is there", async () => (await slum.status("iad")) === "online");
  at.slum = { port: slum.port, httpsPort: slumHttps };
});
afterAll(async () => {
  await slum[Symbol.asyncDispose]();
  await ten[Symbol.asyncDispose]();
  await origin.stop(true);
  certs[Symbol.dispose]();
  temp[Symbol.dispose]();
});

const HEADERS: readonly (readonly [string, readonly Buffer[], string])[] = [
  ["version 1", [v1(VISITOR)], VISITOR],
  ["version 2 with a TLV", [v2(VISITOR)], VISITOR],
  ["IPv6", [V6], "2001:db8::7"],
  ["in single bytes, version 1", singly(v1(VISITOR)), VISITOR],
  ["in single bytes, version 2", singly(v2(VISITOR)), VISITOR],
  ["LOCAL", [LOCAL], PROXY],
  ["UNKNOWN", [Buffer.from("PROXY UNKNOWN\r\n")], PROXY],
  ["none", [], PROXY],
];

describe.each(["ten", "slum"] as const)("%s", (program) => {
  test.each(HEADERS)("by https: %s", async (_, preface, visitor) => {
    const { body, status } = await askByTls({
      port: at[program].httpsPort,
      name: HOST,
      from: PROXY,
      preface,
    });
    expect([status, JSON.parse(body)]).toMatchObject([200, { for: visitor }]);
  });

  test.each(HEADERS)("by http: %s", async (_, preface, visitor) => {
    // To slum by https only: its own visitors are sent there.
    const answer = await ask(at[program].port, PROXY, preface, GET(HOST));
    if (program === "slum") expect(answer).toStartWith("HTTP/1.1 308 ");
    else expect(answer).toContain(`"for":"${visitor}"`);
  });

  test("a header cut anywhere is waited for, by both", async () => {
    for (let cut = 1; cut < v2(VISITOR).length; cut++) {
      const preface = [v2(VISITOR).subarray(0, cut), v2(VISITOR).subarray(cut)];
      const { body } = await askByTls({ port: at[program].httpsPort, name: HOST, from: PROXY, preface });
      expect([cut, JSON.parse(body).for]).toEqual([cut, VISITOR]);
    }
  });

  test("what begins as a header and is none ends the connection, and is told of once", async () => {
    const garbage = [Buffer.from("PROXY TCP4 nonsense\r\n")];
    expect(await ask(at[program].port, PROXY, garbage, GET(HOST))).toBe("");
    await expect(
      askByTls({ port: at[program].httpsPort, name: HOST, from: PROXY, preface: garbage }),
    ).rejects.toThrow();
    const log = await (program === "ten" ? ten : slum).log();
    expect(log.split("a PROXY header that is none").length).toBe(2);
  });

  test("of a stranger it is no header", async () => {
    expect(await ask(at[program].port, STRANGER, [v1(VISITOR)], GET(HOST))).toStartWith("HTTP/1.1 400 ");
    await expect(
      askByTls({ port: at[program].httpsPort, name: HOST, from: STRANGER, preface: [v2(VISITOR)] }),
    ).rejects.toThrow();
  });

  test("what the visitor says of himself behind it counts for nothing", async () => {
    const fields = `X-Forwarded-For: ${PRIVILEGED}\r\n`;
    const asking = { port: at[program].httpsPort, name: HOST, from: PROXY, fields };
    for (const preface of [[v1(VISITOR)], [LOCAL]]) {
      const { body } = await askByTls({ ...asking, preface });
      expect(JSON.parse(body).for).toBe(preface[0] === LOCAL ? PROXY : VISITOR);
    }
    // Without a header the proxy is one that speaks HTTP, and may.
    expect(JSON.parse((await askByTls(asking)).body).for).toBe(`${PRIVILEGED}, ${PROXY}`);
  });

  test("a connection that ends in the middle of a header leaves nothing behind", async () => {
    for (let round = 0; round < 20; round++) {
      const socket = await connected(at[program].port, PROXY, [v2(VISITOR).subarray(0, 5)]);
      socket.destroy();
      const secure = await connected(at[program].httpsPort, PROXY, [v2(VISITOR).subarray(0, 20)]);
      secure.end();
    }
    const { body } = await askByTls({
      port: at[program].httpsPort,
      name: HOST,
      from: PROXY,
      preface: [v1(VISITOR)],
    });
    expect(JSON.parse(body).for).toBe(VISITOR);
  });
});

describe("rights are the peer's, never those of whom a header names", () => {
  const selecting = "X-Tenement-Instance: api\r\n";

  test("selector_from", async () => {
    const named = await ask(at.ten.port, PROXY, [v1(PRIVILEGED)], GET("nobody.example", selecting));
    expect(named).toStartWith("HTTP/1.1 404 ");
    const peers = await ask(at.ten.port, SLUM, [v1(VISITOR)], GET("nobody.example", selecting));
    expect(peers).toContain(`"for":"${VISITOR}"`);
  });

  test("direct_from", async () => {
    const direct = GET("v1.api.shop.test");
    expect(await ask(at.ten.port, PROXY, [v1(PRIVILEGED)], direct)).toStartWith("HTTP/1.1 404 ");
  });

  test("trusted_proxies: one who is named is none, and his word counts for nothing", async () => {
    const fields = `X-Forwarded-For: ${PRIVILEGED}\r\n`;
    const answer = await ask(at.ten.port, PROXY, [v1(PROXY)], GET(HOST, fields));
    expect(answer).toContain(`"for":"${PROXY}"`);
  });

  test("admin", async () => {
    const asked = async (path: string, preface: readonly Buffer[]) =>
      (await askByTls({ port: at.ten.httpsPort, name: "shop.test", from: PROXY, preface, path })).status;
    const paths = ["/v1/status", "/internal/tls-check?domain=api.shop.test"];
    // The programs of this machine are answered; visitors behind a proxy on it are not, whatever they are called.
    for (const path of paths) {
      expect([path, await asked(path, [])]).not.toEqual([path, 403]);
      for (const named of [VISITOR, "127.0.0.1", "127.0.0.5"])
        expect([named, await asked(path, [v1(named)])]).toEqual([named, 403]);
    }
  });

  test("redirects and 421: not for a peer in selector_from, and for everybody else", async () => {
    const web = GET("web.shop.test");
    expect(await ask(at.ten.port, PROXY, [v1(VISITOR)], web)).toStartWith("HTTP/1.1 308 ");
    expect(await ask(at.ten.port, PROXY, [v1(PRIVILEGED)], web)).toStartWith("HTTP/1.1 308 ");
    expect(await ask(at.ten.port, STRANGER, [], web)).toStartWith("HTTP/1.1 308 ");
    expect(await ask(at.ten.port, SLUM, [v1(VISITOR)], web)).toContain(`"for":"${VISITOR}"`);
    expect(await ask(at.ten.port, SLUM, [], web)).toStartWith("HTTP/1.1 200 ");
  });
});
