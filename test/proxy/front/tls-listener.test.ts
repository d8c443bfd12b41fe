// Handshakes at a data plane: who is shown the certificate of a challenge, when contexts are made anew, and what one visitor may have open.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { type ClientHttp2Session, connect as connectByHttp2 } from "node:http2";
import { connect as connectByTls } from "node:tls";
import { CIPHERS } from "../../../src/certificates/served.ts";
import { TlsContexts } from "../../../src/platform/net/tls-contexts.ts";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { createInProcessPlane } from "../../../src/proxy/front/in-process.ts";
import { createUpstream } from "../../../src/proxy/upstream/upstream.ts";
import { answerTo, clientHello } from "../../support/client-hello.ts";
import { fixedCertificates } from "../../support/fixed-certificates.ts";
import { connected } from "../../support/https-client.ts";
import { makeAuthority, makeCertificate } from "../../support/make-certificate.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { startPlane, type TestPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { until } from "../../support/until.ts";

const root = makeAuthority("root");
const validator = makeAuthority("validator");
const pairOf = (by: typeof root, ...names: string[]) => {
  const { certificate, key } = makeCertificate(by, { names });
  return { chain: certificate, key };
};
const HOST = "a.test";
const NEW = "new.test";
const certificates = fixedCertificates({
  certificates: [{ names: [HOST], ...pairOf(root, HOST) }],
  challenges: [
    { name: HOST, ...pairOf(validator, HOST) },
    { name: NEW, ...pairOf(validator, NEW) },
  ],
});
const MOST = 3;

/** Ends the wait of requests for /slow. */
const released = Promise.withResolvers<void>();
let front: TestPlane;
let app: Bun.Server<undefined>;
let port: number;

beforeAll(async () => {
  app = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch({ url }) {
      if (url.includes("/slow")) await released.promise;
      return new Response("hello");
    },
  });
  front = await startPlane(
    (options) => createInProcessPlane(options, createUpstream({ clock: systemClock })),
    {
      https: {
        port: 0,
        certificates,
        ciphers: CIPHERS,
        http2: true,
        placeholder: pairOf(root, "nobody.invalid"),
        onHandshake() {},
      },
      trustedProxies: ["127.0.0.1"],
      proxyProtocol: true,
      limits: { maxClientConnections: MOST, maxClientRequests: MOST },
    },
  );
  const address = { host: "127.0.0.1", port: app.port ?? 0 };
  await front.plane.publish([route("api", [target("api:v1", { address })], { hosts: [HOST] })]);
  port = Number(front.plane.httpsUrl?.port);
});
afterAll(async () => {
  await front[Symbol.asyncDispose]();
  await app.stop(true);
});

/** The issuer of what is shown to who offers these, and the protocol; or why the handshake was refused. */
function shown(name: string, protocols: readonly string[], to = port): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectByTls(
      {
        host: "127.0.0.1",
        port: to,
        servername: name,
        rejectUnauthorized: false,
        ...(protocols.length > 0 && { ALPNProtocols: [...protocols] }),
      },
      () => {
        const certificate = new X509Certificate(socket.getPeerCertificate().raw);
        resolve(`${certificate.issuer} ${socket.alpnProtocol || "-"}`);
        socket.destroy();
      },
    );
    socket.on("error", () => resolve("refused"));
  });
}

