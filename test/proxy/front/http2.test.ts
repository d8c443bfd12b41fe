// HTTP/2 towards visitors: what goes through as it does over HTTP/1.1, and what is refused.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ClientHttp2Session, connect } from "node:http2";
import { type AcceptGuard, NO_ACCEPT_GUARD } from "../../../src/platform/net/accept-guard.ts";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { createInProcessPlane } from "../../../src/proxy/front/in-process.ts";
import { createUpstream } from "../../../src/proxy/upstream/upstream.ts";
import { testCertificate, testKey, testServerName } from "../../support/certificate.ts";
import { fixedCertificates } from "../../support/fixed-certificates.ts";
import { startPlane, type TestPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { until } from "../../support/until.ts";

const MB = 1_048_576;
const certificates = fixedCertificates({
  certificates: [{ names: [testServerName], chain: testCertificate, key: testKey }],
});

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: Uint8Array;
}

interface Answered {
  readonly headers: Record<string, unknown>;
  readonly body: Buffer;
}

function ask(
  session: ClientHttp2Session,
  { method = "GET", path = "/", headers = {}, body }: Asked = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const fields = { ":method": method, ":path": path, ":authority": testServerName, ...headers };
    const stream = session.request(fields, { endStream: body === undefined });
    let answered: Record<string, unknown> = {};
    const pieces: Buffer[] = [];
    stream.on("response", (found) => {
      answered = found;
    });
    stream.on("data", (piece: Buffer) => pieces.push(piece));
    stream.on("end", () => resolve({ headers: answered, body: Buffer.concat(pieces) }));
    stream.on("error", reject);
    if (body !== undefined) stream.end(body);
  });
}

describe("HTTP/2", () => {
  let front: TestPlane;
  let app: Bun.Server<undefined>;
  let session: ClientHttp2Session;

  beforeAll(async () => {
    app = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      idleTimeout: 0,
      maxRequestBodySize: 100 * MB,
      async fetch(request) {
        const { pathname } = new URL(request.url);
        if (pathname === "/echo")
          return new Response(request.body, {
            headers: { "x-length": request.headers.get("content-length") ?? "none" },
          });
        if (pathname === "/fields") return Response.json([...request.headers]);
        if (pathname === "/large") return new Response(Buffer.alloc(10 * MB, 97));
        if (pathname === "/empty") return new Response(null, { status: 204 });
        if (pathname === "/events") {
          const events = async function* () {
            for (let count = 0; count < 3; count++) {
              yield `data: ${count}\n\n`;
              await Bun.sleep(20);
            }
          };
          return new Response(events(), { headers: { "content-type": "text/event-stream" } });
        }
        return new Response("hello");
      },
    });
    const https = {
      port: 0,
      certificates,
      ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256",
      http2: true,
      placeholder: { chain: testCertificate, key: testKey },
      onHandshake() {},
    };
    front = await startPlane(
      (options) => createInProcessPlane(options, createUpstream({ clock: systemClock })),
      { https },
    );
    const address = { host: "127.0.0.1", port: app.port ?? 0 };
    await front.plane.publish([
      route("api", [target("api:v1", { address })], { hosts: [testServerName, "other.test"] }),
    ]);
    session = connect(`https://127.0.0.1:${front.plane.httpsUrl?.port}`, {
      servername: testServerName,
      rejectUnauthorized: false,
    });
    await new Promise<void>((connected) => session.once("connect", () => connected()));
  });
  afterAll(async () => {
    session.destroy();
    await front[Symbol.asyncDispose]();
    await app.stop(true);
  });

  test("passes a request and its answer", async () => {
    const { headers, body } = await ask(session);
    expect(headers).toMatchObject({ ":status": 200, "x-ten-instance": "api:v1" });
    expect(body.toString()).toBe("hello");
  });

  test("passes HEAD, 204, and answers without a body", async () => {
    const head = await ask(session, { method: "HEAD" });
    expect([head.headers[":status"], head.body.length]).toEqual([200, 0]);
    expect((await ask(session, { path: "/empty" })).headers[":status"]).toBe(204);
  });

  test("passes large answers whole", async () => {
    const { body } = await ask(session, { path: "/large" });
    expect(body.length).toBe(10 * MB);
  });

  test("passes events as they come", async () => {
    const { body } = await ask(session, { path: "/events" });
    expect(body.toString()).toBe("data: 0\n\ndata: 1\n\ndata: 2\n\n");
  });

  test("passes bodies of requests, with a length and without", async () => {
    const sent = Buffer.alloc(3 * MB, "0123456789");
    const known = await ask(session, {
      method: "POST",
      path: "/echo",
      body: sent,
      headers: { "content-length": String(sent.length) },
    });
    expect([known.headers["x-length"], known.body.equals(sent)]).toEqual([String(sent.length), true]);
    const unknown = await ask(session, { method: "POST", path: "/echo", body: sent });
    expect([unknown.headers["x-length"], unknown.body.equals(sent)]).toEqual(["none", true]);
  });

  test("says who the visitor is and that he came by https, and believes nothing that he says himself", async () => {
    const claims = { "x-forwarded-for": "9.9.9.9", "x-forwarded-proto": "http", cookie: ["a=1", "b=2"] };
    const { body } = await ask(session, { path: "/fields", headers: claims });
    const fields = new Map(JSON.parse(body.toString()) as [string, string][]);
    expect(fields.get("x-forwarded-for")).toBe("127.0.0.1");
    expect(fields.get("x-forwarded-proto")).toBe("https");
    expect(fields.get("cookie")).toBe("a=1; b=2");
    expect(fields.get("host")).toBe(testServerName);
  });

  test("serves many requests of one connection side by side", async () => {
    const all = await Promise.all(Array.from({ length: 100 }, () => ask(session, { path: "/events" })));
    expect(all.filter(({ body }) => body.length === 27).length).toBe(100);
  });

  test("refuses a host that the certificate does not cover with 421", async () => {
    const { headers } = await ask(session, { headers: { ":authority": "other.test" } });
    expect(headers[":status"]).toBe(421);
  });

  test("is not spoken where the visitor did not offer it", async () => {
    const answer = await fetch(`https://127.0.0.1:${front.plane.httpsUrl?.port}/`, {
      headers: { Host: testServerName },
      tls: { rejectUnauthorized: false, serverName: testServerName },
    });
    expect(await answer.text()).toBe("hello");
  });

  test("a visitor who leaves ends his request at its target", async () => {
    const stream = session.request({ ":path": "/events", ":authority": testServerName });
    await new Promise((answered) => stream.once("response", answered));
    stream.close();
    await front.counted({ inFlight: 0 });
  });
});

