// How a visitor is kept on the version that it saw.
import { expect, test } from "bun:test";
import type { Target } from "../../../src/core/route.ts";
import { freePort } from "../../support/free-port.ts";
import { type PlaneFactory, startPlane, type TestPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { fieldOf, reply, wireClient, wireOrigin } from "../../support/wire.ts";

const HOST = "api.example.com";
const NAME = "ten-sticky-api";

/** Visitors with their cookies, as browsers keep them. */
function browsers(front: TestPlane, count: number, headers: Record<string, string> = {}) {
  const jars: (string | undefined)[] = new Array(count).fill(undefined);
  return {
    jars,
    /** All of them visit once; answers who served each. */
    async visit(host = HOST): Promise<string[]> {
      const seen: string[] = [];
      for (const [i, cookie] of jars.entries()) {
        const answer = await front.get(host, "/", { headers: { ...headers, ...(cookie && { cookie }) } });
        const set = answer.headers.getSetCookie().find((one) => one.startsWith(`${NAME}=`));
        if (set !== undefined) jars[i] = set.split(";", 1)[0];
        seen.push(answer.headers.get("x-ten-instance") ?? String(answer.status));
      }
      return seen;
    },
  };
}

function tally(seen: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const one of seen) counts[one] = (counts[one] ?? 0) + 1;
  return counts;
}

