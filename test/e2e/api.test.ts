// The admin API over HTTP: who may do what, what is refused how, and what it answers.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { until } from "../support/until.ts";
import { startFleet } from "./fleet.ts";
import type { Ten } from "./ten.ts";

let ten: Ten;
let admin = "";
let acme = "";

async function tokenOf(...words: string[]): Promise<string> {
  const { stdout } = await ten.ok("token-gen", ...words);
  expect(stdout).toMatch(/^[^\n]+:\n\n {2}\S{40,}\n$/);
  return stdout.trimEnd().split("\n").at(-1)?.trim() ?? "";
}

beforeAll(async () => {
  ten = await startFleet();
  await ten.ok("deploy", "api:v1");
  await ten.ok("spawn", "web:v2");
  admin = await tokenOf();
  acme = await tokenOf("--tenant", "v2");
});
afterAll(() => ten[Symbol.asyncDispose]());

function call(
  method: string,
  path: string,
  { token, body, ...headers }: Record<string, string | undefined> = {},
) {
  return fetch(`http://127.0.0.1:${ten.port}${path}`, {
    method,
    headers: {
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "Content-Type": "application/json" }),
      ...(headers as Record<string, string>),
    },
    ...(body !== undefined && { body }),
  });
}

async function refusal(response: Response): Promise<unknown> {
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  expect(error.message).not.toBe("");
  return [response.status, error.code];
}

describe("a service is named", () => {
  const seen = async (path: string) => {
    const response = await call("GET", path, { token: admin });
    const { instances } = (await response.json()) as {
      instances: { id: string; instance: string; service: string }[];
    };
    return instances.map(({ id, instance, service }) => [id, instance, service]);
  };

  test("as it is called now, and as it was called before", async () => {
    expect(await seen("/api/instances?service=web")).toEqual([["web:v2", "web:v2", "web"]]);
    expect(await seen("/api/instances?process=web")).toEqual([["web:v2", "web:v2", "web"]]);
    const body = '{"process":"api","id":"v1"}';
    const spawn = await call("POST", "/api/instances/spawn", { token: admin, body });
    expect(await refusal(spawn)).toEqual([409, "conflict"]);
  });

  test.each(["service", "process"])("and its logs have no line of another, asked for by %s", async (key) => {
    const linesOf = async (query: string) => {
      const response = await call("GET", `/api/logs?limit=1000${query}`, { token: admin });
      const { lines } = (await response.json()) as { lines: { instance: string }[] };
      return new Set(lines.map(({ instance }) => instance));
    };
    for (const host of ["v1.api.localhost", "v2.web.localhost"])
      await ten.get(host, "/", { method: "POST", body: "hello" });
    await until("both have written", async () => (await linesOf("")).size === 2);
    expect(await linesOf(`&${key}=web`)).toEqual(new Set(["web:v2"]));
    expect(await linesOf(`&${key}=api&id=v1`)).toEqual(new Set(["api:v1"]));
  });

  test("once, and never with two names", async () => {
    const both = await call("GET", "/api/instances?service=web&process=api", { token: admin });
    expect(await refusal(both)).toEqual([422, "usage"]);
  });
});

