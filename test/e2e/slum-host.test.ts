// Which Host a server is sent: the visitor's where a tenement heeds us, else its own, and then its answers are mapped back.
import { expect, test } from "bun:test";
import { startOrigin } from "../support/origin.ts";
import { until } from "../support/until.ts";
import { type Slum, startSlum } from "./slum.ts";
import { startTen } from "./ten.ts";

const HOST = "acme.example.com";

/** Refuses what a browser would not have sent from the app's own page, and redirects to itself, as frameworks do. */
const APP = `
const { HOST: hostname, PORT } = process.env;
Bun.serve({
  port: Number(PORT),
  hostname,
  fetch(request, server) {
    const host = request.headers.get("host") ?? "";
    const { pathname } = new URL(request.url);
    const origin = request.headers.get("origin");
    if (origin !== null && new URL(origin).host !== host) return new Response("foreign origin", { status: 403 });
    if (pathname === "/ws" && server.upgrade(request)) return;
    if (pathname === "/dir") {
      const headers = new Headers({ Location: "http://" + host + "/dir/", Refresh: "9; url=http://" + host + "/" });
      headers.append("Set-Cookie", "s=1; Domain=" + host.replace(/:.*/, ""));
      headers.append("Set-Cookie", "t=2");
      return new Response(null, { status: 302, headers });
    }
    return new Response(host);
  },
  websocket: { message(socket, message) { socket.send(message); } },
});
`;

const TOML = (port: string) => `
[service.api]
command = ${JSON.stringify(`'${process.execPath}' app.ts`)}
health = "/"
${port}
`;

async function startTenement(settings = "") {
  return startTen({
    toml: `${settings || "[settings]"}\nselector_from = ["127.0.0.1"]\n${TOML("")}`,
    prepare: (dir) => void Bun.write(`${dir}/app.ts`, APP),
  });
}

interface Shown {
  readonly host: string;
  readonly keeps_host: boolean;
}

async function shown(slum: Slum): Promise<Shown | undefined> {
  return (await slum.json<{ servers: Shown[] }>("server", "list")).servers[0];
}

/** The answer of a WebSocket's handshake, as a browser on the tenant's page asks. */
async function handshake(slum: Slum): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  const fields = `Host: ${HOST}\r\nOrigin: http://${HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade`;
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13";
  await Bun.connect({
    hostname: "127.0.0.1",
    port: slum.port,
    socket: {
      open: (socket) => void socket.write(`GET /ws HTTP/1.1\r\n${fields}\r\n${key}\r\n\r\n`),
      data(socket, bytes) {
        text += bytes.toString();
        if (!text.includes("\r\n\r\n")) return;
        resolve(text.split("\r\n", 1)[0] ?? "");
        socket.end();
      },
      close: () => resolve(text.split("\r\n", 1)[0] ?? ""),
    },
  });
  return promise;
}

test("a tenement is sent the visitor's Host: Origin checks pass, WebSockets open, redirects lead to the visitor's host", async () => {
  await using iad = await startTenement();
  await iad.ok("deploy", "api:v1");
  await using slum = await startSlum();
  await slum.ok("server", "add", "iad", `http://127.0.0.1:${iad.port}`);
  expect(await shown(slum)).toMatchObject({ host: "auto", keeps_host: true });
  await slum.ok("tenant", "add", "acme", HOST, "iad", "api");
  expect(await slum.get(HOST)).toMatchObject({ status: 200, body: HOST });
  const posted = await slum.get(HOST, "/", { method: "POST", headers: { Origin: `http://${HOST}` } });
  expect(posted.status).toBe(200);
  expect(await handshake(slum)).toContain(" 101 ");
  const redirected = await slum.get(HOST, "/dir");
  expect(redirected.headers.get("location")).toBe(`http://${HOST}/dir/`);
}, 120_000);

test("a server that is sent its own Host has its redirects and cookies mapped back, for the visitor's scheme", async () => {
  await using iad = await startTenement();
  await iad.ok("deploy", "api:v1");
  await using slum = await startSlum();
  const own = `127.0.0.1:${iad.port}`;
  await slum.ok("server", "add", "iad", `http://${own}`, "--host", "server");
  await slum.ok("tenant", "add", "acme", HOST, "iad", "api");
  expect(await shown(slum)).toMatchObject({ host: "server", keeps_host: false });
  expect(await slum.get(HOST)).toMatchObject({ body: own });
  for (const scheme of ["http", "https"]) {
    const { headers } = await slum.get(HOST, "/dir", { headers: { "X-Forwarded-Proto": scheme } });
    expect([headers.get("location"), headers.get("refresh"), headers.getSetCookie()]).toEqual([
      `${scheme}://${HOST}/dir/`,
      `9; url=${scheme}://${HOST}/`,
      [`s=1; Domain=${HOST}`, "t=2"],
    ]);
  }
  await slum.ok("server", "set", "iad", "--host", "keep");
  expect(await slum.get(HOST)).toMatchObject({ body: HOST });
}, 120_000);

test("a platform that routes by Host is sent its own, and a server that becomes a tenement is found out by the checks", async () => {
  let isTenement = false;
  const hosts: (string | null)[] = [];
  await using platform = startOrigin((request) => {
    const host = request.headers.get("host");
    if (request.headers.get("user-agent") !== "slum") hosts.push(host);
    const isOurs = host === new URL(platform.url).host;
    if (isTenement && new URL(request.url).pathname === "/health" && isOurs)
      return Response.json({ status: "ok", peer: "127.0.0.1", trusted: true, selector: true });
    if (isTenement && host === "probe.invalid")
      return new Response("", { status: 404, headers: { "X-Ten-Error": "unknown_instance" } });
    return isOurs || isTenement ? new Response("app") : new Response("no such app", { status: 404 });
  });
  await using slum = await startSlum();
  await slum.ok("server", "add", "iad", platform.url);
  await slum.ok("tenant", "add", "acme", HOST, "iad", "api");
  expect(await shown(slum)).toMatchObject({ host: "auto", keeps_host: false });
  expect(await slum.get(HOST)).toMatchObject({ status: 200, body: "app" });
  isTenement = true;
  await until("the checks have seen it", async () => (await shown(slum))?.keeps_host === true);
  expect(await slum.get(HOST)).toMatchObject({ status: 200 });
  expect(hosts.filter((host) => host !== null && !host.startsWith("127.0.0.1"))).toEqual([HOST]);
  // What was found out outlives a restart: an Origin check does not fail until the first probe.
  slum.kill("SIGTERM");
  await slum.exited;
  await slum.start();
  expect(await shown(slum)).toMatchObject({ keeps_host: true });
}, 120_000);

test("a Host that is kept and one that says what to serve do not go together", async () => {
  await using slum = await startSlum();
  const refused = await slum.run(
    ..."server add iad http://127.0.0.1:1 --addressing host --host keep".split(" "),
  );
  expect([refused.exit, refused.stderr]).toEqual([
    2,
    expect.stringContaining("--addressing header --host keep"),
  ]);
  expect((await slum.run("server", "set", "iad")).exit).toBe(2);
  expect((await slum.run("server", "set", "nobody", "--host", "keep")).exit).toBe(3);
});
