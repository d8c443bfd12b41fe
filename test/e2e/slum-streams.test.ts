// What stays open through slum and a tenement's place behind it: WebSockets, events, and bodies that are long.
import { expect, test } from "bun:test";
import { startOrigin } from "../support/origin.ts";
import { startSlum } from "./slum.ts";

const HOST = "acme.example.com";

/** Echoes WebSocket messages, and tells which field came with the handshake. */
function startEcho() {
  const server = Bun.serve<{ readonly selector: string | null }>({
    ...{ port: 0, hostname: "127.0.0.1", reusePort: false, development: false },
    fetch(request, self) {
      const selector = request.headers.get("x-tenement-instance");
      if (self.upgrade(request, { data: { selector } })) return;
      return new Response("ok");
    },
    websocket: {
      open: (socket) => void socket.send(`for ${socket.data.selector}`),
      message: (socket, message) => void socket.send(`echo ${message}`),
    },
  });
  return { url: server.url.origin, [Symbol.asyncDispose]: () => server.stop(true) };
}

test("a WebSocket goes to the next server when its home server is down, with the tenant's fields", async () => {
  await using iad = startOrigin(() => new Response("iad"));
  await using fra = startEcho();
  await using slum = await startSlum();
  await slum.ok("server", "add", "iad", iad.url);
  await slum.ok("server", "add", "fra", fra.url);
  await slum.ok("tenant", "add", "acme", HOST, "iad", "api", "prod");
  await iad.stop();
  const heard: string[] = [];
  const socket = new WebSocket(`ws://127.0.0.1:${slum.port}/live`, { headers: { Host: HOST } });
  await new Promise<void>((done, fail) => {
    socket.onerror = fail;
    socket.onmessage = ({ data }) => {
      heard.push(String(data));
      if (heard.length === 1) socket.send("hello");
      else done();
    };
  });
  socket.close();
  expect(heard).toEqual(["for api:prod", "echo hello"]);
});

test("a WebSocket goes to the next server when there is no app behind its home server, but not when the app says no", async () => {
  await using iad = startOrigin(({ url }) => {
    if (url.endsWith("/none"))
      return new Response("none", { status: 503, headers: { "x-ten-error": "nothing_routable" } });
    return new Response("iad", { status: url.endsWith("/no") ? 403 : 200 });
  });
  await using fra = startEcho();
  await using slum = await startSlum();
  await slum.ok("server", "add", "iad", iad.url);
  await slum.ok("server", "add", "fra", fra.url);
  await slum.ok("tenant", "add", "acme", HOST, "iad", "api");
  const open = (path: string) =>
    new Promise<string>((done) => {
      const socket = new WebSocket(`ws://127.0.0.1:${slum.port}${path}`, { headers: { Host: HOST } });
      socket.onerror = (event) => done("message" in event ? String(event.message) : "");
      socket.onmessage = ({ data }) => {
        done(String(data));
        socket.close();
      };
    });
  expect(await open("/no")).toContain("403");
  expect((await slum.get(HOST)).server).toBe("iad");
  expect(await open("/none")).toBe("for api");
});

test("events and long bodies pass as they come", async () => {
  const half = "x".repeat(300_000);
  const gate = Promise.withResolvers<void>();
  await using iad = startOrigin(async (request) => {
    if (request.url.endsWith("/health")) return new Response("ok");
    if (request.method === "POST") return new Response(String((await request.arrayBuffer()).byteLength));
    const parts = async function* () {
      yield "data: one\n\n";
      await gate.promise;
      yield "data: two\n\n";
    };
    return new Response(parts() as unknown as Bun.BodyInit, {
      headers: { "content-type": "text/event-stream" },
    });
  });
  await using slum = await startSlum();
  await slum.ok("server", "add", "iad", iad.url);
  await slum.ok("tenant", "add", "acme", HOST, "iad", "api");
  const events = await fetch(`http://127.0.0.1:${slum.port}/events`, {
    headers: { Host: HOST },
    proxy: false,
  } as RequestInit);
  const reader = events.body?.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader?.read())?.value).toBe("data: one\n\n");
  gate.resolve();
  expect((await reader?.read())?.value).toBe("data: two\n\n");
  expect((await slum.get(HOST, "/", { method: "POST", body: half + half })).body).toBe("600000");
});