/** Of a plane: what its guard may ask it to close. */
function heldGuard() {
  let close = (_most: number) => 0;
  const guard: AcceptGuard = {
    ...NO_ACCEPT_GUARD,
    add(given) {
      close = given;
      return { [Symbol.dispose]() {} };
    },
  };
  return { guard, close: (most: number) => close(most) };
}

test("when descriptors are short idle connections are closed, and those with a quiet answer are not", async () => {
  const { promise: goesOn, resolve: goOn } = Promise.withResolvers<void>();
  await using app = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch() {
      const events = async function* () {
        yield "data: 0\n\n";
        await goesOn;
        yield "data: 1\n\n";
      };
      return new Response(events(), { headers: { "content-type": "text/event-stream" } });
    },
  });
  const { guard, close } = heldGuard();
  const placeholder = { chain: testCertificate, key: testKey };
  const ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
  const https = { port: 0, certificates, ciphers, http2: true, placeholder, onHandshake() {} };
  await using front = await startPlane(
    (options) => createInProcessPlane(options, createUpstream({ clock: systemClock })),
    { https, guard },
  );
  const address = { host: "127.0.0.1", port: app.port ?? 0 };
  await front.plane.publish([route("api", [target("api:v1", { address })], { hosts: [testServerName] })]);
  const open = async () => {
    const session = connect(`https://127.0.0.1:${front.plane.httpsUrl?.port}`, {
      servername: testServerName,
      rejectUnauthorized: false,
    });
    await new Promise<void>((connected) => session.once("remoteSettings", () => connected()));
    return session;
  };
  const listening = await open();
  const stream = listening.request({ ":path": "/", ":authority": testServerName });
  const texts: string[] = [];
  stream.on("data", (piece: Buffer) => texts.push(piece.toString()));
  await until("the first event is there", () => texts.length === 1);
  const idle = await open();
  const goneOf = (session: ClientHttp2Session) => {
    let isGone = false;
    session.once("close", () => {
      isGone = true;
    });
    return () => {
      close(10);
      return isGone;
    };
  };
  const isListenerGone = goneOf(listening);
  await until("the idle one is gone", goneOf(idle));
  goOn();
  await new Promise<void>((ended) => stream.once("end", () => ended()));
  expect(texts.join("")).toBe("data: 0\n\ndata: 1\n\n");
  await until("with its answer whole it is idle like any other", isListenerGone);
});

test("a port for https that is taken is told as what it is", async () => {
  const holder = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const https = {
    port: holder.port,
    certificates,
    ciphers: "",
    http2: true,
    placeholder: { chain: testCertificate, key: testKey },
    onHandshake() {},
  };
  const opening = startPlane(
    (options) => createInProcessPlane(options, createUpstream({ clock: systemClock })),
    { https },
  );
  await expect(opening).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining(`port ${holder.port} is taken`),
    hint: expect.stringContaining("--https-port"),
  });
  holder.stop(true);
});
