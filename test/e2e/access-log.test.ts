// The access log on the compiled binary: what a line says, whom it is shown, what is left out, rotation, and traces.

import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, symlinkSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { NO_PROCESS } from "../support/workers.ts";
import { startTen, type Ten } from "./ten.ts";

interface Line {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  readonly ms: number;
  readonly ms_head: number;
  readonly instance: string | null;
  readonly version: string | null;
  readonly reason: string | null;
  readonly agent: string;
  readonly client: string;
  readonly host: string;
  readonly attempts: number;
  readonly time: string;
  readonly trace_id?: string;
  readonly span_id?: string;
}

const fileOf = (ten: Ten) => join(ten.dataDir, "access.log");
const linesOf = (ten: Ten): Line[] =>
  existsSync(fileOf(ten))
    ? readFileSync(fileOf(ten), "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line))
    : [];
const asked = async (ten: Ten, ...words: string[]) =>
  (await ten.json<{ requests: Line[] }>("access", ...words)).requests;

const toml = (service: string, settings = "") => `
[settings]
health_check_interval = 1
${settings}
[service.api]
command = ${JSON.stringify(process.execPath)}
args = [${JSON.stringify(join(import.meta.dir, "../support/apps/app.ts"))}]
health = "/health"
max_body_mb = 0.01
${service}
`;

describe.each([1, 2])("with %d workers", (workers) => {
  test("every request has its line, without secrets, for who may see it", async () => {
    await using ten = await startTen({
      toml: toml('access_log = "all"\ntrace = true', `workers = ${workers}\naccess_log_query = true`),
    });
    await ten.ok("deploy", "api:v1");
    const host = "api.localhost";
    const headers = {
      "user-agent": `agent "x" ${"y".repeat(300)}`,
      cookie: "sid=geheim",
      authorization: "Bearer geheim",
    };
    await ten.get(host, "/echo?q=1&token=geheim&sig=geheim", { headers });
    await ten.get(host, "/slow?ms=4000");
    await ten.get(host, "/nothing");
    const large = { method: "POST", body: "x".repeat(30_000), headers: { "X-Request-Id": "mine-1" } };
    await ten.get(host, "/", large);
    const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    const kept = await ten.get(host, "/echo", { headers: { traceparent: parent, tracestate: "a=b" } });
    const replaced = await ten.get(host, "/echo", { headers: { traceparent: "00-zz", tracestate: "a=b" } });
    const orphan = await ten.get(host, "/echo", { headers: { tracestate: "a=b" } });
    await until("all are written", () => linesOf(ten).length === 7);
    const lines = linesOf(ten).sort((a, b) => a.time.localeCompare(b.time));
    expect(statSync(fileOf(ten)).mode & 0o777).toBe(0o600);
    expect(readFileSync(fileOf(ten), "utf8")).not.toContain("geheim");
    const of = (path: string) => lines.filter((line) => line.path === path);
    const [first] = of("/echo?q=1&token=...&sig=...");
    expect(first).toMatchObject({ method: "GET", host, status: 200, instance: "api:v1", version: "v1" });
    expect(first).toMatchObject({ client: "127.0.0.1", attempts: 1, reason: null });
    expect(first?.agent).toBe(headers["user-agent"].slice(0, 200));
    expect(first?.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(first?.trace_id).toMatch(/^[0-9a-f]{32}$/);
    expect(of("/slow?ms=4000")[0]?.ms).toBeGreaterThanOrEqual(3_999);
    expect(of("/nothing")[0]).toMatchObject({ status: 404, bytes: "not found".length });
    expect(of("/")[0]).toMatchObject({
      status: 413,
      reason: "too_large",
      instance: null,
      attempts: 0,
      id: "mine-1",
    });

    const echoed = (answer: { body: string }) => JSON.parse(answer.body).headers as Record<string, string>;
    expect(echoed(kept)).toMatchObject({ traceparent: parent, tracestate: "a=b" });
    expect(echoed(replaced).traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(echoed(replaced).tracestate).toBeUndefined();
    expect(echoed(orphan).traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(echoed(orphan).tracestate).toBeUndefined();
    expect(of("/echo").map((line) => `00-${line.trace_id}-${line.span_id}`)).toEqual(
      [kept, replaced, orphan].map((answer) => echoed(answer).traceparent?.slice(0, -3) ?? ""),
    );

    expect((await asked(ten, "api")).length).toBe(7);
    expect((await asked(ten, "--status", "4xx")).map(({ status }) => status).sort()).toEqual([404, 413]);
    expect((await asked(ten, "--slow", "3900ms")).map(({ path }) => path)).toEqual(["/slow?ms=4000"]);
    expect((await asked(ten, "-n", "2")).length).toBe(2);
    expect((await ten.ok("access", "--status", "413")).stdout).toContain("POST api.localhost/  api");

    // What a trusted proxy hands on is text, whatever it holds.
    const sly = 'a","status":200,"client":"192.0.2.1';
    await ten.get(host, "/sly", { headers: { "X-Request-Id": sly, "X-Forwarded-For": "X-Request-Id: x" } });
    await until("it is written", () => linesOf(ten).some(({ path }) => path === "/sly"));
    expect(linesOf(ten).find(({ path }) => path === "/sly")).toMatchObject({ id: sly, status: 404 });

    const follow = ten.begin("access", "-f", "-n", "0", "--status", "404", "--json");
    await until("it follows", async () => {
      await ten.get(host, "/more");
      return follow.output().includes('"path":"/more"');
    });
    follow.kill("SIGINT");
    await follow.done;

    const url = `http://127.0.0.1:${ten.port}`;
    const seen = async (...words: string[]) => {
      const { token } = await ten.json<{ token: string }>(
        "token",
        "create",
        `eye-${words[1]}-${words.at(-1)}`,
        ...words,
      );
      return (await ten.json<{ requests: Line[] }>("access", "--server", url, "--token", token)).requests;
    };
    expect((await seen("--scope", "read", "--service", "ghost")).length).toBe(0);
    expect((await seen("--scope", "tenant", "--tenant", "acme", "--service", "api")).length).toBe(0);
    expect((await seen("--scope", "read", "--service", "api")).length).toBeGreaterThan(6);

    renameSync(fileOf(ten), `${fileOf(ten)}.1`);
    ten.kill("SIGUSR1");
    await until("it is opened anew", async () => {
      await ten.get(host, "/after");
      return linesOf(ten).some(({ path }) => path === "/after");
    });
  });
});

test("errors alone, combined, and no log at all", async () => {
  await using ten = await startTen({ toml: toml('access_log = "errors"\nrequest_timeout = 1') });
  await ten.ok("deploy", "api:v1");
  await ten.get("api.localhost", "/fine");
  process.kill((await ten.ps())["api:v1"]?.pid ?? NO_PROCESS, "SIGSTOP");
  await ten.get("api.localhost", "/left", { signal: AbortSignal.timeout(300) }).catch(() => {});
  await until("who left is told", () => linesOf(ten).length === 1);
  expect(linesOf(ten)).toMatchObject([{ path: "/left", status: 0, reason: "client_left" }]);
  // Who was asked in vain is told, as that is what is looked for then.
  expect((await ten.get("api.localhost", "/late")).status).toBe(504);
  await until("it is told", () => linesOf(ten).length === 2);
  const late = {
    path: "/late",
    status: 504,
    reason: "timeout",
    instance: "api:v1",
    version: "v1",
    attempts: 1,
  };
  expect(linesOf(ten)[1]).toMatchObject(late);
  const half = connect(ten.port, "127.0.0.1");
  half.on("error", () => {});
  half.end("POST /half HTTP/1.1\r\nHost: api.localhost\r\nContent-Length: 500\r\n\r\nhalf of it");
  await until("who left in the middle of a body is told", () => linesOf(ten).length === 3);
  expect(linesOf(ten)[2]).toMatchObject({ path: "/half", status: 0, reason: "client_left" });
  half.destroy();

  await using combined = await startTen({
    toml: toml('access_log = "all"', 'access_log_format = "combined"'),
  });
  await combined.ok("deploy", "api:v1");
  await combined.get("api.localhost", "/x?secret=1", {
    headers: { "user-agent": 'a"b', referer: "http://r/?t=1" },
  });
  await until(
    "it is written",
    () => existsSync(fileOf(combined)) && readFileSync(fileOf(combined), "utf8") !== "",
  );
  expect(readFileSync(fileOf(combined), "utf8")).toMatch(
    /^api\.localhost 127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/x HTTP\/1\.1" 404 9 "http:\/\/r\/" "a\\"b"\n$/,
  );
  const refused = await combined.run("access");
  expect([refused.exit, refused.stderr]).toEqual([4, expect.stringContaining("combined format")]);

  await using none = await startTen();
  const missing = await none.run("access");
  expect([missing.exit, missing.stderr]).toEqual([3, expect.stringContaining('access_log = "errors"')]);
});

test("to the standard output, and what a full disk does not take is counted", async () => {
  using directory = createTempDir();
  const seen = directory.file("stdout");
  await using out = await startTen({
    toml: toml('access_log = "all"', 'access_log_to = "stdout"'),
    within: ["bash", "-c", `exec "$@" > >(exec tee ${seen})`, "bash"],
  });
  await out.ok("deploy", "api:v1");
  await out.get("api.localhost", "/to-stdout");
  await until("its line is in the output", () => readFileSync(seen, "utf8").includes("/to-stdout"));
  const [line = ""] = readFileSync(seen, "utf8")
    .split("\n")
    .filter((text) => text.includes("/to-stdout"));
  expect(JSON.parse(line)).toMatchObject({ path: "/to-stdout", status: 404, instance: "api:v1" });
  expect(existsSync(fileOf(out))).toBe(false);
  const refused = await out.run("access");
  expect([refused.exit, refused.stderr]).toEqual([4, expect.stringContaining("standard output")]);

  await using full = await startTen({
    toml: toml('access_log = "all"'),
    prepare: (dir) => {
      mkdirSync(join(dir, "tenement-data"), { mode: 0o700 });
      symlinkSync("/dev/full", join(dir, "tenement-data", "access.log"));
    },
  });
  await full.ok("deploy", "api:v1");
  const { token } = await full.json<{ token: string }>("token", "create", "eye", "--scope", "read");
  for (let i = 0; i < 5; i++) expect((await full.get("api.localhost", "/echo")).status).toBe(200);
  await until("each is counted", async () => {
    const metrics = await fetch(`http://127.0.0.1:${full.port}/metrics`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    return (await metrics.text()).includes("\nten_access_log_dropped_total 5\n");
  });
});
