// What an admin API answers to requests, right ones and wrong ones, over a real connection.
import { expect, test } from "bun:test";
import { listenAdmin } from "../../src/api/listen.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { ADMIN, serveTcp, TENANT, testApi } from "./fixture.ts";

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

async function ask(url: URL, path: string, init: RequestInit = {}) {
  const response = await fetch(new URL(path, url), init);
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === "" ? undefined : JSON.parse(text),
  };
}

test("an answer has exactly the keys of its contract", async () => {
  await using server = await serveTcp();
  const { status, body, headers } = await ask(server.url, "/api/things?limit=1", { headers: bearer(TENANT) });
  expect({ status, body }).toEqual({ status: 200, body: { things: ["a"], scope: "tenant" } });
  expect(headers.get("server")).toBe("ten/1.0.0");
  expect(headers.get("cache-control")).toBe("no-store");
});

test("an unknown path is 404 and a wrong method 405, both as JSON", async () => {
  await using server = await serveTcp();
  const unknown = await ask(server.url, "/api/nothing");
  expect([unknown.status, unknown.body.error.code]).toEqual([404, "not_found"]);
  const wrong = await ask(server.url, "/api/things/a/weight", { method: "POST" });
  expect([wrong.status, wrong.headers.get("allow"), wrong.body.error.message]).toEqual([
    405,
    "PUT",
    "POST is not allowed here",
  ]);
});

test("no token is 401 and a tenant's token where the admin's is needed 403", async () => {
  await using server = await serveTcp();
  const none = await ask(server.url, "/metrics");
  expect([none.status, none.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
  expect((await ask(server.url, "/metrics", { headers: bearer(TENANT) })).status).toBe(403);
  expect((await ask(server.url, "/health")).status).toBe(200);
});

test("after ten wrong tokens in a minute wrong ones are 429 while a right one passes", async () => {
  const clock = createManualClock();
  await using server = await serveTcp({ clock });
  const statusOf = async (token: string) =>
    (await ask(server.url, "/api/things", { headers: bearer(token) })).status;
  for (let n = 0; n < 10; n += 1) expect(await statusOf(`wrong-${n}`)).toBe(401);
  expect(await statusOf("wrong")).toBe(429);
  expect(await statusOf(TENANT)).toBe(200);
  await clock.advance(60_000);
  expect(await statusOf("wrong")).toBe(401);
});

const WEIGHT = "send {weight: number}";
test.each([
  ["a value out of range", '{"weight":101}', "weight: expected at most 100, got 101", WEIGHT],
  ["an unknown key", '{"weight":1,"wieght":2}', 'unknown key "wieght", did you mean "weight"?', WEIGHT],
  ["a wrong type", '{"weight":"10"}', 'weight: expected a number, got "10"', WEIGHT],
  ["a missing key", "{}", "weight: missing, expected a number", WEIGHT],
  ["a list", "[]", "expected an object, got a list", WEIGHT],
  ["no body", "", "the body is missing, expected an object", WEIGHT],
  ["invalid JSON", '{"weight":', "the body is not valid JSON", WEIGHT],
  [
    "a huge body",
    `{"weight":1,"pad":"${"x".repeat(1024 * 1024)}"}`,
    "the body is larger than 1024 KB",
    undefined,
  ],
])("%s in the body is 422, named, and what to send is said", async (_, text, message, hint) => {
  await using server = await serveTcp();
  const init = { method: "PUT", headers: bearer(ADMIN), body: text };
  const { status, body } = await ask(server.url, "/api/things/a/weight", init);
  expect([status, body.error]).toEqual([
    422,
    { code: "usage", message, ...(hint !== undefined && { hint }) },
  ]);
});

test("a huge body that announces no length is refused while it is read", async () => {
  await using server = await serveTcp();
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 1;
      controller.enqueue(new Uint8Array(64 * 1024));
      if (sent > 100) controller.close();
    },
  });
  const init = { method: "PUT", headers: bearer(ADMIN), body: endless };
  const { status, body } = await ask(server.url, "/api/things/a/weight", init);
  expect([status, body.error.message]).toEqual([422, "the body is larger than 1024 KB"]);
});

test.each([
  ["?limit=9", "query limit: expected at most 5, got 9"],
  ["?limit=x", "query limit: expected a number, got something else"],
  ["?limt=1", 'query unknown key "limt", did you mean "limit"?'],
  ["?limit=1&limit=2", 'query "limit" is given twice'],
  ["?__proto__=1", 'query unknown key "__proto__"'],
])("a bad query %s is 422, and what it may have is said", async (query, message) => {
  await using server = await serveTcp();
  const { status, body } = await ask(server.url, `/api/things${query}`, { headers: bearer(ADMIN) });
  expect([status, body.error.message]).toEqual([422, message]);
  expect(body.error.hint).toMatch(/^the query may have \{limit\?: integer = 2\}$|^give it once$/);
});

