// Commands that meet each other half-way, found by a review and mended: each sequence went wrong once.
import { describe, expect, test } from "bun:test";
import { until } from "../support/until.ts";
import { startTen, type Ten, tomlFor, untilState } from "./ten.ts";

const HOST = "api.localhost";

async function weights(ten: Ten): Promise<Record<string, number>> {
  const { instances } = await ten.json<{ instances: { id: string; weight: number }[] }>("ps", "--all");
  return Object.fromEntries(instances.map(({ id, weight }) => [id, weight]));
}

describe("half-way", () => {
  test("a rollback while the old version still drains gets it started again", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    const slow = ten.get(HOST, "/slow?ms=2500");
    await until(
      "it is in flight",
      async () => (await ten.json<{ instances: { in_flight: number }[] }>("ps")).instances[0]?.in_flight,
    );
    const promoting = ten.ok("deploy", "api", "--version", "v2", "--promote", "--stop-old");
    await untilState(ten, "api:v1", "draining");
    await ten.ok("rollback", "api");
    await promoting.catch(() => undefined);
    expect((await slow).status).toBe(200);
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 10 });
  });

  test("a deploy that is refused at the switch leaves nothing undecided", async () => {
    await using ten = await startTen();
    for (const id of ["a", "b", "c"]) await ten.ok("spawn", `api:${id}`);
    for (const id of ["a", "b", "c"]) await untilState(ten, `api:${id}`, "healthy");
    const { exit } = await ten.run("deploy", "api", "--version", "v2", "--weight", "99.99");
    expect(exit).toBe(4);
    const { instances } = await ten.json<{ instances: { id: string; state: string }[] }>("ps", "--all");
    expect(instances.find(({ id }) => id === "api:v2")?.state).toBe("stopped");
    expect(await ten.split(HOST, 30)).toEqual({ "api:a": 10, "api:b": 10, "api:c": 10 });
  });

  test("what ended by itself does not come back with traffic that others were given meanwhile", async () => {
    await using ten = await startTen({ service: 'restart = "never"' });
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2");
    const { instances } = await ten.json<{ instances: { id: string; pid: number }[] }>("ps");
    process.kill(instances.find(({ id }) => id === "api:v1")?.pid ?? 0, "SIGKILL");
    await untilState(ten, "api:v1", "stopped");
    await ten.ok("route", "api", "--to", "v2");
    await ten.ok("restart", "api:v1");
    expect(await weights(ten)).toEqual({ "api:v1": 0, "api:v2": 100 });
  });

  test("a start that takes longer than unhealthy_restart_secs is not restarted during its deploy", async () => {
    const slow = tomlFor("bun").replace(
      "startup_timeout = 15",
      "startup_timeout = 1\nunhealthy_restart_secs = 1",
    );
    await using ten = await startTen({ toml: `${slow}[service.api.env]\nNEVER_HEALTHY = "1"\n` });
    const { exit } = await ten.run("deploy", "api", "--version", "v1", "--timeout", "5");
    const { instances } = await ten.json<{ instances: { restarts: number }[] }>("ps", "--all");
    expect([exit, instances[0]?.restarts]).toEqual([5, 0]);
  });
});
