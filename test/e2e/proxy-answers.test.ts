// What the proxy answers itself is seen: in ps, why, top, metrics and events, with one worker and with two.

import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { until } from "../support/until.ts";
import { NO_PROCESS } from "../support/workers.ts";
import { workersOf } from "./hand-over.ts";
import { startTen, type Ten } from "./ten.ts";

interface Rate {
  readonly service: string;
  readonly requests_per_sec: number;
  readonly error_percent: number;
  readonly proxy_answers: {
    readonly reasons: { reason: string; status: number; count: number }[];
    readonly windows: { window_secs: number; count: number }[];
  };
}

const rateOf = async (ten: Ten) =>
  (await ten.json<{ services: Rate[] }>("ps")).services.find(({ service }) => service === "api");
const reasons = async (ten: Ten) =>
  new Map((await rateOf(ten))?.proxy_answers.reasons.map(({ reason, count }) => [reason, count]));

/** Takes requests and hangs up without an answer, or says nothing at all. */
const APP = `
import { createServer } from "node:net";
createServer((socket) => {
  socket.on("error", () => {});
  socket.on("data", (data) => {
    const path = data.toString().split(" ")[1];
    if (path === "/health" || path === "/") socket.end("HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok");
    else if (path === "/break") socket.destroy();
    else if (path === "/garbage") socket.end("hello\\r\\n\\r\\n");
  });
}).listen(Number(process.env.PORT), "127.0.0.1");
`;

const TOML = (workers: number) => `
[settings]
workers = ${workers}
health_check_interval = 60
max_restarts = 0
failed_retry_secs = 0

[service.api]
command = ${JSON.stringify(process.execPath)}
args = ["app.mjs"]
health = "/health"
request_timeout = 1
max_body_mb = 0.001
`;

