// Workers whose supervisor is gone: they serve on, are taken over by the next one, or end.
import { describe, expect, test } from "bun:test";
import type { DataPlane } from "../../../src/proxy/data-plane.ts";
import type { WorkerSettings } from "../../../src/proxy/workers/protocol.ts";
import { createWorker } from "../../../src/proxy/workers/worker.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { route, target } from "../../support/routes.ts";
import { createTempDir } from "../../support/temp-dir.ts";
import { until } from "../../support/until.ts";
import { reply, type Seen, wireClient, wireOrigin } from "../../support/wire.ts";
import { startPair, workersOf } from "../../support/workers.ts";

const HOSTS = { hosts: ["api.example.com"] };
const ok = (request: Seen) => reply(request, "ok");

describe("workers without a supervisor", () => {
  test("serve on, and the next one takes them over with what they have counted", async () => {
    using origin = wireOrigin(ok);
    using temp = createTempDir();
    const { path } = temp;
    await using first = await startPair({ directory: path });
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

    await using next = await startPair({ directory: path }, {}, routes);
    expect(workersOf(path)).toEqual(pids);
    expect(next.plane.url.href).toBe(first.plane.url.href);
    expect(await (await next.get("example.com", "/health")).text()).toStartWith("own 127.0.0.1");
    kept.write("GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    await kept.until((text) => text.split("ok").length === 3);
    // What was counted while nobody listened is told to the next one, and nothing twice.
    const answers = (plane: DataPlane) =>
      plane.traffic().reduce((sum, { statuses }) => sum + (statuses[1] ?? 0), 0);
    await until("both have told what they know", () => answers(next.plane) === 11);
    expect([answers(first.plane), answers(next.plane)]).toEqual([1, 11]);
  });

  test("are replaced when they were told other settings, and lose nothing by it", async () => {
    using origin = wireOrigin(ok);
    using temp = createTempDir();
    const { path } = temp;
    const routes = [route("api", [target("api:v1", { address: origin.address })], HOSTS)];
    await using first = await startPair({ directory: path });
    await first.plane.publish(routes);
    const pids = workersOf(path);
    using kept = await wireClient(first.plane.url, "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    await first.plane.leave(0);
    const port = Number(first.plane.url.port);
    await using next = await startPair({ directory: path, workers: 3 }, { port }, routes);
    expect((await next.get("api.example.com")).status).toBe(200);
    await until("the first have ended", () => workersOf(path).every((pid) => !pids.includes(pid)));
    expect(await kept.closed).toBe("closed");
    expect(workersOf(path)).toHaveLength(3);
  });

  test("are ended by the next one when they hang", async () => {
    using temp = createTempDir();
    const { path } = temp;
    await using first = await startPair({ directory: path });
    const before = workersOf(path);
    await first.plane.leave(0);
    for (const pid of before) process.kill(pid, "SIGSTOP");
    await using next = await startPair({ directory: path });
    expect(workersOf(path)).toHaveLength(2);
    expect(workersOf(path).some((pid) => before.includes(pid))).toBe(false);
    expect((await next.get("example.com")).status).toBe(200);
  });

  test("refuse after a while what only a supervisor could start, whatever the wait that is configured", async () => {
    using origin = wireOrigin(ok);
    using temp = createTempDir();
    const { path } = temp;
    await using first = await startPair({ directory: path });
    const { address } = origin;
    const policy = { onDemand: true, waitMs: 3_600_000 };
    const asleep = target("api:v1", { address, readiness: "asleep" });
    await first.plane.publish([
      route("api", [asleep], { ...HOSTS, policy }),
      route("web", [{ ...asleep, id: "web:v1" }, target("web:v2", { address })], {
        hosts: ["web.example.com"],
        policy: { waitMs: 3_600_000 },
      }),
    ]);
    await first.plane.leave(0);
    const asked = ["api.example.com", "v1.api.example.com", "new.api.example.com", "web.example.com"];
    const answers = await Promise.all(asked.map((host) => first.get(host)));
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 200]);
    expect(answers[0]?.headers.get("retry-after")).toBe("5");
  });

  test("ask the next one for what visitors wait for", async () => {
    using origin = wireOrigin(ok);
    using temp = createTempDir();
    const { path } = temp;
    await using first = await startPair({ directory: path });
    const { address } = origin;
    const at = (readiness: "asleep" | "ready") => [
      route("api", [target("api:v1", { address, readiness })], HOSTS),
    ];
    await first.plane.publish(at("asleep"));
    await first.plane.leave(0);
    const answer = first.get("api.example.com");
    await using next = await startPair({ directory: path }, {}, at("asleep"));
    await until("it is asked", () => next.wanted.length === 1);
    await next.plane.publish(at("ready"));
    expect((await answer).status).toBe(200);
  });
});

describe("a worker alone", () => {
  /** One in this process, and a supervisor that says what a test says. */
  function alone() {
    const clock = createManualClock();
    const worker = createWorker({ build: "test", clock, away: () => new Response("away") });
    const said: string[] = [];
    const ears = worker.meet({
      send: (line) => void said.push(line),
      isBehind: false,
      end() {},
      terminate() {},
    });
    let hasFinished = false;
    worker.finished.then(() => {
      hasFinished = true;
    });
    return { clock, worker, said, ears, hasFinished: () => hasFinished };
  }

  const settings: WorkerSettings = {
    host: "127.0.0.1",
    port: 0,
    domain: "example.com",
    directHosts: true,
    adminHost: undefined,
    proxyProtocol: false,
    https: undefined,
    trustedProxies: [],
    directFrom: [],
    limits: {},
    selectorFrom: [],
    fields: { target: "x-a", attempts: "x-b", error: "x-c", passed: "x-ten-passed", selector: undefined },
    phase: 0,
    viaName: "test",
    ownSocket: "/nowhere",
  };

  test("serves for ten minutes, then finishes and ends", async () => {
    const { clock, worker, said, ears, hasFinished } = alone();
    ears.heard({ kind: "open", seq: 1, port: 0, settings, names: [], changed: [] });
    const { url } = JSON.parse(said.at(-1) ?? "") as { url: string };
    ears.closed();
    await clock.advance(599_000);
    expect(await (await fetch(url)).text()).toBe("away");
    expect(hasFinished()).toBe(false);
    await until("it has finished", async () => {
      await clock.advance(1_000);
      return hasFinished();
    });
    await worker.dispose();
    await expect(fetch(url)).rejects.toThrow();
  });

  test("ends at once when its supervisor dies before it is open, and in ten seconds when none comes", async () => {
    const early = alone();
    early.ears.heard({ kind: "answered", wanted: 1, isGranted: true });
    early.ears.closed();
    await until("it has finished", early.hasFinished);
    await early.worker.dispose();
    const late = alone();
    await late.clock.advance(9_000);
    expect(late.hasFinished()).toBe(false);
    await late.clock.advance(1_000);
    await until("it has finished", late.hasFinished);
    await late.worker.dispose();
  });
});
