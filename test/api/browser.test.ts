// What browsers may ask of an admin API: the page's own session from its own origin, and nothing else.
import { describe, expect, test } from "bun:test";
import { visitedOrigin } from "../../src/api/browser.ts";
import { hashToken } from "../../src/api/token.ts";
import { until } from "../support/until.ts";
import { wireClient } from "../support/wire.ts";
import { ADMIN, serveTcp, someTokens, TENANT } from "./fixture.ts";

type Server = Awaited<ReturnType<typeof serveTcp>>;

/** A request as the page sends it; headers given as undefined are left out. */
function page(server: Server, method: string, path: string, more: Record<string, string | undefined> = {}) {
  const { body, ...headers } = more;
  const all = { "X-Ten-Page": "1", Origin: server.url.origin, "Sec-Fetch-Site": "same-origin", ...headers };
  const kept = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return fetch(new URL(path, server.url), { method, headers: kept, ...(body !== undefined && { body }) });
}

/** What a session is known by: the browser's cookie, and the half that the page keeps. */
async function logIn(server: Server, token = ADMIN) {
  const response = await page(server, "POST", "/session", { body: JSON.stringify({ token }) });
  expect(response.status).toBe(200);
  return sessionOf(response);
}

async function sessionOf(response: Response) {
  const { page: half } = (await response.json()) as { page: string };
  return { Cookie: response.headers.get("set-cookie")?.split(";")[0] ?? "", "X-Ten-Page": half };
}

const statusOf = async (response: Promise<Response>) => (await response).status;

describe("the page", () => {
  test("is served to anybody, with a policy that lets in no other code, frame or origin", async () => {
    await using server = await serveTcp();
    const response = await fetch(server.url);
    expect(await response.text()).toBe("<p>the page</p>");
    const { headers } = response;
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
    const policy = headers.get("content-security-policy") ?? "";
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "frame-ancestors 'none'",
      "trusted-types 'none'",
    ])
      expect(policy).toContain(rule);
    expect(policy).not.toContain("unsafe");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("x-frame-options")).toBe("DENY");
    const again = await fetch(server.url, { headers: { "If-None-Match": headers.get("etag") ?? "" } });
    expect([again.status, await again.text()]).toEqual([304, ""]);
  });

  test("learns who it is, logs in, and logs out", async () => {
    await using server = await serveTcp();
    const who = async (more = {}) => (await page(server, "GET", "/session", more)).json();
    const tenant = { name: "tenant", scope: "tenant", tenant: "acme" };
    expect(await who()).toEqual({ scope: null });
    const response = await page(server, "POST", "/session", { body: JSON.stringify({ token: TENANT }) });
    expect(await response.clone().json()).toEqual({ ...tenant, page: expect.stringMatching(/^[\w-]{20,}$/) });
    expect(response.headers.get("cache-control")).toBe("no-store");
    const cookie = response.headers.get("set-cookie") ?? "";
    expect(cookie).toMatch(
      /^test-session-[0-9a-f]{16}=[\w-]{20,}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/,
    );
    const session = await sessionOf(response);
    expect(await who(session)).toEqual(tenant);
    const out = await page(server, "DELETE", "/session", session);
    expect(out.headers.get("set-cookie")).toContain("Max-Age=0");
    expect(await who(session)).toEqual({ scope: null });
    expect(await statusOf(page(server, "GET", "/api/things", session))).toBe(401);
  });

  test("that logs in again ends its session before", async () => {
    await using server = await serveTcp();
    const session = await logIn(server);
    await page(server, "POST", "/session", { ...session, body: JSON.stringify({ token: TENANT }) });
    expect(await statusOf(page(server, "GET", "/api/things", session))).toBe(401);
  });

  test("that goes away in the middle of logging in is no defect", async () => {
    await using server = await serveTcp();
    const head = `POST /session HTTP/1.1\r\nHost: ${server.url.host}\r\nOrigin: ${server.url.origin}\r\nX-Ten-Page: 1\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{`;
    for (let n = 0; n < 5; n += 1) {
      const client = await wireClient(server.url, head);
      // It has been read when another, begun later, has been answered.
      expect(await statusOf(page(server, "GET", "/session"))).toBe(200);
      client[Symbol.dispose]();
    }
    expect(await statusOf(page(server, "GET", "/session"))).toBe(200);
    expect(server.defects).toEqual([]);
  });

  test("with ten wrong tokens in a minute hears 429, as with bearers", async () => {
    await using server = await serveTcp();
    const wrong = (n: number) =>
      n % 2
        ? fetch(new URL("/api/things", server.url), { headers: { Authorization: `Bearer wrong-${n}` } })
        : page(server, "POST", "/session", { body: JSON.stringify({ token: `wrong-${n}` }) });
    const statuses: number[] = [];
    for (let n = 0; n < 12; n += 1) statuses.push(await statusOf(wrong(n)));
    expect(statuses).toEqual([...Array(10).fill(401), 429, 429]);
    await logIn(server);
  });

  test.each([
    ["{}"],
    ["["],
    ['{"token":1}'],
    ['{"token":"x","more":1}'],
    [JSON.stringify({ token: "x".repeat(300) })],
  ])("that logs in with %s is refused", async (body) => {
    await using server = await serveTcp();
    expect(await statusOf(page(server, "POST", "/session", { body }))).toBe(422);
  });
});