test("a defect tells a stranger nothing and is reported to the program", async () => {
  await using server = await serveTcp();
  const { status, body } = await ask(server.url, "/api/break", { method: "POST", headers: bearer(ADMIN) });
  expect([status, body]).toEqual([500, { error: { code: "internal", message: "internal error" } }]);
  expect(server.defects.map(String)).toEqual(["Error: secret table is gone"]);
});

test("requests that a browser makes are refused, with a right token too", async () => {
  await using server = await serveTcp();
  const origin = { ...bearer(ADMIN), Origin: "http://evil.example" };
  expect((await ask(server.url, "/api/things", { headers: origin })).status).toBe(403);
  const rebound = { ...bearer(ADMIN), Host: "evil.example" };
  const { status, body } = await ask(server.url, "/api/things", { headers: rebound });
  expect([status, body.error.message]).toEqual([403, '"evil.example" is not a host of this API']);
});

test.each(["LOCALHOST", "localhost.", "LocalHost.:8080"])("%s is a host of the API as well", async (Host) => {
  await using server = await serveTcp();
  expect((await ask(server.url, "/api/things", { headers: { ...bearer(ADMIN), Host } })).status).toBe(200);
});

test.each(["127.0.0.1", "::1"])(
  "an address of its own, %s, is told as a URL that leads there",
  async (host) => {
    await using listener = listenAdmin({ fetch: async () => new Response("here") }, { host, port: 0 });
    expect(await (await fetch(listener.url)).text()).toBe("here");
  },
);

test("lines of progress end with the result", async () => {
  await using server = await serveTcp();
  const init = { method: "POST", headers: bearer(ADMIN), body: '{"steps":1}' };
  const response = await fetch(new URL("/api/deploy", server.url), init);
  expect(response.headers.get("content-type")).toBe("application/x-ndjson");
  const lines = (await response.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines).toEqual([
    { type: "heartbeat" },
    { type: "progress", step: "count", message: "step 1" },
    { type: "result", result: { done: 1 } },
  ]);
});

test("a client that vanishes fires the handler's signal", async () => {
  for (const vanish of ["stream", "json"] as const) {
    const started = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<unknown>();
    const wait = (signal: AbortSignal) => {
      signal.addEventListener("abort", () => gone.resolve(signal.reason));
      started.resolve();
      return gone.promise;
    };
    await using server = await serveTcp({
      handlers: {
        deploy: async ({ signal }) => ({ done: Number(await wait(signal)) }),
        weigh: async ({ signal }) => ({ id: String(await wait(signal)), weight: 0 }),
      },
    });
    const abort = new AbortController();
    const { client } = server;
    const options = { signal: abort.signal };
    const call =
      vanish === "stream"
        ? client(ADMIN).deploy({ body: { steps: 1 } }, options)
        : client(ADMIN).weigh({ params: { id: "a" }, body: { weight: 1 } }, options);
    await started.promise;
    abort.abort(new Error("enough"));
    expect(call).rejects.toThrow("enough");
    expect(String(await gone.promise)).toContain("the client has gone");
  }
});

test("an event stream stops its source when the client leaves", async () => {
  const ended = Promise.withResolvers<void>();
  await using server = await serveTcp({
    handlers: {
      tail: async function* ({ signal }) {
        try {
          yield { n: 1 };
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        } finally {
          ended.resolve();
        }
      },
    },
  });
  for await (const event of server.client(TENANT).tail({ query: { from: 0 } })) {
    expect(event).toEqual({ n: 1 });
    break;
  }
  await ended.promise;
});

test("a connection is held open for a caller who may ask, and only until the answer has ended", async () => {
  const told: string[] = [];
  const limits = { holdOpen: () => told.push("hold"), letIdle: () => told.push("idle") };
  const api = testApi({}, []);
  const call = async (path: string, token?: string, init: RequestInit = {}) => {
    told.length = 0;
    const headers = { Host: "localhost", ...(token !== undefined && bearer(token)) };
    const request = new Request(`http://localhost${path}`, { ...init, headers });
    const peer = { door: "network", address: "192.0.2.1", trusted: false } as const;
    await (await api.fetch(request, peer, limits)).text();
    return told.join();
  };
  expect(await call("/api/things", TENANT)).toBe("hold,idle");
  expect(await call("/api/things")).toBe("");
  expect(await call("/api/things", "wrong")).toBe("");
  expect(await call("/metrics", TENANT)).toBe("");
  expect(await call("/api/tail?from=1", TENANT)).toBe("hold,idle");
  expect(await call("/api/tail?from=-1", TENANT)).toBe("hold,idle");
  const deploy = { method: "POST", body: '{"steps":2}' };
  expect(await call("/api/deploy", ADMIN, deploy)).toBe("hold,idle");
  expect(await call("/api/nothing", ADMIN)).toBe("");
});
