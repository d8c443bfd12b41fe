// The answers that the proxy gives itself, and the hosts that decide which.

import { describe, expect, test } from "bun:test";
import type { Route } from "../../../src/core/route.ts";
import type { DataPlaneOptions } from "../../../src/proxy/data-plane.ts";
import { type PlaneFactory, startPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { until } from "../../support/until.ts";
import { fieldOf, reply, type Seen, wireClient, wireOrigin } from "../../support/wire.ts";

export function answersItself(create: PlaneFactory): void {
  async function serving(
    script: (request: Seen) => void = (request) => reply(request, "app"),
    changes: Partial<DataPlaneOptions> = {},
  ) {
    const origin = wireOrigin(script);
    const front = await startPlane(create, changes);
    const { address } = origin;
    const policy = { requestTimeoutMs: 200, streamIdleTimeoutMs: 300, waitMs: 200, maxBodyBytes: 10 };
    await front.plane.publish([
      route("api", [target("api:v1", { address }), target("api:off", { address, readiness: "out" })], {
        hosts: ["api.example.com"],
        policy,
      }),
      route("idle", [target("idle:v1", { address, weight: 0 })], { hosts: ["idle.example.com"], policy }),
    ]);
    return {
      ...front,
      origin,
      async [Symbol.asyncDispose]() {
        await front[Symbol.asyncDispose]();
        origin[Symbol.dispose]();
      },
    };
  }

  test.each([
    ["nobody.example.com", 404, "unknown_instance"],
    ["v9.api.example.com", 404, "unknown_instance"],
    ["off.api.example.com", 503, "nothing_routable"],
    ["idle.example.com", 503, "nothing_routable"],
  ])("%s is %i %s: plain, uncached, marked as untouched", async (host, status, mark) => {
    await using front = await serving();
    const answer = await front.get(host);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("x-ten-error")).toBe(mark);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(answer.headers.get("retry-after")).toBe(status === 503 ? "5" : null);
    expect(answer.headers.get("x-ten-instance")).toBeNull();
    expect((await answer.text()).split("\n")).toHaveLength(2);
    expect(front.origin.seen).toHaveLength(0);
  });

  test("JSON for whom prefers it", async () => {
    await using front = await serving();
    const kind = async (accept: string) => {
      const answer = await front.get("nobody.example.com", "/", { headers: { accept } });
      return answer.headers.get("content-type")?.split(";")[0];
    };
    expect(await kind("application/json")).toBe("application/json");
    expect(await kind("application/json, text/plain, */*")).toBe("application/json");
    expect(await kind("text/html, application/json")).toBe("text/plain");
    expect(await kind("*/*")).toBe("text/plain");
    const answer = await front.get("nobody.example.com", "/", { headers: { accept: "application/json" } });
    expect(await answer.json()).toEqual({
      error: { code: "unknown_host", message: "Nothing is served on this host" },
    });
  });

  test.each([
    ["GET / HTTP/1.1\r\nHost: a b", 400],
    ["GET / HTTP/1.1\r\nHost: a@b/c?d", 400],
    ["GET / HTTP/1.1\r\nHost: ", 400],
    ["GET / HTTP/1.1\r\nHost: api.example.com\r\nHost: web.example.com", 400],
    ["GET / HTTP/1.1", 400],
    ["GET / HTTP/1.0\r\nHost: a b", 400],
    ["POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 3\r\nContent-Length: 4", 400],
    ["POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 3\r\nTransfer-Encoding: chunked", 400],
    ["TRACE / HTTP/1.1\r\nHost: api.example.com", 405],
    ["CONNECT api.example.com:80 HTTP/1.1\r\nHost: api.example.com", 405],
    ["POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 11", 413],
    [`GET / HTTP/1.1\r\nHost: api.example.com\r\nX-Big: ${"x".repeat(300_000)}`, 431],
  ])("%.60j is %i, and no target sees it", async (head, status) => {
    await using front = await serving();
    using client = await wireClient(front.plane.url, `${head}\r\n\r\nabc`);
    expect(await client.until((text) => text.includes("\r\n\r\n"))).toStartWith(`HTTP/1.1 ${status} `);
    if (status === 405) expect(fieldOf(client.text(), "allow")).toContain("GET");
    expect(front.origin.seen).toHaveLength(0);
  });

  test("a chunked body over the limit is 413, one within it passes", async () => {
    await using front = await serving((request) => {
      if (request.head.includes("/small")) reply(request, "app");
    });
    const post = (path: string, body: string) =>
      front.get("api.example.com", path, { method: "POST", body: new Response(body).body });
    expect((await post("/small", "0123456789")).status).toBe(200);
    expect((await post("/large", "0123456789a")).status).toBe(413);
  });

  test.each([["Content-Length: 5\r\n\r\nhe"], ["Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n"]])(
    "408 when the body of a request stands still, and its target is not the one to blame: %j",
    async (rest) => {
      await using front = await serving(() => {});
      using client = await wireClient(front.plane.url, `POST / HTTP/1.1\r\nHost: api.example.com\r\n${rest}`);
      expect(await client.until((text) => text.includes("\r\n\r\n"))).toStartWith("HTTP/1.1 408 ");
      expect(fieldOf(client.text(), "connection")).toBe("close");
      expect(await client.closed).toBe("closed");
      await front.counted({ requests: 1, inFlight: 0, failures: 0 });
      expect(front.trouble).toEqual([]);
    },
  );

  test("504 when a target does not answer in time, and the program hears of it", async () => {
    await using front = await serving(() => {});
    const answer = await front.get("api.example.com");
    expect(answer.status).toBe(504);
    expect(answer.headers.get("x-ten-error")).toBeNull();
    expect(await front.troubled(1)).toEqual(["api:v1 request_timeout"]);
  });

  test.each([["SSH-2.0-OpenSSH_9.6\r\n\r\n"], ["HTTP/1.1 999999 no\r\n\r\n"], ["HTTP/1.1 099 no\r\n\r\n"]])(
    "garbage %j is 502",
    async (garbage) => {
      await using front = await serving(({ socket }) => {
        socket.write(garbage);
      });
      const answer = await front.get("api.example.com", "/", { method: "POST" });
      expect(answer.status).toBe(502);
      expect(answer.headers.get("x-ten-error")).toBeNull();
    },
  );

  test("the own hosts are the program's; a default route takes them over, all but its own name", async () => {
    await using front = await serving();
    const { plane, origin } = front;
    const seen = async (host: string) => (await front.get(host)).text();
    expect(await seen("example.com")).toBe("own 127.0.0.1 false");
    expect(await seen(plane.url.host)).toBe("own 127.0.0.1 false");
    const api = route("api", [target("api:v1", { address: origin.address })]);
    await plane.publish([api], "api");
    expect(await seen("example.com")).toBe("app");
    expect(await seen("ten.example.com")).toBe("own 127.0.0.1 false");
  });

  test("a defect of the program is 500, tells the visitor nothing, and is reported", async () => {
    const defects: string[] = [];
    await using front = await startPlane(create, {
      hooks: {
        own: async () => {
          throw new Error("secret");
        },
        onTrouble: () => {},
        onWanted: () => {},
        onDefect: ({ message }) => void defects.push(message),
      },
    });
    const answer = await front.get("example.com");
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain("secret");
    expect(defects).toEqual(["secret"]);
  });

  test("the naming header of who may say it reaches a route and a target, whatever the host", async () => {
    await using front = await serving(undefined, { selectorFrom: ["127.0.0.0/8", "::1"] });
    const via = async (host: string, named: string) => {
      const answer = await front.get(host, "/", { headers: { "X-Tenement-Instance": named } });
      return answer.headers.get("x-ten-instance") ?? answer.headers.get("x-ten-error");
    };
    expect(await via("other.org", "api")).toBe("api:v1");
    expect(await via("other.org", "idle:v1")).toBe("idle:v1");
    expect(await via("other.org", "nobody")).toBe("unknown_instance");
    expect(await via("api.example.com", "idle:v1")).toBe("idle:v1");
  });

  test("the naming header of anybody else is 404 where no service is, and nothing where one is", async () => {
    await using front = await serving();
    const named = (host: string) => front.get(host, "/", { headers: { "X-Tenement-Instance": "idle:v1" } });
    for (const host of ["other.org", "example.com"]) {
      const answer = await named(host);
      expect([answer.status, answer.headers.get("x-ten-error")]).toEqual([404, "unknown_instance"]);
    }
    expect((await named("api.example.com")).headers.get("x-ten-instance")).toBe("api:v1");
  });

  describe("with a page of the operator's own", () => {
    const page = "<!doctype html><title>Back soon</title>";
    const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

    async function paged(accept: string, path = "/", changes: Partial<Route> = {}, init: RequestInit = {}) {
      using origin = wireOrigin((request) => {
        if (request.head.includes(" /garbage")) request.socket.end("SSH-2.0\r\n\r\n");
        else if (!request.head.includes(" /hang")) reply(request, "app");
      });
      await using front = await startPlane(create);
      const policy = { errorPage: page, requestTimeoutMs: 200, maxBodyBytes: 10 };
      const targets = changes.targets ?? [target("api:v1", { address: origin.address })];
      await front.plane.publish([
        route("api", targets, {
          hosts: ["api.example.com"],
          ...changes,
          policy: { ...policy, ...changes.policy },
        }),
      ]);
      const answer = await front.get("api.example.com", path, { ...init, headers: { accept } });
      return { answer, body: await answer.text(), seen: origin.seen.length };
    }

    test.each([
      ["/garbage", 502, null, null, {}],
      ["/hang", 504, null, null, {}],
      ["/", 503, "nothing_routable", "5", { targets: [] }],
      ["/", 503, null, "60", { maintenance: { openPath: undefined } }],
    ])(
      "%s is %i with it for browsers, marked and timed as ever (%p, %p)",
      async (path, status, mark, retry, changes) => {
        const { answer, body } = await paged(browser, path, changes);
        expect(answer.status).toBe(status);
        expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
        expect(body).toBe(page);
        expect(answer.headers.get("x-ten-error")).toBe(mark);
        expect(answer.headers.get("retry-after")).toBe(retry);
        expect(answer.headers.get("cache-control")).toBe("no-store");
      },
    );

    test.each([
      ["*/*", "text/plain; charset=utf-8"],
      ["", "text/plain; charset=utf-8"],
      ["application/json", "application/json"],
      ["application/json, text/html", "application/json"],
      ["text/html;q=0, */*", "text/plain; charset=utf-8"],
      ["image/png, text/html;q=0.5", "text/html; charset=utf-8"],
    ])("who accepts %j gets %s", async (accept, type) => {
      const { answer } = await paged(accept, "/", { targets: [] });
      expect(answer.headers.get("content-type")).toBe(type);
    });

    test("HEAD gets its length and not its text", async () => {
      const { answer, body } = await paged(browser, "/", { targets: [] }, { method: "HEAD" });
      expect([answer.status, answer.headers.get("content-length"), body]).toEqual([
        503,
        String(page.length),
        "",
      ]);
    });

    test("what the app answers, and what the visitor did wrong, is left alone", async () => {
      const ok = await paged(browser);
      expect([ok.answer.status, ok.body]).toEqual([200, "app"]);
      const large = await paged(browser, "/", {}, { method: "POST", body: "0123456789a" });
      expect([large.answer.status, large.answer.headers.get("content-type")]).toEqual([
        413,
        "text/plain; charset=utf-8",
      ]);
    });
  });

  describe("during maintenance", () => {
    async function closed() {
      const origin = wireOrigin((request) => reply(request, "app"));
      const front = await startPlane(create);
      const targets = [
        target("api:v1", { address: origin.address }),
        target("api:dark", { address: origin.address, weight: 0 }),
      ];
      const put = (maintenance: Route["maintenance"]) =>
        front.plane.publish([route("api", targets, { hosts: ["api.example.com"], maintenance })]);
      await put({ openPath: "/health" });
      return {
        ...front,
        origin,
        put,
        async [Symbol.asyncDispose]() {
          await front[Symbol.asyncDispose]();
          origin[Symbol.dispose]();
        },
      };
    }

    test("visitors get 503 and no target hears of them, until it is over", async () => {
      await using front = await closed();
      const answer = await front.get("api.example.com", "/any", { method: "POST", body: "x" });
      expect([answer.status, await answer.text()]).toEqual([503, "This service is down for maintenance\n"]);
      expect(answer.headers.get("x-ten-error")).toBeNull();
      expect(front.origin.seen).toHaveLength(0);
      await front.put(undefined);
      expect((await front.get("api.example.com", "/any")).status).toBe(200);
    });

    test("an upload that goes on for a while gets its answer, and then comes to an end", async () => {
      await using front = await closed();
      const head = "POST /any HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 100000000\r\n\r\n";
      using client = await wireClient(front.plane.url, head);
      // Writing on behind the answer must not reset it; a reset would reject here.
      for (let n = 0; n < 10; n += 1) {
        client.write("x".repeat(5_000));
        await Bun.sleep(20);
      }
      const answer = await client.until((text) => text.endsWith("for maintenance\n"));
      expect(answer).toStartWith("HTTP/1.1 503 ");
      expect(answer).toContain("\r\nConnection: close\r\n");
      // Nobody reads it without end.
      let isOver = false;
      void client.closed.then(() => {
        isOver = true;
      });
      await until("it is closed", () => {
        if (!isOver) client.write("x".repeat(50_000));
        return isOver;
      });
      expect(front.origin.seen).toHaveLength(0);
    });

    test("the health path and direct hosts still reach the targets", async () => {
      await using front = await closed();
      const status = async (host: string, path: string, method = "GET") =>
        (await front.get(host, path, { method })).status;
      expect(await status("api.example.com", "/health")).toBe(200);
      expect(await status("api.example.com", "/health?deep=1", "HEAD")).toBe(200);
      expect(await status("api.example.com", "/health", "POST")).toBe(503);
      expect(await status("api.example.com", "/healthy")).toBe(503);
      expect(await status("v1.api.example.com", "/any")).toBe(200);
      expect(await status("dark.api.example.com", "/any")).toBe(200);
    });
  });
}
