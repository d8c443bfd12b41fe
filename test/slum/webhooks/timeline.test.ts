// What a receiver of webhooks hears of servers that stay down, and when: the whole of `slum serve`, with time moved by hand.
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { createClient } from "../../../src/api/client.ts";
import { Fault } from "../../../src/core/fault.ts";
import { createLog } from "../../../src/platform/log.ts";
import { contract } from "../../../src/slum/api/contract.ts";
import { openRegistryAt } from "../../../src/slum/registry/open-registry.ts";
import { dataPaths } from "../../../src/slum/registry/paths.ts";
import { serve } from "../../../src/slum/serve.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { startOrigin } from "../../support/origin.ts";
import { createTempDir } from "../../support/temp-dir.ts";
import { until } from "../../support/until.ts";

const STEP_MS = 500;

/** One line of the timeline: how many seconds after the start, what, and about whom. */
type Line = readonly [atSecs: number, what: string];

/** `told`: things whose trouble began and ended so long ago. */
async function start(told: Readonly<Record<string, number>> = {}) {
  await using opened = new AsyncDisposableStack();
  const temp = opened.use(createTempDir());
  const clock = createManualClock();
  {
    const { database } = dataPaths(temp.path);
    await using registry = await openRegistryAt({ database, slumId: "one", clock, fallback: undefined });
    await registry.write((writer) => {
      for (const [thing, agoMs] of Object.entries(told))
        writer.alerts.add({ thing, begunAt: registry.now() - agoMs, open: false });
    });
  }
  const heard: Line[] = [];
  let startedMs = 0;
  const secs = (ms: number) => (ms - startedMs) / 1000;
  const receiver = opened.use(
    startOrigin(async (request) => {
      const { type, timestamp, data } = (await request.json()) as {
        type: string;
        timestamp: string;
        data: { server?: string };
      };
      expect(secs(clock.now()) - secs(Date.parse(timestamp))).toBeLessThanOrEqual(STEP_MS / 1000);
      heard.push([secs(clock.now()), `${type} ${data.server ?? ""}`.trim()]);
      return new Response("thanks");
    }),
  );
  const server = await serve({
    ...{
      dataDir: temp.path,
      database: undefined,
      keyFile: undefined,
      host: "127.0.0.1",
      port: 0,
      domain: "localhost",
    },
    ...{
      admin: undefined,
      reach: undefined,
      intervalMs: 30_000,
      offlineAfterMs: 300_000,
      webhook: receiver.url,
    },
    ...{
      trustedProxies: [],
      proxyProtocol: false,
      caFile: undefined,
      version: "0",
      environment: {},
      clock,
      log: createLog(clock, () => {}),
    },
  });
  opened.defer(async () => {
    const closing = server.close("SIGTERM");
    await clock.advance(60_000);
    await closing;
  });
  const api = createClient(contract, {
    endpoint: { socket: server.socket },
    product: "slum/0",
    unreachable: (cause) => new Fault("unreachable", cause),
  });

  const owned = opened.move();
  return {
    api,
    heard,
    /** Another program holds the database until this is disposed. */
    lock(): Disposable {
      const other = new Database(dataPaths(temp.path).database);
      other.run("BEGIN IMMEDIATE");
      return { [Symbol.dispose]: () => other.close() };
    },
    /** Time zero of the timeline is now. */
    async begin() {
      await clock.advance(1_000);
      startedMs = clock.now();
    },
    /** Moves time to that second, with everything sent that is to be sent on the way. */
    async to(endSecs: number) {
      while (secs(clock.now()) < endSecs) {
        await clock.advance(STEP_MS);
        await until("the outbox is empty", async () => (await api.status()).webhooks.waiting === 0);
      }
    },
    /** The events of these kinds since the start. */
    async written(kinds: RegExp): Promise<Line[]> {
      const { events } = await api.events({ query: { limit: 1_000 } });
      return events
        .filter(({ kind, at }) => kinds.test(kind) && Date.parse(at) >= startedMs)
        .map(({ kind, at, server }) => [secs(Date.parse(at)), `${kind} ${server ?? ""}`.trim()]);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The lines without their times, once each has come within a second and a half after the time that it is due. */
function onTime(lines: readonly Line[], dueSecs: readonly number[]): string[] {
  for (const [index, [atSecs, what]] of lines.entries()) {
    const late = atSecs - (dueSecs[index] ?? Number.NaN);
    if (!(late >= 0 && late <= 1.5)) throw new Error(`${what} came at ${atSecs} s, not at ${dueSecs[index]}`);
  }
  return lines.map(([, what]) => what);
}

test("a server that stays down for five minutes is told once, and its return too", async () => {
  await using iad = startOrigin(() => new Response("iad"));
  await using fra = startOrigin(() => new Response("fra"));
  await using slum = await start();
  await slum.api.addServer({ body: { id: "iad", url: iad.url } });
  await slum.api.addServer({ body: { id: "fra", url: fra.url } });
  await iad.stop();
  await slum.begin();
  expect(await slum.api.checkServer({ params: { id: "iad" } })).toMatchObject({
    healthy: false,
    detail: "connection refused",
  });

  await slum.to(299);
  expect(onTime(await slum.written(/^server\./), [1.5])).toEqual(["server.offline iad"]);
  expect(slum.heard).toEqual([]);
  await slum.to(330);
  expect(onTime(await slum.written(/^webhook\./), [300])).toEqual(["webhook.server.offline iad"]);
  expect(onTime(slum.heard, [300])).toEqual(["server.offline iad"]);

  // Nobody does anything: the next check, at most 36 s later, finds it back.
  iad.restart();
  await slum.to(370);
  const [, back] = await slum.written(/^server\./);
  expect(back?.[1]).toBe("server.online iad");
  const [backAt = 0] = back ?? [];
  expect(backAt).toBeLessThanOrEqual(330 + 37);
  expect(onTime(await slum.written(/^webhook\./), [300, backAt])).toEqual([
    "webhook.server.offline iad",
    "webhook.server.online iad",
  ]);
  expect(onTime(slum.heard, [300, backAt])).toEqual(["server.offline iad", "server.online iad"]);
});

test("a fleet that is down is told after 10 s, its servers after five minutes, and tenants only when it is up", async () => {
  await using iad = startOrigin(() => new Response("iad"));
  await using fra = startOrigin(() => new Response("fra"));
  await using slum = await start();
  await slum.api.addServer({ body: { id: "iad", url: iad.url } });
  await slum.api.addServer({ body: { id: "fra", url: fra.url } });
  const tenant = { id: "acme", domain: "acme.example.com", server: "iad", service: "api", failover: [] };
  await slum.api.addTenant({ body: tenant });
  await iad.stop();
  await fra.stop();
  await slum.begin();
  await Promise.all(["iad", "fra"].map((id) => slum.api.checkServer({ params: { id } })));

  await slum.to(320);
  expect(onTime(slum.heard, [11.5, 300, 300])).toEqual([
    "fleet.down",
    "server.offline iad",
    "server.offline fra",
  ]);
  fra.restart();
  await slum.api.checkServer({ params: { id: "fra" } });
  await slum.to(335);
  expect(onTime(slum.heard.slice(3), [320, 320, 330])).toEqual([
    "server.online fra",
    "fleet.up",
    "tenants.unroutable",
  ]);
  iad.restart();
  await slum.api.checkServer({ params: { id: "iad" } });
  await slum.to(340);
  expect(onTime(slum.heard.slice(6), [335, 335])).toEqual(["server.online iad", "tenants.routable"]);
  expect((await slum.written(/^webhook\./)).map(([, what]) => what.replace("webhook.", ""))).toEqual(
    slum.heard.map(([, what]) => what),
  );
});

test("trouble that ended long ago is told once when it begins again", async () => {
  await using iad = startOrigin(() => new Response("iad"));
  await using slum = await start({ fleet: 7_200_000 });
  await slum.api.addServer({ body: { id: "iad", url: iad.url } });
  await iad.stop();
  await slum.begin();
  await slum.api.checkServer({ params: { id: "iad" } });
  await slum.to(20);
  expect(slum.heard.map(([, what]) => what)).toEqual(["fleet.down"]);
});

test("a change of status that comes while the database is locked is among the events with its own time", async () => {
  await using iad = startOrigin(() => new Response("iad"));
  await using slum = await start();
  await slum.api.addServer({ body: { id: "iad", url: iad.url } });
  await iad.stop();
  await slum.begin();
  {
    using _ = slum.lock();
    await slum.api.checkServer({ params: { id: "iad" } });
    await slum.to(3);
    expect((await slum.api.listServers({})).servers.map(({ status }) => status)).toEqual(["offline"]);
  }
  await slum.to(15);
  expect(onTime(await slum.written(/^server\./), [1.5])).toEqual(["server.offline iad"]);
});

test("a server that is deleted while it is offline ends with server.deleted, for a receiver of its online too", async () => {
  await using iad = startOrigin(() => new Response("iad"));
  await using fra = startOrigin(() => new Response("fra"));
  await using slum = await start();
  await slum.api.addServer({ body: { id: "iad", url: iad.url } });
  await slum.api.addServer({ body: { id: "fra", url: fra.url } });
  await iad.stop();
  await slum.begin();
  await slum.api.checkServer({ params: { id: "iad" } });
  await slum.to(310);
  await slum.api.deleteServer({ params: { id: "iad" } });
  await slum.to(315);
  expect(slum.heard.map(([, what]) => what)).toEqual(["server.offline iad", "server.deleted iad"]);
});
