// Scale to zero, seen from outside: instances that nobody uses sleep, and a request wakes them.
import { describe, expect, test } from "bun:test";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { until } from "../support/until.ts";
import { startTen, untilState } from "./ten.ts";

const HOST = "api.localhost";

describe("an instance with idle_timeout", () => {
  test("sleeps when nobody uses it, and a burst of requests wakes it once", async () => {
    await using ten = await startTen({ service: "idle_timeout = 1" });
    await ten.ok("deploy", "api:v1");
    await untilState(ten, "api:v1", "sleeping");
    const answers = await Promise.all(Array.from({ length: 20 }, () => ten.get(HOST)));
    const pids = new Set(answers.map(({ body }) => (JSON.parse(body) as { pid: number }).pid));
    expect([answers.every(({ status }) => status === 200), pids.size]).toEqual([true, 1]);
    const { instances } = await ten.json<{
      instances: { state: string; weight: number; restarts: number }[];
    }>("ps");
    // On a busy machine it sleeps again by now.
    expect(instances).toMatchObject([{ weight: 100, restarts: 0 }]);
  });

  test("is woken by a direct request too, and keeps its part of the split while it sleeps", async () => {
    await using ten = await startTen({ service: "idle_timeout = 1" });
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2");
    await ten.ok("weight", "api:v1=80", "api:v2=20");
    await untilState(ten, "api:v1", "sleeping");
    await untilState(ten, "api:v2", "sleeping");
    expect((await ten.get("v2.api.localhost")).instance).toBe("api:v2");
    await untilState(ten, "api:v2", "sleeping");
    expect(await ten.split(HOST, 50)).toEqual({ "api:v1": 40, "api:v2": 10 });
  });

  test("stays awake while a stream is open", async () => {
    await using ten = await startTen({ service: "idle_timeout = 1" });
    await ten.ok("deploy", "api:v1");
    const { status, body } = await ten.get(HOST, "/stream?chunks=15&ms=200");
    expect([status, body.split("\n").length - 1]).toEqual([200, 15]);
  });

  test("that was asleep is woken by route first, and stays asleep over a restart of the server", async () => {
    await using ten = await startTen({ service: "idle_timeout = 1" });
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2");
    await untilState(ten, "api:v2", "sleeping");
    ten.kill("SIGKILL");
    await ten.exited;
    await ten.start();
    await ten.ok("route", "api", "--to", "v2");
    expect(await ten.split(HOST, 20)).toEqual({ "api:v2": 20 });
  });
});

test("a start that fails while many requests ask for it is tried once, and then by the clock", async () => {
  await using ten = await startTen({
    service: "idle_timeout = 1\nmax_restarts = 2\nbackoff_base_ms = 60000",
  });
  await ten.ok("deploy", "api:v1");
  await untilState(ten, "api:v1", "sleeping");
  const logs = `${ten.dataDir}/api/_logs`;
  renameSync(logs, `${logs}.away`);
  writeFileSync(logs, "in the way");
  const answers = await Promise.all(Array.from({ length: 20 }, () => ten.get(HOST)));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 503));
  const tries = (await ten.log()).split("could not be woken").length - 1;
  expect(tries).toBeWithin(1, 3);
  expect((await ten.ps())["api:v1"]?.restarts).toBeLessThanOrEqual(2);
});

describe("its health path, asked by a trusted peer for itself", () => {
  const PING = { "User-Agent": "a monitor" };

  test("keeps it not awake, and does not wake it: the answer is that it sleeps", async () => {
    await using ten = await startTen({ service: "idle_timeout = 1" });
    await ten.ok("deploy", "api:v1");
    let answered: Record<string, number> = {};
    await until("it sleeps though it is asked all the time", async () => {
      const { instance, body } = await ten.get(HOST, "/health", { headers: PING });
      answered = { ...answered, [instance ?? body]: 1 };
      return (await ten.ps())["api:v1"]?.state === "sleeping";
    });
    expect(Object.keys(answered)).toContain("api:v1");
    const asleep = await ten.get(HOST, "/health?deep=1", { headers: PING });
    expect([asleep.status, asleep.body]).toEqual([200, "This service sleeps until it is used\n"]);
    expect((await ten.get("v1.api.localhost", "/health", { headers: PING })).body).toBe(asleep.body);
    expect((await ten.ps())["api:v1"]?.state).toBe("sleeping");
    // Anything else wakes it, and so does a visitor who comes by a proxy.
    const visitor = { "X-Forwarded-For": "198.51.100.7" };
    expect((await ten.get(HOST, "/health", { headers: visitor })).instance).toBe("api:v1");
  });
});