describe("who calls", () => {
  test("may ask for health without a token, and hears how it is seen", async () => {
    expect(await (await call("GET", "/health")).json()).toEqual({
      status: "ok",
      peer: "127.0.0.1",
      trusted: true,
      selector: false,
    });
  });

  test("needs a token for all else, also from loopback", async () => {
    for (const path of ["/api/instances", "/api/logs", "/metrics", "/api/events", "/api/config"]) {
      const response = await call("GET", path);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
      expect(await refusal(response)).toEqual([401, "unauthorised"]);
    }
  });

  test("has the admin's token from token-gen or from the file that only its owner reads", async () => {
    const file = `${ten.dataDir}/api_token`;
    expect(statSync(file).mode & 0o777).toBe(0o600);
    for (const token of [admin, (await Bun.file(file).text()).trim()]) {
      expect((await call("GET", "/api/instances", { token })).status).toBe(200);
    }
  });

  test("as a tenant sees and touches only its own", async () => {
    const { instances } = (await (await call("GET", "/api/instances", { token: acme })).json()) as {
      instances: { id: string }[];
    };
    expect(instances.map(({ id }) => id)).toEqual(["web:v2"]);
    expect((await call("GET", "/api/instances/web:v2/health", { token: acme })).status).toBe(200);
    expect(await refusal(await call("GET", "/api/instances/api:v1/health", { token: acme }))).toEqual([
      404,
      "not_found",
    ]);
    expect(await refusal(await call("DELETE", "/api/instances/api:v1", { token: acme }))).toEqual([
      404,
      "not_found",
    ]);
    expect(
      await refusal(
        await call("POST", "/api/stop", { token: acme, body: '{"instances":["web:v2","api:v1"]}' }),
      ),
    ).toEqual([404, "not_found"]);
    expect(await refusal(await call("GET", "/api/logs?service=api&id=v1", { token: acme }))).toEqual([
      404,
      "not_found",
    ]);
    const others = await call("GET", "/api/logs?service=api", { token: acme });
    expect([others.status, await others.json()]).toEqual([
      404,
      { error: { code: "not_found", message: "there is no instance api:v2" } },
    ]);
    for (const [method, path, body] of [
      ["PUT", "/api/instances/web:v2/weight", '{"weight":50}'],
      ["POST", "/api/deploy", '{"service":"web","version":"v2"}'],
      ["POST", "/api/route", '{"service":"web","to":"v2"}'],
      ["GET", "/api/events", undefined],
      ["GET", "/metrics", undefined],
    ] as const) {
      expect(await refusal(await call(method, path, { token: acme, body }))).toEqual([403, "forbidden"]);
    }
    expect((await ten.ps())["web:v2"]).toMatchObject({ state: "healthy", weight: 100 });
  });

  test("is refused as a page of the web", async () => {
    const origin = await call("GET", "/api/instances", { token: admin, Origin: "https://evil.org" });
    expect(await refusal(origin)).toEqual([403, "forbidden"]);
    const rebound = await call("GET", "/api/instances", { token: admin, Host: "evil.org" });
    expect(rebound.status).toBe(404);
  });
});

describe("what is asked", () => {
  test.each([
    ["GET", "/api/nosuch", undefined, 404, "not_found"],
    ["PATCH", "/api/instances", undefined, 405, "not_found"],
    ["GET", "/api/deploy", undefined, 405, "not_found"],
    ["POST", "/api/deploy", "{", 422, "usage"],
    ["POST", "/api/deploy", "[]", 422, "usage"],
    ["POST", "/api/deploy", '{"service":"api"}', 422, "usage"],
    ["POST", "/api/deploy", '{"service":"api","version":"v2","wieght":10}', 422, "usage"],
    ["POST", "/api/deploy", '{"service":"api","version":"../x"}', 422, "usage"],
    ["PUT", "/api/instances/api:v1/weight", '{"weight":101}', 422, "usage"],
    ["PUT", "/api/instances/api:v1/weight", '{"weight":50}', 409, "conflict"],
    ["PUT", "/api/instances/api:v9/weight", '{"weight":50}', 404, "not_found"],
    ["GET", "/api/instances/..%2Fetc/health", undefined, 422, "usage"],
    ["POST", "/api/instances/spawn", '{"service":"api","id":"v1"}', 409, "conflict"],
    ["POST", "/api/route", '{"service":"nosuch","to":"v1"}', 404, "not_found"],
    ["GET", "/api/logs?limit=many", undefined, 422, "usage"],
  ] as const)("%s %s %j is refused with its status", async (method, path, body, status, code) => {
    expect(await refusal(await call(method, path, { token: admin, body }))).toEqual([status, code]);
  });

  test("over HTTP by the command line works with --server and --token, and says what is wrong with them", async () => {
    const server = ["--server", `http://127.0.0.1:${ten.port}`];
    expect((await ten.ok("ps", ...server, "--token", admin)).stdout).toContain("api:v1");
    const wrong = await ten.run("ps", ...server, "--token", "wrong");
    expect([wrong.exit, wrong.stderr]).toEqual([8, expect.stringContaining("not valid")]);
    const none = await ten.run("ps", ...server);
    expect([none.exit, none.stderr]).toEqual([8, expect.stringContaining("a token is needed")]);
    const done = await ten.ok("deploy", "api:v3", ...server, "--token", admin);
    expect(done.stderr).toContain("waiting until it is healthy");
    await ten.ok("stop", "api:v3", ...server, "--token", admin);
    await ten.ok("rm", "api:v3", ...server, "--token", admin);
  });
});

