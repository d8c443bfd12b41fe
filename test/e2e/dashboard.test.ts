// The dashboard over HTTP, without a browser: where it is, who gets in, and what a session may do.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startFleet } from "./fleet.ts";
import type { Ten } from "./ten.ts";

let ten: Ten;
beforeAll(async () => {
  ten = await startFleet();
  await ten.ok("deploy", "api:v1");
  await ten.ok("deploy", "api:v2");
  await ten.ok("spawn", "web:v2");
});
afterAll(() => ten[Symbol.asyncDispose]());

/** What a session is known by: the browser's cookie, and the half that the page keeps. */
interface Session {
  readonly cookie: string;
  readonly half: string;
}

interface Asked {
  /** The one of all tests unless given. */
  readonly server?: Ten;
  readonly method?: string;
  readonly session?: Session;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** A request as the page sends it. */
function ask(path: string, { server = ten, method = "GET", session, body, headers }: Asked = {}) {
  const host = `localhost:${server.port}`;
  return fetch(`http://127.0.0.1:${server.port}${path}`, {
    method,
    headers: {
      Host: host,
      Origin: `http://${host}`,
      "X-Ten-Page": session?.half ?? "1",
      ...(session && { Cookie: session.cookie }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

async function logIn(secret: { token: string } | { code: string }, more: Asked = {}) {
  const response = await ask("/session", { method: "POST", body: secret, ...more });
  const { page: half = "", ...answer } = (await response.json()) as { readonly page?: string };
  const cookie = response.headers.get("set-cookie")?.split(";")[0] ?? "";
  return {
    status: response.status,
    answer,
    session: { cookie, half },
    attributes: response.headers.get("set-cookie") ?? "",
  };
}

async function adminToken(server = ten): Promise<string> {
  return (await server.json<{ token: string }>("token-gen")).token;
}

async function newCode(server = ten): Promise<string> {
  const { url } = await server.json<{ url: string }>("dashboard");
  return new URL(url).hash.slice("#code=".length);
}

describe("the page", () => {
  test("is at the server's own hosts, whole, and asks nobody else for anything", async () => {
    for (const host of ["localhost", "127.0.0.1"]) {
      const { status, body, instance } = await ten.get(host);
      expect([status, instance]).toEqual([200, null]);
      const parts = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = ""]) => path);
      expect(parts.sort()).toEqual(["/page.css", "/page.js", "/page.svg"]);
      for (const path of parts) expect((await ten.get(host, path)).status).toBe(200);
      const { body: script } = await ten.get(host, "/page.js");
      expect(
        [...script.matchAll(/https?:\/\/[^"'`\s]+/g)].filter(([url]) => !url.includes("w3.org")),
      ).toEqual([]);
    }
  });

  test("is not on the hosts of services", async () => {
    expect((await ten.get("api.localhost", "/page.js")).instance).toBe("api:v1");
    expect((await ten.get("api.localhost", "/session")).instance).toBe("api:v1");
  });

  test("is at the admin's host when a service has the own ones", async () => {
    await using other = await startFleet({ settings: "", service: "", serve: [] });
    const toml = `${await Bun.file(`${other.dir}/tenement.toml`).text()}\n[routing]\ndefault = "api"\n`;
    await Bun.write(`${other.dir}/tenement.toml`, toml);
    await other.ok("reload");
    await other.ok("deploy", "api:v1");
    expect((await other.get("localhost")).instance).toBe("api:v1");
    expect((await other.get("ten.localhost")).body).toContain("/page.js");
    const { url } = await other.json<{ url: string }>("dashboard");
    expect(url).toStartWith(`http://ten.localhost:${other.port}/#code=`);
  });
});

describe("a login link", () => {
  test("begins one session of the admin and no second", async () => {
    const code = await newCode();
    const first = await logIn({ code });
    expect([first.status, first.answer]).toEqual([
      200,
      { name: expect.stringMatching(/ \(uid \d+\)$/), scope: "admin" },
    ]);
    const again = await logIn({ code });
    expect([again.status, again.answer]).toMatchObject([
      401,
      { error: { hint: "make a new one: ten dashboard" } },
    ]);
    expect((await ask("/api/events", { session: first.session })).status).toBe(200);
  });

  test("names the server as the browser reaches it", async () => {
    expect((await ten.ok("dashboard")).stdout).toMatch(
      new RegExp(`^http://localhost:${ten.port}/#code=[\\w-]{43}\n$`),
    );
    const { stdout, stderr } = await ten.ok("dashboard", "--at", "https://example.com");
    expect(stdout).toMatch(/^https:\/\/example\.com\/#code=[\w-]{43}\n$/);
    expect(stderr).toContain("it works once, within 2 minutes");
  });

  test("is not made over the network, not even for the admin's token", async () => {
    const token = await adminToken();
    const remote = await ten.run("dashboard", "--server", `http://127.0.0.1:${ten.port}`, "--token", token);
    expect([remote.exit, remote.stdout]).toEqual([8, ""]);
    expect(remote.stderr).toContain("log in at the dashboard with a token");
    const { session } = await logIn({ token });
    expect((await ask("/api/login-code", { method: "POST", session })).status).toBe(403);
  });
});

describe("a session", () => {
  test("of the admin's token does what commands do, with the answers of the API", async () => {
    const { session } = await logIn({ token: await adminToken() });
    const change = await ask("/api/instances/api:v2/weight", {
      method: "PUT",
      session,
      body: { weight: 10 },
    });
    expect(await change.json()).toMatchObject({ changed: true, undo: "ten weight api:v1=100 api:v2=0" });
    const refused = await ask("/api/route", { method: "POST", session, body: { process: "api", to: "v9" } });
    expect([refused.status, await refused.json()]).toMatchObject([404, { error: { code: "not_found" } }]);
    const stream = await ask("/api/logs/stream?process=api&id=v1", { session });
    expect(stream.headers.get("content-type")).toBe("text/event-stream");
    await stream.body?.cancel();
    expect((await ask("/session", { method: "DELETE", session })).status).toBe(200);
    expect((await ask("/api/instances", { session })).status).toBe(401);
  });

  test("of a tenant sees and touches only what is the tenant's", async () => {
    const { token } = await ten.json<{ token: string }>("token-gen", "--tenant", "v2");
    const { session, answer } = await logIn({ token });
    expect(answer).toEqual({ name: expect.stringMatching(/^tenant-/), scope: "tenant", tenant: "v2" });
    const { instances } = (await (await ask("/api/instances", { session })).json()) as {
      instances: { id: string }[];
    };
    expect(instances.map(({ id }) => id)).toEqual(["api:v2", "web:v2"]);
    const stop = { method: "DELETE", session };
    expect((await ask("/api/instances/api:v1", stop)).status).toBe(404);
    for (const path of ["/api/events", "/api/services/api/split", "/metrics"])
      expect((await ask(path, { session })).status).toBe(403);
  });

  test.each([1, 2])(
    "behind a proxy that ends TLS is of the host that visitors see, and its cookie leaves only over TLS (%d workers)",
    async (workers) => {
      await using server = await startFleet({
        settings: `workers = ${workers}`,
        serve: ["--host", "127.0.0.1", "--domain", "ops.example.org", "--admin", "public"],
      });
      const headers = {
        Origin: "https://ops.example.org",
        "X-Forwarded-Host": "ops.example.org",
        "X-Forwarded-Proto": "https",
      };
      const code = await newCode(server);
      const { status, session, attributes } = await logIn({ code }, { server, headers });
      expect(status).toBe(200);
      expect(attributes).toMatch(/^__Host-ten-session-[0-9a-f]{16}=[\w-]{20,}; Path=\/; .*; Secure$/);
      const seen = (more: Record<string, string>) =>
        ask("/api/instances", { server, session, headers: { ...headers, ...more } });
      expect(await (await seen({})).json()).toEqual({
        instances: [],
        maintenance: [],
        changes: [],
        links: [],
        services: expect.any(Array),
        rollouts: [],
        shadows: [],
        certificates: [],
      });
      expect((await seen({ Origin: "https://evil.org" })).status).toBe(403);
      const plain = await seen({ "X-Forwarded-Proto": "http" });
      expect([plain.status, await plain.json()]).toMatchObject([
        403,
        { error: { hint: expect.stringContaining("X-Forwarded-Proto") } },
      ]);
    },
  );

  test("lets in no page of a service beside it, though it is the same site", async () => {
    const { session } = await logIn({ code: await newCode() });
    const evil = { Origin: `http://api.localhost:${ten.port}`, "Sec-Fetch-Site": "same-site" };
    const weigh = { method: "PUT", session, body: { weight: 50 }, headers: evil };
    expect((await ask("/api/instances/api:v2/weight", weigh)).status).toBe(403);
    expect((await ask("/session", { method: "DELETE", session, headers: evil })).status).toBe(403);
  });

  test("that follows a log holds up no end of the server", async () => {
    await using server = await startFleet({ drainSecs: 60 });
    await server.ok("deploy", "api:v1");
    const { session } = await logIn({ code: await newCode(server) }, { server });
    const log = await ask("/api/logs/stream", { server, session });
    const reading = log.text();
    const startedAt = performance.now();
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
    // A drain may last a minute here.
    expect(performance.now() - startedAt).toBeLessThan(45_000);
    await reading;
  });

  test("ends with the server, whose instances live on", async () => {
    await using server = await startFleet();
    const { status, session } = await logIn({ code: await newCode(server) }, { server });
    expect(status).toBe(200);
    server.kill("SIGKILL");
    await server.exited;
    await server.start();
    expect(await (await ask("/session", { server, session })).json()).toEqual({ scope: null });
  });
});
