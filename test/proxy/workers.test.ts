// What only workers do: share a port and the split, outlive their supervisor, be taken over, replaced, and leave nothing behind.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Route } from "../../src/core/route.ts";
import { openChannel } from "../../src/platform/channel.ts";
import { readProcesses, readVariable } from "../../src/platform/proc.ts";
import { startPlane } from "../support/plane.ts";
import { route, target } from "../support/routes.ts";
import { createTempDir, type TempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { reply, type Seen, wireClient, wireOrigin } from "../support/wire.ts";
import { startWorkers } from "../support/workers.ts";

const HOSTS = { hosts: ["api.example.com"] };

let temp: TempDir;
beforeAll(() => {
  temp = createTempDir();
});
afterAll(() => temp[Symbol.dispose]());

/** A directory of its own under the test file's. */
function directory(name: string): string {
  const path = join(temp.path, name);
  mkdirSync(path, { mode: 0o700 });
  return path;
}

type Changes = Parameters<typeof startWorkers>[1];

function begin(
  changes: Changes,
  options: Parameters<typeof startPlane>[1] = {},
  routes: readonly Route[] = [],
) {
  return startPlane((all) => startWorkers(all, { workers: 2, ...changes }, routes), options);
}

/** The workers whose sockets lie in a directory, by pid. */
function workersOf(path: string): number[] {
  const words = readdirSync(path).flatMap((name) => /^w_(.+)$/.exec(name)?.[1] ?? []);
  return readProcesses()
    .filter(({ pid, zombie }) => !zombie && words.includes((readVariable(pid, "TEN_NONCE") ?? "").slice(7)))
    .map(({ pid }) => pid)
    .sort();
}

const ok = (request: Seen) => reply(request, "ok");

describe("two workers", () => {
  test("split a thousand requests over new connections within one request each", async () => {
    using origin = wireOrigin(ok);
    await using front = await begin({});
    const weighted = (label: string, weight: number) =>
      target(`api:${label}`, { weight, address: origin.address });
    await front.plane.publish([route("api", [weighted("v1", 9_000), weighted("v2", 1_000)], HOSTS)]);
    let canary = 0;
    for (let i = 0; i < 1_000; i++) {
      const answer = await front.get("api.example.com", "/", { keepalive: false });
      if (answer.headers.get("x-ten-instance") === "api:v2") canary += 1;
    }
    expect(canary).toBeWithin(98, 103);
  });

  test("one that is killed cuts only what it had open, is replaced, and nothing that was counted is forgotten", async () => {
    using origin = wireOrigin((request) => request.head.includes("/hang") || ok(request));
    const path = directory("killed");
    await using front = await begin({ directory: path });
    await front.plane.publish([route("api", [target("api:v1", { address: origin.address })], HOSTS)]);
    const ask = (at: string) => `GET ${at} HTTP/1.1\r\nHost: api.example.com\r\n\r\n`;
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => wireClient(front.plane.url, ask("/hang"))),
    );
    await front.counted({ inFlight: 20, requests: 20 });
    const [victim = 0, other] = workersOf(path);
    process.kill(victim, "SIGKILL");
    const cut = await until("connections are cut", async () => {
      const ended = await Promise.all(clients.map(({ closed }) => Promise.race([closed, null])));
      const count = ended.filter((how) => how !== null).length;
      const [traffic] = front.plane.traffic();
      return traffic?.inFlight === 20 - count && count > 0 && count;
    });
    expect(cut).toBeLessThan(20);
    expect(front.plane.traffic()[0]?.requests).toBe(20);
    expect((await front.get("api.example.com")).status).toBe(200);
    const now = await until("there are two again", () => {
      const pids = workersOf(path);
      return pids.length === 2 && pids;
    });
    expect(now).toContain(other ?? 0);
    expect(now).not.toContain(victim);
    await front.counted({ requests: 21 });
    for (const client of clients) client[Symbol.dispose]();
  });

  test("one that stands still is replaced by a publish, which waits two seconds for it", async () => {
    using origin = wireOrigin(ok);
    const path = directory("still");
    await using front = await begin({ directory: path });
    const [victim = 0] = workersOf(path);
    process.kill(victim, "SIGSTOP");
    const begun = performance.now();
    await front.plane.publish([route("api", [target("api:v1", { address: origin.address })], HOSTS)]);
    expect(performance.now() - begun).toBeWithin(1_900, 3_500);
    await until("there are two again", () => workersOf(path).length === 2);
    expect(workersOf(path)).not.toContain(victim);
  });

  test("one that gets SIGTERM finishes what it has, while another takes its place", async () => {
    using origin = wireOrigin((request) => request.head.includes("/hang") || ok(request));
    const path = directory("told");
    await using front = await begin({ directory: path });
    await front.plane.publish([route("api", [target("api:v1", { address: origin.address })], HOSTS)]);
    const ask = "GET /hang HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
    const clients = await Promise.all(Array.from({ length: 10 }, () => wireClient(front.plane.url, ask)));
    await until("all have arrived", () => origin.seen.length === 10);
    const before = workersOf(path);
    for (const pid of before) process.kill(pid, "SIGTERM");
    await until("others have come", () => workersOf(path).length === 4);
    for (const request of origin.seen) reply(request, "late");
    for (const client of clients) await client.until((text) => text.endsWith("late"));
    await until("they have ended", () => workersOf(path).every((pid) => !before.includes(pid)));
    expect((await front.get("api.example.com")).status).toBe(200);
    await front.counted({ requests: 11, inFlight: 0 });
  });

  test("a drain waits for both, and says what is left in all", async () => {
    using origin = wireOrigin(() => {});
    await using front = await begin({});
    const v1 = target("api:v1", { address: origin.address });
    await front.plane.publish([route("api", [v1], HOSTS)]);
    const ask = "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
    for (let i = 0; i < 20; i++) await wireClient(front.plane.url, ask);
    await front.counted({ inFlight: 20 });
    await front.plane.publish([route("api", [{ ...v1, readiness: "out" }], HOSTS)]);
    expect(await front.plane.drain("api:v1", 100)).toEqual({ left: 20 });
  });

  test("leave no process and no file when they are closed, nor what a dead one left", async () => {
    const path = directory("clean");
    writeFileSync(join(path, "w_0123abcd"), "");
    {
      await using front = await begin({ directory: path });
      expect(readdirSync(path)).not.toContain("w_0123abcd");
      await front.plane.close(5_000);
      expect(workersOf(path)).toEqual([]);
    }
    expect(readdirSync(path)).toEqual(["workers.log"]);
  });

  test("a port that a stranger has is a fault, and no worker stays", async () => {
    using stranger = wireOrigin(ok);
    const path = directory("stranger");
    const { port } = stranger.address;
    await expect(begin({ directory: path }, { port })).rejects.toThrow(`port ${port} is taken`);
    expect(readdirSync(path)).toEqual([]);
  });

  test("what is no message ends that connection, and only it", async () => {
    const path = directory("garbage");
    await using front = await begin({ directory: path });
    const [name = ""] = readdirSync(path).filter((one) => one.startsWith("w_"));
    for (const garbage of ["{", '"hello"', '{"kind":"publish"}', '{"kind":"open","seq":1}']) {
      const closed = Promise.withResolvers<void>();
      const listening = { heard() {}, closed: closed.resolve };
      const channel = await openChannel(join(path, name), () => listening);
      channel.send(garbage);
      await closed.promise;
    }
    await front.plane.publish([]);
    expect(workersOf(path)).toHaveLength(2);
    expect((await front.get("example.com")).status).toBe(200);
  });
});

