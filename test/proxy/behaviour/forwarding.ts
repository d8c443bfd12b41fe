// Forwarding: what arrives is what was sent, both ways, and what may not pass does not.
import { expect, test } from "bun:test";
import { type PlaneFactory, startPlane } from "../../support/plane.ts";
import { POLICY, route, target } from "../../support/routes.ts";
import { until } from "../../support/until.ts";
import { fieldOf, reply, type Seen, type WireOrigin, wireClient, wireOrigin } from "../../support/wire.ts";

export function forwards(create: PlaneFactory): void {
  /** A plane whose only target is an origin that follows a script. */
  async function serving(script: (request: Seen) => void, trustedProxies: string[] = []) {
    const origin = wireOrigin(script);
    const front = await startPlane(create, { trustedProxies });
    await front.plane.publish([routeTo(origin)]);
    return { ...front, origin, [Symbol.asyncDispose]: () => endBoth(front, origin) };
  }

  test("path and query, method and fields, as they came", async () => {
    await using front = await serving((request) => reply(request, "hi"));
    const url = "/a%2Fb//c/?x=%27y&z=a+b";
    const init = { method: "PATCH", body: "abc", headers: { "X-Any": "1", Cookie: "a=b; c=d" } };
    expect(await (await front.get("api.example.com", url, init)).text()).toBe("hi");
    const [seen] = front.origin.seen;
    expect(seen?.head).toStartWith(`PATCH ${url} HTTP/1.1\r\n`);
    expect(fieldOf(seen?.head ?? "", "host")).toBe("api.example.com");
    expect(fieldOf(seen?.head ?? "", "x-any")).toBe("1");
    expect(fieldOf(seen?.head ?? "", "cookie")).toBe("a=b; c=d");
    expect(seen?.body()).toBe("abc");
  });

  test("status, each Set-Cookie apart, encoding untouched, and the target's name", async () => {
    const extra = [
      "Set-Cookie: a=1; Path=/",
      "Set-Cookie: b=2",
      "Content-Encoding: gzip",
      "X-Ten-Error: forged",
      "X-Ten-Instance: forged",
      "X-Ten-Attempts: 9",
      "Content-Type: text/plain",
    ];
    await using front = await serving(({ socket }) => {
      socket.write(`HTTP/1.1 418 Teapot\r\n${extra.join("\r\n")}\r\nContent-Length: 3\r\n\r\nraw`);
    });
    const answer = await front.get("api.example.com");
    expect(answer.status).toBe(418);
    expect(answer.headers.getSetCookie()).toEqual(["a=1; Path=/", "b=2"]);
    expect(answer.headers.get("content-encoding")).toBe("gzip");
    expect(answer.headers.get("x-ten-error")).toBeNull();
    expect(answer.headers.get("x-ten-instance")).toBe("api:v1");
    expect(answer.headers.get("x-ten-attempts")).toBeNull();
    expect(await answer.text()).toBe("raw");
  });

  test.each([
    ["GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "Content-Length: 2"],
    ["GET", "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\nhi", "Content-Length: 2"],
    ["GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "Content-Length: 0"],
    ["GET", `HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n${"x".repeat(60_000)}`, "Content-Length: 60000"],
    ["GET", "HTTP/1.1 204 No Content\r\n\r\n", undefined],
    ["GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "Content-Length: 7"],
    ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "Content-Length: 1234"],
    ["HEAD", "HTTP/1.1 200 OK\r\n\r\n", undefined],
  ])("%s: the length of %j stays", async (method, answer, length) => {
    await using front = await serving(({ socket }) => {
      socket.write(answer);
    });
    const ask = `${method} / HTTP/1.1\r\nHost: api.example.com\r\n\r\n`;
    using client = await wireClient(front.plane.url, ask);
    const text = await client.until((received) => received.includes("\r\n\r\n"));
    const lengths = text.split("\r\n").filter((line) => line.toLowerCase().startsWith("content-length"));
    expect(lengths.map((line) => line.toLowerCase())).toEqual(length ? [length.toLowerCase()] : []);
    expect(fieldOf(text, "content-type")).toBe(answer.includes("a/b") ? "a/b" : undefined);
  });

  test.each([
    ["close", "closed"],
    ["x-any, Close", "closed"],
    ["keep-alive", "open"],
    ["x-close", "open"],
  ])("Connection: %s leaves the connection %s, and the answer says so", async (asked, left) => {
    await using front = await serving((request) => reply(request, "ok"));
    const ask = `GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: ${asked}\r\n\r\n`;
    using client = await wireClient(front.plane.url, ask);
    const answer = await client.until((text) => text.endsWith("ok"));
    expect(fieldOf(answer, "connection")?.toLowerCase()).toBe(left === "closed" ? "close" : undefined);
    if (left === "closed") expect(await client.closed).toBe("closed");
    else {
      client.write(ask);
      await client.until((text) => text.match(/200 OK/g)?.length === 2);
    }
  });

  test("hop-by-hop fields and those that Connection names stay behind", async () => {
    await using front = await serving((request) => reply(request, "ok", "Keep-Alive: timeout=9\r\n"));
    const ask = [
      "GET / HTTP/1.1",
      "Host: api.example.com",
      "Connection: keep-alive, X-Hop, X-Forwarded-For",
      "X-Hop: 1",
      "TE: trailers",
      "Proxy-Authorization: secret",
      "X-Tenement-Instance: web",
      "X-Stays: 1",
    ];
    using client = await wireClient(front.plane.url, `${ask.join("\r\n")}\r\n\r\n`);
    const answer = await client.until((text) => text.endsWith("ok"));
    expect(fieldOf(answer, "keep-alive")).toBeUndefined();
    const head = front.origin.seen[0]?.head ?? "";
    for (const gone of ["x-hop", "te", "proxy-authorization", "x-tenement-instance", "upgrade"]) {
      expect(fieldOf(head, gone)).toBeUndefined();
    }
    expect(fieldOf(head, "x-stays")).toBe("1");
    expect(fieldOf(head, "x-forwarded-for")).toBe("127.0.0.1");
  });

  const CLAIMS = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "shop.example.org",
    "X-Request-Id": "theirs",
  };

  test("what a stranger says about his visitors is replaced", async () => {
    await using front = await serving((request) => reply(request, ""));
    await front.get("api.example.com", "/", { headers: CLAIMS });
    const head = front.origin.seen[0]?.head ?? "";
    expect(fieldOf(head, "x-forwarded-for")).toBe("127.0.0.1");
    expect(fieldOf(head, "x-forwarded-proto")).toBe("http");
    expect(fieldOf(head, "x-forwarded-host")).toBe("api.example.com");
    expect(fieldOf(head, "x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("what a trusted peer says is kept", async () => {
    await using front = await serving((request) => reply(request, ""), ["127.0.0.0/8"]);
    await front.get("api.example.com", "/", { headers: CLAIMS });
    const head = front.origin.seen[0]?.head ?? "";
    expect(fieldOf(head, "x-forwarded-for")).toBe("203.0.113.7, 127.0.0.1");
    expect(fieldOf(head, "x-forwarded-proto")).toBe("https");
    expect(fieldOf(head, "x-forwarded-host")).toBe("shop.example.org");
    expect(fieldOf(head, "x-request-id")).toBe("theirs");
  });

  test("an answer streams: its first bytes arrive while the rest is still to be made", async () => {
    await using front = await serving(({ socket }) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
    });
    const answer = await front.get("api.example.com");
    const reader = answer.body?.getReader();
    const text = async () => new TextDecoder().decode((await reader?.read())?.value);
    expect(await text()).toBe("data: 1\n\n");
    front.origin.seen[0]?.socket.write("data: 2\n\n");
    expect(await text()).toBe("data: 2\n\n");
    front.origin.seen[0]?.socket.end();
    expect((await reader?.read())?.done).toBe(true);
  });

  test.each([["Content-Length: 100000"], ["Transfer-Encoding: chunked"]])(
    "a request with %s streams: its first bytes arrive while the rest is still to come",
    async (framing) => {
      await using front = await serving(() => {});
      const head = `POST / HTTP/1.1\r\nHost: api.example.com\r\n${framing}\r\n\r\n`;
      using client = await wireClient(front.plane.url, `${head}5\r\nabcde\r\n`);
      await until("the first half is there", () => front.origin.seen[0]?.body().includes("abcde"));
      client.write("5\r\nfghij\r\n");
      await until("the rest is there", () => front.origin.seen[0]?.body().includes("fghij"));
    },
  );

  test("a small request is taken whole before it goes on, and keeps its length", async () => {
    await using front = await serving((request) => reply(request, request.body()));
    const head = "PUT / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 10\r\n\r\n";
    using client = await wireClient(front.plane.url, `${head}abcde`);
    await front.counted({ inFlight: 1 });
    client.write("fghij");
    await client.until((text) => text.endsWith("\r\n\r\nabcdefghij"));
    expect(fieldOf(front.origin.seen[0]?.head ?? "", "content-length")).toBe("10");
  });

  test("a chunked request stays chunked and whole", async () => {
    await using front = await serving(() => {});
    const head = "POST / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n";
    using client = await wireClient(front.plane.url, `${head}3\r\nxyz\r\n`);
    client.write("2\r\nuv\r\n0\r\n\r\n");
    await until("the body has ended", () => front.origin.seen[0]?.body().endsWith("0\r\n\r\n"));
    const body = front.origin.seen[0]?.body() ?? "";
    expect(body.replace(/[0-9a-f]+\r\n|\r\n/g, "")).toBe("xyzuv");
    expect(fieldOf(front.origin.seen[0]?.head ?? "", "transfer-encoding")).toBe("chunked");
  });

  test("thirty megabytes without a repetition go through, both ways", async () => {
    await using origin = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      development: false,
      fetch: (request) => new Response(request.body),
    });
    await using front = await startPlane(create);
    const address = { host: "127.0.0.1", port: origin.port ?? 0 };
    await front.plane.publish([routeTo({ address })]);
    const body = Uint32Array.from({ length: 7_500_000 }, (_, number) => number);
    const answer = await front.get("api.example.com", "/", { method: "POST", body });
    expect(Bun.hash(await answer.arrayBuffer())).toBe(Bun.hash(body));
  });

  test.each([
    ["Content-Length: 100\r\n\r\nabc", "shorter than announced"],
    ["Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "in the middle of a chunk"],
    ["Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "before the last chunk"],
  ])("a body that breaks off %#: the client's connection is reset", async (rest) => {
    await using front = await serving(({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\n${rest}`);
    });
    using client = await wireClient(front.plane.url, "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    await client.until((text) => text.includes("abc"));
    front.origin.seen[0]?.socket.terminate();
    expect(await client.closed).toBe("reset");
    expect(client.text()).not.toContain("\r\n0\r\n\r\n");
    await front.counted({ inFlight: 0, failures: 1 });
    expect(await front.troubled(1)).toEqual(["api:v1 reset"]);
  });

  test("the visitor's leaving cancels the upstream request, before the answer and in its middle", async () => {
    await using front = await serving((request) => {
      if (request.head.includes("/body"))
        request.socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    });
    for (const path of ["/head", "/body"]) {
      const client = await wireClient(
        front.plane.url,
        `GET ${path} HTTP/1.1\r\nHost: api.example.com\r\n\r\n`,
      );
      await until("the origin has it", () => front.origin.seen.at(-1)?.head.includes(path));
      if (path === "/body") await client.until((text) => text.includes("abc"));
      client[Symbol.dispose]();
      await until("the upstream connection is gone", () => front.origin.open === 0);
    }
    await front.counted({ requests: 2, inFlight: 0, failures: 0 });
    expect(front.trouble).toEqual([]);
  });

  test("a target is told of the proxies on the way when it wants to be, and of what a visitor's own say in any case", async () => {
    await using front = await serving((request) => reply(request, "ok"));
    const viaOf = async (headers: Record<string, string>) => {
      await (await front.get("api.example.com", "/", { headers })).text();
      return fieldOf(front.origin.seen.at(-1)?.head ?? "", "via");
    };
    expect(await viaOf({})).toBeUndefined();
    expect(await viaOf({ Via: "1.1 cdn" })).toBe("1.1 cdn");
    await front.plane.publish([{ ...routeTo(front.origin), policy: { ...POLICY, via: true } }]);
    expect(await viaOf({})).toMatch(/^1\.1 (proxy|ten)-\S+$/);
    expect(await viaOf({ Via: "1.1 cdn" })).toMatch(/^1\.1 cdn, 1\.1 (proxy|ten)-\S+$/);
  });

  test("a request that comes back here is let through once and then stopped", async () => {
    await using front = await startPlane(create);
    // The route's target is the plane itself: a circle.
    const self = { address: { host: "127.0.0.1", port: Number(front.plane.url.port) } };
    await front.plane.publish([routeTo(self)]);
    const answer = await front.get("api.example.com");
    expect(answer.status).toBe(508);
    await front.counted({ requests: 2 });
  });

  test("traffic is counted by class, with the time to the head", async () => {
    await using front = await serving((request) => reply(request, "ok"));
    for (let i = 0; i < 3; i++) await (await front.get("api.example.com")).text();
    const counts = { inFlight: 0, requests: 3, failures: 0, statuses: [0, 3, 0, 0, 0] };
    const { buckets } = await front.counted(counts);
    expect(buckets.reduce((sum, count) => sum + count, 0)).toBe(3);
  });
}

function routeTo(origin: Pick<WireOrigin, "address">) {
  return route("api", [target("api:v1", { address: origin.address })], { hosts: ["api.example.com"] });
}

async function endBoth(front: AsyncDisposable, origin: Disposable): Promise<void> {
  await front[Symbol.asyncDispose]();
  origin[Symbol.dispose]();
}
