// WebSockets: messages of both kinds and both ways, closes with their reasons, back-pressure, and drain.
import { expect, test } from "bun:test";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import type { Route } from "../../../src/core/route.ts";
import type { DataPlaneOptions } from "../../../src/proxy/data-plane.ts";
import { deafOrigin } from "../../support/deaf-origin.ts";
import { freePort } from "../../support/free-port.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { type PlaneFactory, startPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { until } from "../../support/until.ts";
import { fieldOf, wireClient, wireOrigin } from "../../support/wire.ts";

const HANDSHAKE = `${[
  "GET /ws HTTP/1.1",
  "Host: api.example.com",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Origin: http://shop.example.org",
  "Cookie: a=b",
].join("\r\n")}\r\n\r\n`;

/** What proves that a handshake was read (RFC 6455 section 4.2.2). */
const acceptOf = (key: string) =>
  new Bun.CryptoHasher("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");

interface Ended {
  readonly code: number;
  readonly reason: string;
}

export function upgrades(create: PlaneFactory, takesClock: boolean): void {
  /** An app that greets, echoes, and closes as it is told; and a plane before it. */
  async function serving(requestTimeoutMs = 300, changes: Partial<DataPlaneOptions> = {}) {
    const heads: Headers[] = [];
    const ended: Ended[] = [];
    let received = 0;
    const app = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      development: false,
      fetch(request, server) {
        heads.push(request.headers);
        const { pathname } = new URL(request.url);
        if (pathname === "/hang") return new Promise<Response>(() => {});
        if (pathname !== "/ws") return new Response("no", { status: 403 });
        const headers: Record<string, string> = request.headers.has("sec-websocket-protocol")
          ? { "Sec-WebSocket-Protocol": "two" }
          : {};
        if (server.upgrade(request, { headers })) return undefined;
        return new Response("no", { status: 400 });
      },
      websocket: {
        backpressureLimit: 0,
        open: (socket) => void socket.send("hello"),
        message(socket, message) {
          received += message.length;
          const [, code, reason] = /^close (\d+) ?(.*)/.exec(String(message)) ?? [];
          if (code !== undefined) socket.close(Number(code), reason);
          else if (message === "die") socket.terminate();
          else if (message === "flood") for (let i = 0; i < 200; i++) socket.send("x".repeat(100_000));
          else if (message === "stop reading") socket.pause();
          else if (message !== "quiet") socket.send(message);
        },
        close: (_, code, reason) => void ended.push({ code, reason }),
      },
    });
    const front = await startPlane(create, changes);
    const address = { host: "127.0.0.1", port: app.port ?? 0 };
    const hosts = ["api.example.com"];
    const v1 = target("api:v1", { address });
    const put = (...targets: Route["targets"]) =>
      front.plane.publish([route("api", targets, { hosts, policy: { requestTimeoutMs } })]);
    await put(v1);
    return {
      ...front,
      heads,
      ended,
      v1,
      put,
      received: () => received,
      connect: (path = "/ws", protocols: string[] = []) => connect(front.plane.url, path, protocols),
      async [Symbol.asyncDispose]() {
        await front[Symbol.asyncDispose]();
        await app.stop(true);
      },
    };
  }

  test("text and bytes go both ways, in order, and what the target says first is not lost", async () => {
    await using front = await serving();
    using visitor = await front.connect();
    visitor.socket.send("text");
    visitor.socket.send(new Uint8Array([0, 255, 7]));
    visitor.socket.send("");
    await until("all came back", () => visitor.messages.length === 4);
    expect(visitor.messages).toEqual(["hello", "text", Buffer.from([0, 255, 7]), ""]);
    await front.counted({ inFlight: 1, statuses: [1, 0, 0, 0, 0] });
  });

  test("the handshake carries path, fields and subprotocol, and names the target", async () => {
    await using front = await serving();
    using visitor = await front.connect("/ws", ["one", "two"]);
    expect(visitor.socket.protocol).toBe("two");
    using client = await wireClient(front.plane.url, HANDSHAKE);
    const head = await client.until((text) => text.includes("hello"));
    expect(head).toStartWith("HTTP/1.1 101 ");
    expect(fieldOf(head, "x-ten-instance")).toBe("api:v1");
    expect(fieldOf(head, "sec-websocket-accept")).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    expect(Object.fromEntries(front.heads.at(-1) ?? [])).toMatchObject({
      host: "api.example.com",
      origin: "http://shop.example.org",
      cookie: "a=b",
      "x-forwarded-for": "127.0.0.1",
    });
  });

  test.each([
    [1000, "done"],
    [1001, ""],
    [1011, "broken"],
    [4321, "own reason"],
  ])("close %i goes both ways with its reason", async (code, reason) => {
    await using front = await serving();
    using first = await front.connect();
    first.socket.close(code, reason);
    await until("the target heard", () => front.ended.length === 1);
    expect(front.ended[0]).toEqual({ code, reason });
    using second = await front.connect();
    second.socket.send(`close ${code} ${reason}`);
    expect(await second.closed).toEqual({ code, reason });
    await front.counted({ inFlight: 0 });
  });

  test("a side that vanishes takes the other with it", async () => {
    await using front = await serving();
    using first = await front.connect();
    first.socket.terminate();
    await until("the target heard", () => front.ended.length === 1);
    expect(front.ended[0]?.code).toBe(1006);
    using second = await front.connect();
    second.socket.send("die");
    expect((await second.closed).code).toBe(1006);
    await front.counted({ inFlight: 0 });
  });

  test("what a target says in no known protocol reaches the visitor, and its tunnel is counted out once", async () => {
    using origin = wireOrigin(({ socket, head }) => {
      const key = fieldOf(head, "sec-websocket-key") ?? "";
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`);
      socket.write(`Sec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`);
      // An opcode that means nothing (RFC 6455 section 5.2).
      socket.end(new Uint8Array([0x8b, 1, 65]));
    });
    await using front = await startPlane(create);
    const v1 = target("api:v1", { address: origin.address });
    await front.plane.publish([route("api", [v1], { hosts: ["api.example.com"] })]);
    using client = await wireClient(front.plane.url, HANDSHAKE);
    await client.closed;
    expect(client.text()).toStartWith("HTTP/1.1 101 ");
    expect(client.text()).toEndWith("\r\n\r\n\x8b\x01A");
    await until("its connection is closed", () => origin.open === 0);
    await front.counted({ requests: 1, inFlight: 0 });
    expect(front.plane.traffic()).toHaveLength(1);
  });

  test.each([["a, a"], ["a b"], ["(a)"], [""], ["one,, two,"]])(
    "a handshake for the subprotocols '%s' is the target's to judge, and counted out",
    async (protocols) => {
      await using front = await serving();
      const offer = `Sec-WebSocket-Protocol: ${protocols}\r\n\r\n`;
      {
        using client = await wireClient(front.plane.url, HANDSHAKE.replace(/\r\n$/, offer));
        expect(await client.until((text) => text.includes("\r\n\r\n"))).toStartWith("HTTP/1.1 101 ");
        expect(front.heads.at(-1)?.get("sec-websocket-protocol")).toBe(protocols);
      }
      await front.counted({ inFlight: 0 });
      expect(front.trouble).toEqual([]);
    },
  );

  test("a refusal is handed on as it is, whatever its status", async () => {
    using origin = wireOrigin(({ socket }) => void socket.write("HTTP/1.1 999 No\r\nX-Why: 1\r\n\r\n"));
    await using front = await startPlane(create);
    const v1 = target("api:v1", { address: origin.address });
    await front.plane.publish([route("api", [v1], { hosts: ["api.example.com"] })]);
    using client = await wireClient(front.plane.url, HANDSHAKE);
    const head = await client.until((text) => text.includes("\r\n\r\n"));
    expect(head).toStartWith("HTTP/1.1 999 No\r\n");
    expect(fieldOf(head, "x-why")).toBe("1");
  });

  test("a target's refusal is the answer; one that hangs is 504; one that is down is passed over", async () => {
    await using front = await serving();
    const status = async (path: string) => {
      using client = await wireClient(front.plane.url, HANDSHAKE.replace("/ws", path));
      return (await client.until((received) => received.includes("\r\n\r\n"))).slice(9, 12);
    };
    expect(await status("/forbidden")).toBe("403");
    expect(await status("/hang")).toBe("504");
    const dead = target("api:dead", { address: { host: "127.0.0.1", port: await freePort() } });
    await front.put(dead, front.v1);
    using visitor = await front.connect();
    await until("the greeting is there", () => visitor.messages.length === 1);
    expect(await front.troubled(1)).toContain("api:dead refused");
    await until("nothing is left of the failed try", () =>
      front.plane.traffic().every(({ id, inFlight }) => id !== "api:dead" || inFlight === 0),
    );
  });

  test("a target that accepts no connection is passed over after a second, long before its request timeout", async () => {
    using deaf = await deafOrigin();
    await using front = await serving(30_000);
    await front.put(target("api:deaf", { address: deaf.origin }), front.v1);
    const begun = performance.now();
    using visitor = await front.connect();
    await until("the greeting is there", () => visitor.messages.length === 1);
    expect(await front.troubled(1)).toEqual(["api:deaf connect_timeout"]);
    expect(performance.now() - begun).toBeWithin(1_000, 25_000);
  });

  test("a handshake that is not answered ends once, at the request timeout or with its visitor", async () => {
    await using front = await serving(600);
    using patient = await wireClient(front.plane.url, HANDSHAKE.replace("/ws", "/hang"));
    using hasty = await wireClient(front.plane.url, HANDSHAKE.replace("/ws", "/hang"));
    await until("both have arrived", () => front.heads.length === 2);
    hasty[Symbol.dispose]();
    await front.counted({ inFlight: 1 });
    expect(await patient.until((received) => received.includes("\r\n\r\n"))).toStartWith("HTTP/1.1 504 ");
    await front.counted({ inFlight: 0, failures: 1 });
    expect(await front.troubled(1)).toEqual(["api:v1 request_timeout"]);
  });

  test("a visitor who does not read slows the target down, and loses nothing", async () => {
    await using front = await serving();
    using visitor = await front.connect();
    visitor.socket.pause();
    visitor.socket.send("flood");
    await until("the flood is on its way", () => front.received() > 0);
    visitor.socket.resume();
    await until("all is there", () => visitor.messages.length === 201);
    expect(visitor.messages.slice(1).every((message) => message.length === 100_000)).toBe(true);
  });

  const floods =
    "a visitor who floods a target that does not read is kept while he is there, and noticed when he leaves";
  if (takesClock)
    test(floods, async () => {
      const clock = createManualClock();
      await using front = await serving(300, { clock });
      const visitor = connectTcp(Number(front.plane.url.port), "127.0.0.1");
      visitor.write(HANDSHAKE);
      await once(visitor, "data");
      visitor.write(frameOf("stop reading"));
      for (let i = 0; i < 200; i++) visitor.write(frameOf("x".repeat(100_000)));
      let left = 0;
      await until("he is no longer read", () => {
        const before = left;
        left = visitor.bytesWritten - visitor.writableLength;
        return left > 1_000_000 && left === before;
      });
      await clock.advance(30_000);
      expect(front.plane.traffic()[0]).toMatchObject({ inFlight: 1 });
      visitor.destroy();
      await until("his leaving is noticed", async () => {
        await clock.advance(1_000);
        return front.plane.traffic()[0]?.inFlight === 0;
      });
    });

  test("twenty megabytes to a target arrive in order", async () => {
    await using front = await serving();
    using visitor = await front.connect();
    for (let i = 0; i < 200; i++) visitor.socket.send(`${i} `.padEnd(100_000, "x"));
    await until("all came back", () => visitor.messages.length === 201);
    expect(visitor.messages.slice(1).map((message) => Number.parseInt(String(message), 10))).toEqual(
      Array.from({ length: 200 }, (_, i) => i),
    );
  });

  test("a drain sends the target's visitors away with 1012, and only them", async () => {
    await using front = await serving();
    const leaving = await Promise.all(Array.from({ length: 5 }, () => front.connect()));
    await front.put({ ...front.v1, readiness: "out" }, { ...front.v1, id: "api:v2", label: "v2" });
    using staying = await front.connect();
    const drained = front.plane.drain("api:v1", 3_000);
    for (const visitor of leaving) expect((await visitor.closed).code).toBe(1012);
    expect(await drained).toEqual({ left: 0 });
    expect(staying.socket.readyState).toBe(WebSocket.OPEN);
  });

  test("closing the plane sends all away", async () => {
    await using front = await serving();
    using visitor = await front.connect();
    const closing = front.plane.close(2_000);
    expect((await visitor.closed).code).toBe(1012);
    await closing;
  });
}

/** A text as a client sends it, masked with zeros (RFC 6455 section 5.2). */
function frameOf(text: string): Buffer {
  const head = Buffer.alloc(14);
  head[0] = 0x81;
  head[1] = 0xff;
  head.writeBigUInt64BE(BigInt(text.length), 2);
  return Buffer.concat([head, Buffer.from(text)]);
}

async function connect(url: URL, path: string, protocols: string[]) {
  const messages: (string | Buffer)[] = [];
  const closed = Promise.withResolvers<Ended>();
  const opened = Promise.withResolvers<void>();
  const socket = new WebSocket(`ws://${url.host}${path}`, {
    headers: { host: "api.example.com" },
    protocols,
  });
  socket.binaryType = "nodebuffer";
  socket.onmessage = ({ data }) => void messages.push(data);
  socket.onclose = ({ code, reason }) => closed.resolve({ code, reason });
  socket.onopen = () => opened.resolve();
  socket.onerror = () => opened.reject(new Error("the handshake failed"));
  await opened.promise;
  return { socket, messages, closed: closed.promise, [Symbol.dispose]: () => socket.terminate() };
}