describe("a session", () => {
  test("has the scope of its token and no more", async () => {
    await using server = await serveTcp();
    const session = await logIn(server, TENANT);
    const things = await page(server, "GET", "/api/things", session);
    expect([things.status, await things.json()]).toEqual([200, { things: ["a", "b"], scope: "tenant" }]);
    const weigh = { ...session, body: '{"weight":1}' };
    expect(await statusOf(page(server, "PUT", "/api/things/a/weight", weigh))).toBe(403);
    const admin = { ...weigh, ...(await logIn(server)) };
    expect(await statusOf(page(server, "PUT", "/api/things/a/weight", admin))).toBe(200);
  });

  test("is over when its token is revoked, with what streams on its behalf", async () => {
    const { table } = someTokens();
    await using server = await serveTcp({ tokens: table });
    const session = await logIn(server);
    expect(await statusOf(page(server, "GET", "/api/things", session))).toBe(200);
    const stream = await page(server, "GET", "/api/tail?from=1", session);
    await table.write((writer) => writer.change(hashToken(ADMIN), { revokedAt: 1 }));
    expect(await statusOf(page(server, "GET", "/api/things", session))).toBe(401);
    await stream.text().catch(() => {});
  });

  test("is nobody's who has only the cookie, as a program on another port of the host has", async () => {
    await using server = await serveTcp();
    const { Cookie } = await logIn(server);
    for (const half of ["1", "x".repeat(22), Cookie.split("=")[1]])
      expect(await statusOf(page(server, "GET", "/api/things", { Cookie, "X-Ten-Page": half }))).toBe(401);
  });

  test("that ends takes its streams with it", async () => {
    await using server = await serveTcp();
    const session = await logIn(server);
    const stream = await page(server, "GET", "/api/tail?from=1", session);
    let isOver = false;
    const reading = stream.text().finally(() => {
      isOver = true;
    });
    await page(server, "DELETE", "/session", session);
    await until("the stream is over", () => isOver);
    await reading.catch(() => {});
  });

  test("counts though a sibling domain has set a hundred cookies", async () => {
    await using server = await serveTcp();
    const { Cookie: own, ...half } = await logIn(server);
    const tossed = Array.from({ length: 100 }, (_, n) => `test-session-${n}=tossed`);
    const Cookie = [...tossed, own].join("; ");
    expect(await statusOf(page(server, "GET", "/api/things", { ...half, Cookie }))).toBe(200);
  });

  test("counts though somebody has set a cookie of the very name before it", async () => {
    await using server = await serveTcp();
    const { Cookie: own, ...half } = await logIn(server);
    const Cookie = `${own.split("=")[0]}=tossed; ${own}`;
    expect(await statusOf(page(server, "GET", "/api/things", { ...half, Cookie }))).toBe(200);
  });
});