describe("a service with on_demand", () => {
  const service = "on_demand = true\nmax_instances = 2\nidle_timeout = 1";

  test("brings an instance to life for a request that names it, once, and without weight", async () => {
    await using ten = await startTen({ service });
    const answers = await Promise.all(Array.from({ length: 10 }, () => ten.get("acme.api.localhost")));
    expect(new Set(answers.map(({ status, instance }) => `${status} ${instance}`))).toEqual(
      new Set(["200 api:acme"]),
    );
    expect((await ten.get(HOST)).status).toBe(503);
    expect((await ten.get("no_such-.api.localhost")).status).toBe(404);
  });

  test("never revives what an operator stopped", async () => {
    await using ten = await startTen({ service });
    await ten.get("acme.api.localhost");
    await ten.ok("stop", "api:acme");
    expect((await ten.get("acme.api.localhost")).status).toBe(503);
  });

  test("drops the one that slept longest when there is no room", async () => {
    await using ten = await startTen({ service });
    // One address creates one instance a second; until then it is refused.
    const first = (host: string) => until(`${host} serves`, async () => (await ten.get(host)).status === 200);
    await first("a.api.localhost");
    await first("b.api.localhost");
    await untilState(ten, "api:a", "sleeping");
    await untilState(ten, "api:b", "sleeping");
    await first("c.api.localhost");
    const { instances } = await ten.json<{ instances: { id: string }[] }>("ps", "--all");
    expect(instances.map(({ id }) => id)).toEqual(["api:b", "api:c"]);
    // Nothing was written to its directory, so nothing of it stays.
    expect(existsSync(`${ten.dataDir}/api/a`)).toBe(false);
    expect(existsSync(`${ten.dataDir}/api/_logs/a`)).toBe(false);
    writeFileSync(`${ten.dataDir}/api/b/data`, "a customer's");
    await untilState(ten, "api:c", "sleeping");
    await first("d.api.localhost");
    expect(existsSync(`${ten.dataDir}/api/b/data`)).toBe(true);
    await ten.ok("rm", "api:b", "--yes");
    expect(existsSync(`${ten.dataDir}/api/b`)).toBe(false);
    expect((await ten.run("rm", "api:b")).exit).toBe(3);
  });

  test("drops none that an operator or a deploy has made", async () => {
    await using ten = await startTen({ service });
    await ten.ok("spawn", "api:mine", "--weight", "0");
    await ten.ok("deploy", "api:v1", "--weight", "0");
    await untilState(ten, "api:mine", "sleeping");
    await untilState(ten, "api:v1", "sleeping");
    const refused = await ten.get("stranger.api.localhost");
    expect(refused.status).toBe(503);
    expect(Object.keys(await ten.ps()).sort()).toEqual(["api:mine", "api:v1"]);
  });

  test("whose sleeper is evicted answers who asks for that one all the same", async () => {
    await using ten = await startTen({ service });
    const serves = (host: string) =>
      until(`${host} serves`, async () => (await ten.get(host)).status === 200);
    await serves("a.api.localhost");
    await serves("b.api.localhost");
    await untilState(ten, "api:a", "sleeping");
    await untilState(ten, "api:b", "sleeping");
    const another = { headers: { "X-Forwarded-For": "198.51.100.7" } };
    const [, ...asked] = await Promise.all([
      ten.get("c.api.localhost", "/", another),
      ...Array.from({ length: 30 }, () => ten.get("a.api.localhost")),
    ]);
    expect([...new Set(asked.map(({ status }) => status))]).toEqual([200]);
  });

  test("and on_demand_ids makes only those, and no more than ten a second for all visitors together", async () => {
    await using ten = await startTen({
      service: 'on_demand = true\nmax_instances = 40\non_demand_ids = "c[0-9]+"',
    });
    expect((await ten.get("acme.api.localhost")).status).toBe(404);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        ten.get(`c${n}.api.localhost`, "/", { headers: { "X-Forwarded-For": `198.51.100.${n}` } }),
      ),
    );
    const made = answers.filter(({ status }) => status === 200).length;
    expect(made).toBeWithin(1, 21);
    const perSecond = answers.filter(({ status }) => status === 503).length;
    expect(made + perSecond).toBe(20);
    const sameNetwork = await Promise.all(
      [1, 2].map((n) =>
        ten.get(`c9${n}.api.localhost`, "/", { headers: { "X-Forwarded-For": `2001:db8::${n}` } }),
      ),
    );
    expect(sameNetwork.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
  });
});

test("without on_demand, a request for an instance that was never spawned is 404", async () => {
  await using ten = await startTen();
  expect((await ten.get("acme.api.localhost")).status).toBe(404);
});