describe("the certificate of a challenge (TLS-ALPN-01, RFC 8737)", () => {
  test("is shown to who offers its protocol alone", async () => {
    expect(await shown(HOST, ["acme-tls/1"])).toBe("CN=validator acme-tls/1");
    expect(await shown(NEW, ["acme-tls/1"])).toBe("CN=validator acme-tls/1");
  });

  test.each([
    [["http/1.1"], "CN=root http/1.1"],
    [["h2", "http/1.1"], "CN=root h2"],
    [[], "CN=root -"],
    [["acme-tls/1", "http/1.1"], "CN=root http/1.1"],
    [["http/1.1", "acme-tls/1"], "CN=root http/1.1"],
  ] as const)("and never to visitors: who offers %j", async (protocols, answer) => {
    expect(await shown(HOST, protocols)).toBe(answer);
    // A name that has no other certificate yet is refused.
    expect(await shown(NEW, protocols)).toBe("refused");
  });

  test("is not shown for other names, and to an authority no other one", async () => {
    certificates.take({
      ...(await certificates.news()),
      challenges: [{ name: NEW, ...pairOf(validator, NEW) }],
    });
    expect(await shown(HOST, ["acme-tls/1"])).toBe("refused");
    expect(await shown(NEW, ["acme-tls/1"])).toBe("CN=validator acme-tls/1");
  });

  test("also when the message comes in single bytes", async () => {
    for (const [name, protocols, answer] of [
      [NEW, ["acme-tls/1"], "hello"],
      [NEW, ["http/1.1"], "alert 112"],
      [HOST, ["http/1.1"], "hello"],
    ] as const) {
      const hello = clientHello({ name, protocols });
      const singly = Array.from(hello, (byte) => Buffer.from([byte]));
      expect([name, await answerTo(port, singly)]).toEqual([name, answer]);
    }
  });
});

describe("a visitor", () => {
  const of = (visitor: string) => [Buffer.from(`PROXY TCP4 ${visitor} 198.51.100.1 1 443\r\n`)];

  async function session(visitor: string): Promise<ClientHttp2Session | undefined> {
    const socket = await connected(port, undefined, of(visitor));
    const opened = connectByHttp2(`https://${HOST}`, {
      createConnection: () =>
        connectByTls({ socket, servername: HOST, rejectUnauthorized: false, ALPNProtocols: ["h2"] }),
    });
    return new Promise((resolve) => {
      opened.on("error", () => resolve(undefined));
      opened.on("close", () => resolve(undefined));
      opened.on("remoteSettings", () => resolve(opened));
    });
  }

  function ask(opened: ClientHttp2Session, path: string): Promise<number> {
    return new Promise((resolve) => {
      const stream = opened.request({ ":path": path, ":authority": HOST });
      stream.on("response", (headers) => resolve(Number(headers[":status"])));
      stream.on("error", () => resolve(0));
      stream.resume();
    });
  }

  test("has so many connections, of HTTP/2 and HTTP/1.1 together, and others theirs", async () => {
    const visitor = "192.0.2.1";
    const sessions = [await session(visitor), await session(visitor)];
    expect(sessions.every((one) => one !== undefined)).toBe(true);
    const plain = await connected(Number(front.plane.url.port), undefined, of(visitor));
    await until("it is counted", async () => (await session(visitor)) === undefined);
    const other = await session("192.0.2.2");
    expect(other).toBeDefined();
    plain.destroy();
    const next = await until("its place is free again", () => session(visitor));
    for (const one of [...sessions, other, next]) one?.destroy();
  });

  test("has so many streams in all its connections together: more are answered 429", async () => {
    const visitor = "192.0.2.3";
    const [one, two] = [await session(visitor), await session(visitor)];
    let refused = 0;
    const statuses = await Promise.all(
      Array.from({ length: 4 }, (_, nth) =>
        [one, two].map(async (each) => {
          const status = each && (await ask(each, `/slow?${nth}`));
          // Those that have a place keep it until all others were refused.
          if (status === 429 && ++refused === 8 - MOST) released.resolve();
          return status;
        }),
      ).flat(),
    );
    expect(statuses.filter((status) => status === 429).length).toBe(8 - MOST);
    expect(statuses.filter((status) => status === 200).length).toBe(MOST);
    one?.destroy();
    two?.destroy();
  });
});

test("contexts, and the keys of tickets with them, last a day", async () => {
  const clock = createManualClock();
  const contexts = new TlsContexts({ ciphers: CIPHERS, clock });
  const pair = pairOf(root, HOST);
  const first = contexts.of(HOST, pair);
  expect(contexts.of(HOST, pair)).toBe(first);
  expect(contexts.known(HOST)).toBe(first);
  expect(contexts.of(`made-up.${HOST}`, pair)).toBe(first);
  expect(contexts.of(HOST, pairOf(root, HOST))).not.toBe(first);
  const second = contexts.of(HOST, pair);
  await clock.advance(24 * 3_600_000);
  expect(contexts.known(HOST)).toBeUndefined();
  expect(contexts.of(HOST, pair)).not.toBe(second);
});