describe("refused with a valid session are", () => {
  type Row = [what: string, method: string, headers: Record<string, string | undefined>, status: number];
  const rows: Row[] = [
    ["a page of another origin", "PUT", { Origin: "https://evil.org" }, 403],
    ["a page of another port", "PUT", { Origin: "http://127.0.0.1:1" }, 403],
    ["a change that does not say its origin", "PUT", { Origin: undefined }, 403],
    ["a page in a sandbox, whose origin is null", "PUT", { Origin: "null" }, 403],
    [
      "a page of a sibling domain that reads",
      "GET",
      { Origin: undefined, "Sec-Fetch-Site": "same-site" },
      403,
    ],
    ["a page of elsewhere that reads", "GET", { Origin: undefined, "Sec-Fetch-Site": "cross-site" }, 403],
    [
      "a form or a link, without the page's field",
      "GET",
      { Origin: undefined, "X-Ten-Page": undefined },
      401,
    ],
    ["a form that posts, without the page's field", "PUT", { "X-Ten-Page": undefined }, 403],
    ["a page of an origin that only names it", "PUT", { Origin: "http://127.0.0.1.evil.org" }, 403],
    [
      "a forwarded host from a peer that is not trusted",
      "PUT",
      { Origin: "https://x.org", "X-Forwarded-Host": "x.org", "X-Forwarded-Proto": "https" },
      403,
    ],
  ];
  test.each(rows)("%s (%s)", async (_, method, headers, status) => {
    await using server = await serveTcp();
    const session = await logIn(server);
    const path = method === "GET" ? "/api/things" : "/api/things/a/weight";
    const body = method === "GET" ? undefined : '{"weight":1}';
    expect(await statusOf(page(server, method, path, { ...session, body, ...headers }))).toBe(status);
  });

  test("logging in, out and asking who one is, from elsewhere", async () => {
    await using server = await serveTcp();
    const session = await logIn(server);
    for (const headers of [{ Origin: "https://evil.org" }, { "X-Ten-Page": undefined, Origin: undefined }])
      for (const method of ["GET", "POST", "DELETE"])
        expect(await statusOf(page(server, method, "/session", { ...session, ...headers }))).toBe(403);
    expect(await statusOf(page(server, "GET", "/api/things", session))).toBe(200);
  });

  test("preflights, so that no other page may add the page's field", async () => {
    await using server = await serveTcp();
    const response = await fetch(new URL("/api/things", server.url), {
      method: "OPTIONS",
      headers: { Origin: "https://evil.org", "Access-Control-Request-Headers": "x-ten-page" },
    });
    expect(response.status).toBe(403);
    expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  test("pages that carry a bearer, from wherever they are", async () => {
    await using server = await serveTcp();
    const Authorization = `Bearer ${ADMIN}`;
    for (const Origin of ["https://evil.org", server.url.origin]) {
      const response = page(server, "GET", "/api/things", { Authorization, Origin, "X-Ten-Page": undefined });
      expect(await statusOf(response)).toBe(403);
    }
  });
});

describe("the origin that the visitor sees", () => {
  const request = (headers: Record<string, string>) => new Request("http://x/", { headers });
  const peer = (trusted: boolean) => ({ door: "network", address: "127.0.0.1", trusted }) as const;
  const forwarded = {
    Host: "127.0.0.1:8080",
    "X-Forwarded-Host": "Example.com",
    "X-Forwarded-Proto": "https",
  };
  test.each([
    ["is that of Host", { Host: "localhost:8080" }, true, "http://localhost:8080"],
    ["leaves out the scheme's own port", { Host: "example.com:80" }, true, "http://example.com"],
    ["is what a trusted proxy says", forwarded, true, "https://example.com"],
    ["is not what anybody else says", forwarded, false, "http://127.0.0.1:8080"],
    ["is none for what is no host", { Host: "a@b/c" }, true, undefined],
  ])("%s", (_, headers, isTrusted, origin) => {
    expect(visitedOrigin(request(headers), peer(isTrusted))?.origin).toBe(origin as string);
  });
});