/** So many requests, each over a connection of its own, so that workers share them. */
async function send(ten: Ten, count: number, path: string, init: { method?: string; body?: string } = {}) {
  const { method = "GET", body = "" } = init;
  const statuses: string[] = [];
  for (let time = 0; time < count; time += 1) {
    const { promise, resolve } = Promise.withResolvers<string>();
    let text = "";
    const socket = connect(ten.port, "127.0.0.1", () =>
      socket.write(
        `${method} ${path} HTTP/1.1\r\nHost: api.localhost\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
      ),
    );
    socket.on("data", (data) => {
      text += data;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(text.split(" ")[1] ?? ""));
    statuses.push(await promise);
  }
  return statuses;
}

describe.each([1, 2])("with %d workers", (workers) => {
  test("what the proxy answers is counted by service and reason, and a 502 is explained", async () => {
    await using ten = await startTen({
      toml: TOML(workers),
      prepare: (dir) => void Bun.write(`${dir}/app.mjs`, APP),
    });
    await ten.ok("deploy", "api:v1");
    expect(await send(ten, 10, "/")).toEqual(new Array(10).fill("200"));
    expect(await send(ten, 3, "/break", { method: "POST" })).toEqual(["502", "502", "502"]);
    expect(await send(ten, 2, "/garbage")).toEqual(["502", "502"]);
    expect(await send(ten, 1, "/hang")).toEqual(["504"]);
    expect(await send(ten, 2, "/", { method: "POST", body: "x".repeat(3_000) })).toEqual(["413", "413"]);
    const expected = { bad_gateway: 5, too_large: 2, timeout: 1 };
    await until("they are counted", async () => (await reasons(ten)).get("too_large") === 2);
    await until("all are", async () => (await reasons(ten)).get("timeout") === 1);
    expect(Object.fromEntries(await reasons(ten))).toEqual(expected);

    const { events } = await ten.json<{ events: { id: string; detail: string }[] }>(
      "events",
      "--kind",
      "request.failed",
    );
    const told = events.map(({ id, detail }) => `${id}: ${detail}`).join("\n");
    expect(told).toMatch(
      /v1: api:v1: the target (closed|reset) the connection before it answered; its visitor got 502/,
    );
    expect(told).toMatch(/no valid HTTP, its visitor got 502/);
    expect(told).toMatch(/did not answer in time; its visitor got 504 \(timeout\)/);
    // One line for three requests, whichever workers took them.
    expect(events.filter(({ detail }) => detail.includes("before it answered")).length).toBe(1);
    await until("it is logged", async () => (await ten.log()).includes("its visitor got 502 (bad_gateway)"));

    process.kill((await ten.ps())["api:v1"]?.pid ?? NO_PROCESS, "SIGKILL");
    await until("it has failed", async () => (await ten.ps())["api:v1"]?.state === "failed");
    expect(await send(ten, 5, "/")).toEqual(new Array(5).fill("503"));
    await until("they are counted", async () => (await reasons(ten)).get("nothing_routable") === 5);
    const rate = await rateOf(ten);
    expect(rate?.requests_per_sec).toBeGreaterThan(0);
    // Of 23 requests: six tries that failed, and five that nobody was there for.
    expect(rate?.error_percent).toBeCloseTo((100 * 11) / 23, 1);
    expect((await ten.ok("ps")).stdout).toMatch(
      /api: the proxy itself answered 13 requests in the last 5 min: 5 with 502 bad_gateway, 5 with 503 nothing_routable, 2 with 413 too_large, 1 with 504 timeout/,
    );
    expect((await ten.run("why", "api")).stdout).toContain("5 with 503 nothing_routable");
    expect((await ten.ok("top")).stdout).toContain("5 with 503 nothing_routable");
    const { token } = await ten.json<{ token: string }>("token", "create", "eye", "--scope", "read");
    const metrics = await fetch(`http://127.0.0.1:${ten.port}/metrics`, {
      headers: { Authorization: `Bearer ${token}` },
    }).then((answer) => answer.text());
    expect(metrics).toContain(
      'ten_proxy_answers_total{service="api",reason="nothing_routable",code="503"} 5',
    );
    expect(metrics).toContain('ten_proxy_answers_total{service="api",reason="bad_gateway",code="502"} 5');
  });

  test("each request is counted once, whatever becomes of servers and workers", async () => {
    await using ten = await startTen({
      toml: TOML(workers),
      prepare: (dir) => void Bun.write(`${dir}/app.mjs`, APP),
    });
    await ten.ok("deploy", "api:v1");
    const { token } = await ten.json<{ token: string }>("token", "create", "eye", "--scope", "read");
    /** Answers of the app since the server began, and what the proxy refused in the last hour. */
    const seen = async () => {
      const headers = { Authorization: `Bearer ${token}` };
      const page = await fetch(`http://127.0.0.1:${ten.port}/metrics`, { headers });
      const own = (await rateOf(ten))?.proxy_answers.windows.find(({ window_secs: secs }) => secs === 3_600);
      const line = /^ten_version_requests_total\{service="api",version="v1",code="2xx"\} (\d+)$/m;
      return [Number(line.exec(await page.text())?.[1] ?? 0), own?.count ?? 0].join(" ");
    };
    const isSeen = (answers: number, refusals: number) =>
      until(`${answers} answers and ${refusals} refusals are seen`, async () => {
        const found = await seen();
        return found === `${answers} ${refusals}`;
      });
    const ask = async (answers: number, refusals: number) => {
      const body = "x".repeat(3_000);
      expect(await send(ten, answers, "/")).toEqual(new Array(answers).fill("200"));
      expect(await send(ten, refusals, "/", { method: "POST", body })).toEqual(
        new Array(refusals).fill("413"),
      );
    };
    await ask(7, 3);
    await isSeen(7, 3);
    ten.kill("SIGQUIT");
    await ten.exited;
    // Nobody counts them but the workers that serve on.
    await ask(5, 2);
    await ten.start();
    await ask(4, 1);
    await isSeen(9, 6);
    if (workers > 1) {
      const [killed = NO_PROCESS] = workersOf(ten);
      process.kill(killed, "SIGKILL");
      await until("it is replaced", () => {
        const there = workersOf(ten);
        return !there.includes(killed) && there.length === workers;
      });
      await ask(6, 2);
      await isSeen(15, 8);
      ten.kill("SIGKILL");
      await ten.exited;
      await ask(3, 1);
      await ten.start();
      await ask(2, 1);
      // What a killed server had counted of the minute that it was in went with it.
      await until("the others are counted", async () => (await seen()).startsWith("5 "));
    }
  });
});
