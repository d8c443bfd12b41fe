// Every TLS client of ours verifies certificates, also where the environment says that Node's should not.
import { describe, expect, test } from "bun:test";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { testCertificate, testKey } from "../support/certificate.ts";
import { hasPostgres, NEEDS_POSTGRES, startPostgres } from "../support/postgres.ts";
import { failToServe, startSlumWith } from "./slum.ts";

const CARELESS = { NODE_TLS_REJECT_UNAUTHORIZED: "0" };
const HOST = "acme.example.com";

/** Counts what reaches it: nobody whom its own certificate ought to keep away. */
async function startImpostor() {
  const seen: string[] = [];
  const server = createServer({ cert: testCertificate, key: testKey }, (request, response) => {
    seen.push(`${request.url} ${request.headers.authorization ?? request.headers.cookie ?? ""}`);
    response.end("ok");
  });
  server.on("upgrade", (request, socket) => {
    seen.push(`upgrade ${request.headers.cookie ?? ""}`);
    socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\n");
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

async function upgrade(port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const fields = `Host: ${HOST}\r\nCookie: session=geheim\r\nUpgrade: websocket\r\nConnection: Upgrade`;
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13";
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (socket) => void socket.write(`GET /ws HTTP/1.1\r\n${fields}\r\n${key}\r\n\r\n`),
      data: (_, bytes) => resolve(bytes.toString().split("\r\n", 1)[0] ?? ""),
      close: () => resolve("closed"),
    },
  });
  return promise;
}

test("neither a request nor a WebSocket nor a token goes to a server whose certificate nobody vouches for", async () => {
  await using impostor = await startImpostor();
  await using slum = await startSlumWith({ env: CARELESS });
  await slum.ok("server", "add", "iad", impostor.url);
  await slum.ok("tenant", "add", "acme", HOST, "iad", "api");
  expect((await slum.get(HOST, "/", { headers: { Cookie: "session=geheim" } })).status).toBe(503);
  expect(await upgrade(slum.port)).not.toContain(" 101 ");
  const asked = await slum.run("ps", "--server", impostor.url, "--token", "geheim");
  expect([asked.exit, asked.stderr]).toEqual([6, expect.stringContaining("certificate")]);
  expect(impostor.seen).toEqual([]);
}, 120_000);

describe.skipIf(!hasPostgres)(`a registry with sslmode=verify-full ${NEEDS_POSTGRES}`, () => {
  test("is not used when nobody vouches for its certificate", async () => {
    await using postgres = await startPostgres();
    const database = (await postgres.createDatabase()).replace("127.0.0.1", "localhost");
    const failed = await failToServe(CARELESS, "--db", `${database}?sslmode=verify-full`);
    expect([failed.stderr, failed.exit]).toEqual([expect.stringContaining("TLS: unable to verify"), 1]);
  }, 120_000);
});

test("a registry on another machine without sslmode is refused before anything is sent to it", async () => {
  const { stderr, exit } = await failToServe({ SLUM_DB: "postgres://slum:geheim@192.0.2.1/slum" });
  expect([stderr, exit]).toEqual([expect.stringContaining("?sslmode=verify-full"), 2]);
  expect(stderr).not.toContain("geheim");
});