test("a deploy streams its progress and ends with its result", async () => {
  const response = await call("POST", "/api/deploy", {
    token: admin,
    body: '{"service":"api","version":"v2"}',
  });
  const lines = (await response.text())
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
  const steps = lines.filter(({ type }) => type === "progress").map(({ step }) => step);
  expect(steps).toEqual(["starting", "waiting", "healthy"]);
  expect(lines.at(-1)).toMatchObject({ type: "result", result: { instance: "api:v2", changed: false } });
  await ten.ok("stop", "api:v2");
  await ten.ok("rm", "api:v2");
});

test("logs stream as events, with what comes later", async () => {
  const stop = new AbortController();
  const response = await fetch(`http://127.0.0.1:${ten.port}/api/logs/stream?service=api&id=v1`, {
    headers: { Authorization: `Bearer ${admin}` },
    signal: stop.signal,
  });
  expect(response.headers.get("content-type")).toStartWith("text/event-stream");
  let text = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const bytes of response.body ?? []) text += decoder.decode(bytes);
  })().catch(() => undefined);
  await ten.get("api.localhost", "/", { method: "POST", body: "a line of later" });
  await until("the line has come", () => text.includes("seen a line of later"));
  const [event] = text.split("\n").filter((line) => line.includes("seen a line of later"));
  expect(JSON.parse(event?.slice("data: ".length) ?? "")).toEqual({
    at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    instance: "api:v1",
    stream: "stdout",
    text: "seen a line of later",
  });
  stop.abort();
  await reading;
});

test("the metrics are valid, and count what there was", async () => {
  const before = (await ten.ps())["api:v1"]?.requests ?? 0;
  await ten.split("api.localhost", 40, 4);
  const response = await call("GET", "/metrics", { token: admin });
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const page = await response.text();
  const declared = new Set(
    [...page.matchAll(/^# TYPE (\S+) (?:counter|gauge|histogram)$/gm)].map(([, name]) => name),
  );
  const samples = page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const seen = new Set<string>();
  for (const sample of samples) {
    const [, name = "", labels = ""] =
      /^([a-z_]+)(\{[a-z_]+="[^"\n]*"(?:,[a-z_]+="[^"\n]*")*\})? (?:[0-9.e+-]+|NaN|\+Inf)$/.exec(sample) ??
      [];
    expect([sample, declared.has(name.replace(/_(bucket|sum|count)$/, "")) || declared.has(name)]).toEqual([
      sample,
      true,
    ]);
    expect(seen.has(name + labels)).toBe(false);
    seen.add(name + labels);
  }
  const api = '{service="api",ten_instance="v1",version="v1"';
  const value = (start: string) =>
    Number(
      samples
        .find((line) => line.startsWith(start))
        ?.split(" ")
        .at(-1),
    );
  expect(value(`ten_requests_total${api},code="2xx"`)).toBe(before + 40);
  expect(value(`ten_request_duration_seconds_count${api}`)).toBe(before + 40);
  expect(value(`ten_request_duration_seconds_bucket${api},le="+Inf"`)).toBe(before + 40);
  expect(value(`ten_instance_up${api}`)).toBe(1);
  expect(value(`ten_instance_weight_ratio${api}`)).toBe(1);
  expect(value(`ten_requests_in_flight${api}`)).toBe(0);
  const buckets = samples
    .filter((line) => line.startsWith(`ten_request_duration_seconds_bucket${api}`))
    .map((line) => Number(line.split(" ").at(-1)));
  expect(buckets).toEqual([...buckets].sort((a, b) => a - b));
});

test("tokens are made without a server as well, and count at the next start", async () => {
  await using other = await startFleet();
  other.kill("SIGTERM");
  await other.exited;
  const { token } = await other.json<{ token: string }>("token-gen");
  await other.start();
  const { status } = await other.get("localhost", "/api/instances", {
    headers: { Authorization: `Bearer ${token}` },
  });
  expect(status).toBe(200);
  expect(new Bun.CryptoHasher("sha256").update(token).digest("hex")).not.toBe(token);
  expect(await Bun.file(`${other.dataDir}/ten.db`).text()).not.toContain(token);
});

test("ten wrong tokens a minute are told, the next is 429, and a right one always passes", async () => {
  await using other = await startFleet();
  const ask = async (token: string) =>
    (await other.get("localhost", "/api/instances", { headers: { Authorization: `Bearer ${token}` } }))
      .status;
  const { token: right } = await other.json<{ token: string }>("token-gen");
  const wrong: number[] = [];
  for (let i = 0; i < 12; i++) wrong.push(await ask(`wrong-${i}`));
  expect(wrong).toEqual([...Array.from({ length: 10 }, () => 401), 429, 429]);
  expect(await ask(right)).toBe(200);
});