describe("workers without a supervisor", () => {
  test("serve on, and the next one takes them over with what they have counted", async () => {
    using origin = wireOrigin(ok);
    const path = directory("adopted");
    await using first = await begin({ directory: path });
    const routes = [
      route(
        "api",
        [target("api:v1", { address: origin.address }), target("api:v2", { address: origin.address })],
        HOSTS,
      ),
    ];
    await first.plane.publish(routes);
    const pids = workersOf(path);
    using kept = await wireClient(first.plane.url, "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    await kept.until((text) => text.endsWith("ok"));
    await first.plane.leave(0);
    for (let i = 0; i < 10; i++) expect((await first.get("api.example.com")).status).toBe(200);
    const health = await first.get("example.com", "/health");
    expect([health.status, await health.json()]).toMatchObject([200, { status: "ok", supervisor: "away" }]);
    const refused = await first.get("example.com", "/api/instances");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "2"]);

    await using next = await begin({ directory: path }, {}, routes);
    expect(workersOf(path)).toEqual(pids);
    expect(next.plane.url.href).toBe(first.plane.url.href);
    expect(await (await next.get("example.com", "/health")).text()).toStartWith("own 127.0.0.1");
    kept.write("GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    await kept.until((text) => text.split("ok").length === 3);
    const requests = () => next.plane.traffic().reduce((sum, one) => sum + one.requests, 0);
    await until("both have told what they know", () => requests() === 12);
  });

  test("are replaced when they were told other settings, and lose nothing by it", async () => {
    using origin = wireOrigin(ok);
    const path = directory("replaced");
    const routes = [route("api", [target("api:v1", { address: origin.address })], HOSTS)];
    await using first = await begin({ directory: path });
    await first.plane.publish(routes);
    const pids = workersOf(path);
    using kept = await wireClient(first.plane.url, "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    await first.plane.leave(0);
    const port = Number(first.plane.url.port);
    await using next = await begin({ directory: path, workers: 3 }, { port }, routes);
    expect((await next.get("api.example.com")).status).toBe(200);
    await until("the first have ended", () => workersOf(path).every((pid) => !pids.includes(pid)));
    expect(await kept.closed).toBe("closed");
    expect(workersOf(path)).toHaveLength(3);
  });

  test("are ended by the next one when they hang", async () => {
    const path = directory("hung");
    await using first = await begin({ directory: path });
    const before = workersOf(path);
    await first.plane.leave(0);
    for (const pid of before) process.kill(pid, "SIGSTOP");
    await using next = await begin({ directory: path });
    expect(workersOf(path)).toHaveLength(2);
    expect(workersOf(path).some((pid) => before.includes(pid))).toBe(false);
    expect((await next.get("example.com")).status).toBe(200);
  });

  test("refuse in a few seconds what only a supervisor could start", async () => {
    using origin = wireOrigin(ok);
    const path = directory("asleep");
    await using first = await begin({ directory: path });
    const { address } = origin;
    const policy = { onDemand: true };
    const asleep = target("api:v1", { address, readiness: "asleep" });
    await first.plane.publish([
      route("api", [asleep], { ...HOSTS, policy }),
      route("web", [{ ...asleep, id: "web:v1" }, target("web:v2", { address })], {
        hosts: ["web.example.com"],
      }),
    ]);
    await first.plane.leave(0);
    const asked = ["api.example.com", "v1.api.example.com", "new.api.example.com", "web.example.com"];
    const begun = performance.now();
    const answers = await Promise.all(asked.map((host) => first.get(host)));
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 200]);
    expect(answers[0]?.headers.get("retry-after")).toBe("5");
  });

  test("ask the next one for what visitors wait for", async () => {
    using origin = wireOrigin(ok);
    const path = directory("asked");
    await using first = await begin({ directory: path });
    const { address } = origin;
    const at = (readiness: "asleep" | "ready") => [
      route("api", [target("api:v1", { address, readiness })], HOSTS),
    ];
    await first.plane.publish(at("asleep"));
    await first.plane.leave(0);
    const answer = first.get("api.example.com");
    await using next = await begin({ directory: path }, {}, at("asleep"));
    await until("it is asked", () => next.wanted.length === 1);
    await next.plane.publish(at("ready"));
    expect((await answer).status).toBe(200);
  });
});