export function keepsVisitors(create: PlaneFactory): void {
  test.each([
    ["public, max-age=60", false, null],
    ["s-maxage=60", false, null],
    ["max-age=3600", false, null],
    ["private, max-age=60", true, "private, max-age=60"],
    ["no-store", true, "no-store"],
    ["no-cache", true, "no-cache"],
    ["max-age=0", true, "max-age=0, private"],
    [undefined, true, "private"],
  ])("an answer with Cache-Control %p carries its cookie: %p", async (said, carries, then) => {
    const line = said === undefined ? "" : `Cache-Control: ${said}\r\n`;
    using origin = wireOrigin((request) => reply(request, "ok", line));
    await using front = await startPlane(create);
    const only = target("api:v1", { address: origin.address });
    await front.plane.publish([route("api", [only], { hosts: [HOST], policy: { sticky: NAME } })]);
    const { headers } = await front.get(HOST);
    expect(headers.getSetCookie().length).toBe(carries ? 1 : 0);
    expect(headers.get("cache-control")).toBe(then ?? said ?? null);
  });

  test.each([
    ["lax", "SameSite=Lax"],
    ["strict", "SameSite=Strict"],
    ["none", "SameSite=None; Secure"],
  ] as const)("a cookie for same_site %s says %s", async (stickySameSite, ending) => {
    using origin = wireOrigin((request) => reply(request, "ok"));
    await using front = await startPlane(create);
    const only = target("api:v1", { address: origin.address });
    const policy = { sticky: NAME, stickySameSite };
    await front.plane.publish([route("api", [only], { hosts: [HOST], policy })]);
    expect((await front.get(HOST)).headers.getSetCookie()[0]).toEndWith(ending);
  });

  async function serving() {
    const origin = wireOrigin((request) => reply(request, "ok", "Set-Cookie: theirs=1\r\n"));
    const front = await startPlane(create, { trustedProxies: ["127.0.0.1"] });
    let epoch = 0;
    return {
      ...front,
      origin,
      /** Weights in percent. */
      publish(weights: Record<string, number>, changes: Record<string, Partial<Target>> = {}) {
        epoch += 1;
        const targets = Object.entries(weights).map(([label, weight]) =>
          target(`api:${label}`, { address: origin.address, weight: weight * 100, ...changes[label] }),
        );
        return front.plane.publish([
          route("api", targets, { hosts: [HOST], epoch, policy: { sticky: NAME } }),
          route("plain", targets, { hosts: ["plain.example.com"], epoch }),
        ]);
      },
      async [Symbol.asyncDispose]() {
        await front[Symbol.asyncDispose]();
        origin[Symbol.dispose]();
      },
    };
  }

  test("new visitors are split exactly, and returning ones neither move nor count", async () => {
    await using front = await serving();
    await front.publish({ v1: 90, v2: 10 });
    const first = browsers(front, 50);
    const seen = await first.visit();
    expect(tally(seen)).toEqual({ "api:v1": 45, "api:v2": 5 });
    for (let i = 0; i < 3; i++) expect(await first.visit()).toEqual(seen);
    expect(tally(await browsers(front, 50).visit())).toEqual({ "api:v1": 45, "api:v2": 5 });
  });

  test("raising a weight moves visitors towards it only, and about as many as it should", async () => {
    await using front = await serving();
    await front.publish({ v1: 90, v2: 10 });
    const all = browsers(front, 200);
    let before = await all.visit();
    for (const share of [30, 60]) {
      await front.publish({ v1: 100 - share, v2: share });
      const after = await all.visit();
      expect(after.every((now, i) => now === "api:v2" || before[i] === "api:v1")).toBe(true);
      expect((tally(after)["api:v2"] ?? 0) / 2).toBeWithin(share - 14, share + 14);
      expect(await all.visit()).toEqual(after);
      before = after;
    }
  });

  test("a visitor whose target is gone, unhealthy or without weight goes elsewhere with a new cookie, and stays", async () => {
    await using front = await serving();
    const both = { v1: 50, v2: 50 };
    for (const away of [
      () => front.publish({ v1: 100 }),
      () => front.publish(both, { v2: { readiness: "unsure" } }),
      () => front.publish({ v1: 50, v2: 0 }),
    ]) {
      await front.publish(both);
      const all = browsers(front, 10);
      await all.visit();
      await away();
      expect(tally(await all.visit())).toEqual({ "api:v1": 10 });
      const cookies = [...all.jars];
      expect(await all.visit()).toEqual(new Array(10).fill("api:v1"));
      expect(all.jars).toEqual(cookies);
    }
  });

  test("a request that its own target refuses is served elsewhere, by the same version if it can be", async () => {
    await using front = await serving();
    const versions = { a: { version: "1" }, b: { version: "1" }, c: { version: "2" } };
    await front.publish({ a: 40, b: 40, c: 20 }, versions);
    const all = browsers(front, 20);
    const before = await all.visit();
    await front.publish(
      { a: 40, b: 40, c: 20 },
      { ...versions, a: { version: "1", address: { host: "127.0.0.1", port: await freePort() } } },
    );
    const after = await all.visit();
    expect(after).toEqual(before.map((one) => (one === "api:a" ? "api:b" : one)));
  });

  test("the cookie is a session's, for the whole host, hidden from scripts, and secure when the visitor came so", async () => {
    await using front = await serving();
    await front.publish({ v1: 100 });
    const cookies = async (headers: Record<string, string>) =>
      (await front.get(HOST, "/deep/path", { headers })).headers.getSetCookie();
    const plain = expect.stringMatching(/^ten-sticky-api=v1~[0-9a-z]+; Path=\/; HttpOnly; SameSite=Lax$/);
    const secure = expect.stringMatching(
      /^ten-sticky-api=v1~[0-9a-z]+; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
    );
    expect(await cookies({})).toEqual(["theirs=1", plain]);
    for (const proto of ["https", "HTTPS", "https, http"])
      expect(await cookies({ "X-Forwarded-Proto": proto })).toEqual(["theirs=1", secure]);
    for (const proto of ["http", "httpsx", "http, https"])
      expect(await cookies({ "X-Forwarded-Proto": proto })).toEqual(["theirs=1", plain]);
    const mark = String((await cookies({}))[1]).split(";")[0];
    expect(await cookies({ cookie: `a=b; ${mark}; c=d` })).toEqual(["theirs=1"]);
  });

  test("a cookie that was tampered with is ignored and replaced; the app sees what the visitor sent", async () => {
    await using front = await serving();
    await front.publish({ v1: 100, v2: 0 });
    for (const forged of ["v2~1", "v2~", "v9~", "v2", "", "v2~99999999", "../../etc~1", "%00"]) {
      const answer = await front.get(HOST, "/", { headers: { cookie: `${NAME}=${forged}; other=1` } });
      expect(answer.headers.get("x-ten-instance")).toBe("api:v1");
      expect(answer.headers.getSetCookie()).toContainEqual(expect.stringContaining(`${NAME}=v1~`));
      expect(fieldOf(front.origin.seen.at(-1)?.head ?? "", "cookie")).toContain("other=1");
    }
  });

  test("direct hosts and services without it neither read nor set the cookie", async () => {
    await using front = await serving();
    await front.publish({ v1: 100, v2: 0 });
    const all = browsers(front, 1);
    await all.visit();
    const cookie = all.jars[0] ?? "";
    const direct = await front.get(`v2.${HOST}`, "/", { headers: { cookie } });
    expect(direct.headers.get("x-ten-instance")).toBe("api:v2");
    expect(direct.headers.getSetCookie()).toEqual(["theirs=1"]);
    await front.publish({ v1: 50, v2: 50 });
    const plain = await front.get("plain.example.com");
    expect(plain.headers.getSetCookie()).toEqual(["theirs=1"]);
  });

  test("a WebSocket is kept too", async () => {
    await using front = await serving();
    using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("no", { status: 400 })),
      websocket: { message() {} },
    });
    const address = { host: "127.0.0.1", port: server.port ?? 0 };
    await front.publish({ v1: 50, v2: 50 }, { v1: { address }, v2: { address } });
    const open = async (cookie = "") => {
      const head = `GET / HTTP/1.1\r\nHost: ${HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${cookie}\r\n`;
      using client = await wireClient(front.plane.url, head);
      return await client.until((text) => text.includes("\r\n\r\n"));
    };
    const first = await open();
    expect(first).toStartWith("HTTP/1.1 101 ");
    const mark = fieldOf(first, "set-cookie")?.split(";")[0] ?? "";
    expect(mark).toStartWith(`${NAME}=`);
    for (let i = 0; i < 4; i++) {
      const again = await open(`Cookie: ${mark}\r\n`);
      expect(fieldOf(again, "x-ten-instance")).toBe(fieldOf(first, "x-ten-instance"));
      expect(fieldOf(again, "set-cookie")).toBeUndefined();
    }
  });
}
