// Commands that meet each other half-way, found by a review and mended: each sequence went wrong once.

import { describe, expect, test } from "bun:test";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../support/until.ts";
import { NO_PROCESS } from "../support/workers.ts";
import { startFleet } from "./fleet.ts";
import { startTen, type Ten, tomlFor, untilState } from "./ten.ts";

const HOST = "api.localhost";

interface Flight {
  readonly instances: readonly { readonly in_flight: number }[];
}

async function weights(ten: Ten): Promise<Record<string, number>> {
  const { instances } = await ten.json<{ instances: { id: string; weight: number }[] }>("ps", "--all");
  return Object.fromEntries(instances.map(({ id, weight }) => [id, weight]));
}

describe("half-way", () => {
  test("a rollback while the old version still drains gets it started again", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    const slow = ten.get(HOST, "/slow?ms=6000");
    await until("it is in flight", async () => (await ten.json<Flight>("ps")).instances[0]?.in_flight);
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
    process.kill(instances.find(({ id }) => id === "api:v1")?.pid ?? NO_PROCESS, "SIGKILL");
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

  test("a wake that fails is tried again by a later request, once what was in its way is gone", async () => {
    await using ten = await startFleet({ service: "idle_timeout = 0.2" });
    await ten.ok("deploy", "api:v1");
    await untilState(ten, "api:v1", "sleeping");
    const release = join(ten.dir, "releases/v1");
    await rename(release, `${release}.away`);
    expect((await ten.get(HOST)).status).toBe(503);
    await rename(`${release}.away`, release);
    await until("it is awake", async () => (await ten.get(HOST)).status === 200);
  });

  test("a deploy of two fails when the first ends while the second starts", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api:v1");
    const { exit, stderr } = await ten.run(
      "deploy",
      "api",
      "--version",
      "brief",
      "--instances",
      "2",
      "--promote",
    );
    expect([exit, stderr]).toEqual([5, expect.stringContaining("the deploy failed: api:brief-1 crashed")]);
    expect(await ten.split(HOST, 5)).toEqual({ "api:v1": 5 });
    const { "api:brief-1": first, "api:brief-2": second } = await ten.ps();
    expect([first?.pid, second?.pid, second?.state]).toEqual([null, null, "stopped"]);
  });

  test("an instance that is removed while it is in line to be restarted for its sickness ends nothing", async () => {
    const service = "overlap = false\nunhealthy_restart_secs = 1\nhealth_check_interval = 0.1";
    await using ten = await startTen({ service });
    for (const id of ["a", "b"]) await ten.ok("spawn", `api:${id}`);
    for (const id of ["a", "b"]) await untilState(ten, `api:${id}`, "healthy");
    for (const id of ["a", "b"]) await ten.get(`${id}.${HOST}`, "/unhealthy");
    for (const id of ["a", "b"]) await untilState(ten, `api:${id}`, "unhealthy");
    // The first to be restarted drains for this request, and the other waits for its turn meanwhile.
    const slow = ["a", "b"].map((id) => ten.get(`${id}.${HOST}`, "/slow?ms=2500"));
    const [first = "", other = ""] = await until("one drains", async () => {
      const all = Object.values(await ten.ps());
      const drains = all.findIndex(({ state }) => state === "draining");
      return drains >= 0 && [drains, 1 - drains].map((index) => all[index]?.id);
    });
    // So that it is surely in line: its time is up a moment after that of the first.
    await Bun.sleep(500);
    process.kill((await ten.ps())[other]?.pid ?? NO_PROCESS, "SIGKILL");
    await ten.ok("stop", other, "--force");
    await ten.ok("rm", other);
    await Promise.allSettled(slow);
    await untilState(ten, first, "healthy");
    // Whoever is in line is looked at once a second.
    await Bun.sleep(1_100);
    expect(Object.keys(await ten.ps())).toEqual([first]);
  });

  test("what is stopped while a reload restarts others is not started by it", async () => {
    await using ten = await startTen();
    for (const id of ["a", "b", "c"]) await ten.ok("spawn", `api:${id}`);
    for (const id of ["a", "b", "c"]) await untilState(ten, `api:${id}`, "healthy");
    const slow = ten.get(`a.${HOST}`, "/slow?ms=6000");
    await until("it is in flight", async () => (await ten.json<Flight>("ps")).instances[0]?.in_flight);
    await Bun.write(join(ten.dir, "tenement.toml"), `${tomlFor("bun")}[service.api.env]\nCOLOUR = "green"\n`);
    const { "api:a": before } = await ten.ps();
    const reloading = ten.json<{ restarted: string[] }>("reload", "--restart-changed");
    await until("the first drains", async () => (await ten.ps())["api:a"]?.pid !== before?.pid);
    await ten.ok("stop", "api:b");
    expect((await reloading).restarted).toEqual(["api:a", "api:c"]);
    expect((await slow).status).toBe(200);
    expect((await ten.ps())["api:b"]).toMatchObject({ state: "stopped", pid: null });
  });
});