describe("what is handed over to the supervisor", () => {
  test("an upload that its visitor gives up is no defect", async () => {
    const defects: string[] = [];
    let aborted = 0;
    const hooks = {
      own: async (request: Request) => {
        await request.bytes().catch(() => {
          aborted += 1;
        });
        return new Response("ok");
      },
      onTrouble() {},
      onWanted() {},
      onDefect: ({ message }: Error) => void defects.push(message),
    };
    await using front = await begin({ workers: 1 }, { hooks });
    const head = "POST /api/x HTTP/1.1\r\nHost: example.com\r\n";
    for (const length of [10, 1_000_000]) {
      const client = await wireClient(front.plane.url, `${head}Content-Length: ${length}\r\n\r\nabc`);
      // What comes later is answered later.
      await (await front.get("example.com")).text();
      client[Symbol.dispose]();
    }
    await until("the one that had begun is cut", () => aborted === 1);
    expect((await front.get("example.com", "/", { method: "POST", body: "x" })).status).toBe(200);
    expect(defects).toEqual([]);
  });

  test("bodies and streams go both ways as they come, and who asked is told", async () => {
    const said = Promise.withResolvers<void>();
    let left = false;
    await using front = await begin(
      {},
      {
        trustedProxies: ["127.0.0.1"],
        hooks: {
          async own(request, { peer, peerTrusted }) {
            if (request.method === "POST")
              return new Response(`${peer} ${peerTrusted} ${Bun.hash(await request.bytes())}`);
            request.signal.addEventListener("abort", () => {
              left = true;
            });
            const events = new ReadableStream({
              async start(controller) {
                controller.enqueue("data: 1\n\n");
                await said.promise;
                controller.enqueue("data: 2\n\n");
              },
            });
            return new Response(events, { headers: { "content-type": "text/event-stream" } });
          },
          onTrouble() {},
          onWanted() {},
        },
      },
    );
    const body = new Uint8Array(3_000_000).fill(7);
    const posted = await front.get("example.com", "/api/x", {
      method: "POST",
      body,
      headers: { "x-own-peer": "9.9.9.9", "x-own-trusted": "false" },
    });
    expect(await posted.text()).toBe(`127.0.0.1 true ${Bun.hash(body)}`);
    const client = await wireClient(front.plane.url, "GET /api/events HTTP/1.1\r\nHost: example.com\r\n\r\n");
    await client.until((text) => text.includes("data: 1"));
    said.resolve();
    await client.until((text) => text.includes("data: 2"));
    client[Symbol.dispose]();
    await until("the supervisor hears that the visitor has left", () => left);
  });
});
