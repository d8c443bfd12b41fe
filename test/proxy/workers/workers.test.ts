// What only workers do: share a port and the split, be replaced one by one, and leave nothing behind.
import { describe, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openChannel } from "../../../src/platform/net/channel.ts";
import { route, target } from "../../support/routes.ts";
import { createTempDir } from "../../support/temp-dir.ts";
import { until } from "../../support/until.ts";
import { reply, type Seen, wireClient, wireOrigin } from "../../support/wire.ts";
import { NO_PROCESS, startPair, workersOf } from "../../support/workers.ts";

const HOSTS = { hosts: ["api.example.com"] };
const ok = (request: Seen) => reply(request, "ok");

describe("two workers", () => {
  test("split a thousand requests over new connections within one request each", async () => {
    using origin = wireOrigin(ok);
    await using front = await startPair({});
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
    using temp = createTempDir();
    const { path } = temp;
    await using front = await startPair({ directory: path });
    await front.plane.publish([route("api", [target("api:v1", { address: origin.address })], HOSTS)]);
    const ask = (at: string) => `GET ${at} HTTP/1.1\r\nHost: api.example.com\r\n\r\n`;
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => wireClient(front.plane.url, ask("/hang"))),
    );
    await front.counted({ inFlight: 20, requests: 20 });
    const [victim = NO_PROCESS, other] = workersOf(path);
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
    using temp = createTempDir();
    const { path } = temp;
    await using front = await startPair({ directory: path });
    const [victim = NO_PROCESS] = workersOf(path);
    process.kill(victim, "SIGSTOP");
    const begun = performance.now();
    await front.plane.publish([route("api", [target("api:v1", { address: origin.address })], HOSTS)]);
    expect(performance.now() - begun).toBeWithin(1_900, 25_000);
    await until("there are two again", () => workersOf(path).length === 2);
    expect(workersOf(path)).not.toContain(victim);
  });

  test("one that gets SIGTERM finishes what it has, while another takes its place", async () => {
    using origin = wireOrigin((request) => request.head.includes("/hang") || ok(request));
    using temp = createTempDir();
    const { path } = temp;
    await using front = await startPair({ directory: path });
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
    // These share no listening socket: those that have come may not listen yet.
    const get = () => front.get("api.example.com").catch(() => undefined);
    expect((await until("others answer", get)).status).toBe(200);
    await front.counted({ requests: 11, inFlight: 0 });
  });

  test("a drain waits for both, and says what is left in all", async () => {
    using origin = wireOrigin(() => {});
    await using front = await startPair({});
    const v1 = target("api:v1", { address: origin.address });
    await front.plane.publish([route("api", [v1], HOSTS)]);
    const ask = "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
    for (let i = 0; i < 20; i++) await wireClient(front.plane.url, ask);
    await front.counted({ inFlight: 20 });
    await front.plane.publish([route("api", [{ ...v1, readiness: "out" }], HOSTS)]);
    expect(await front.plane.drain("api:v1", 100)).toEqual({ left: 20 });
  });

  test("leave no process and no file when they are closed, nor what a dead one left", async () => {
    using temp = createTempDir();
    const { path } = temp;
    writeFileSync(join(path, "w_0123abcd"), "");
    {
      await using front = await startPair({ directory: path });
      expect(readdirSync(path)).not.toContain("w_0123abcd");
      await front.plane.close(5_000);
      expect(workersOf(path)).toEqual([]);
    }
    expect(readdirSync(path)).toEqual(["workers.log"]);
  });

  test("a port that a stranger has is a fault, and no worker stays", async () => {
    using stranger = wireOrigin(ok);
    using temp = createTempDir();
    const { path } = temp;
    const { port } = stranger.address;
    await expect(startPair({ directory: path }, { port })).rejects.toThrow(`port ${port} is taken`);
    expect(readdirSync(path)).toEqual([]);
  });

  test("what is no message ends that connection, and only it", async () => {
    using temp = createTempDir();
    const { path } = temp;
    await using front = await startPair({ directory: path });
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
