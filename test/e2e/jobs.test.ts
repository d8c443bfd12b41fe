// What listens on no port: workers, which run always, and jobs, which a schedule runs to their end.

import { describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { until } from "../support/until.ts";
import { NO_PROCESS } from "../support/workers.ts";
import { isAlive, startTen, type Ten, untilState } from "./ten.ts";

interface Events {
  readonly events: readonly { readonly kind: string; readonly detail: string }[];
}

/** A service of a script, `work`. */
function start(script: string, service: string): Promise<Ten> {
  return startTen({
    toml: `[settings]\nhealth_check_interval = 0.2
[service.work]\ncommand = "sh work.sh"\nport = "none"\nstop_grace_period_secs = 2\nstartup_timeout = 5\n${service}
[service.api]\ncommand = "true"\n`,
    prepare: (dir) => writeFileSync(`${dir}/work.sh`, script),
  });
}

const FOREVER = 'echo "$TEN_VERSION has PORT=$PORT"; exec sleep 1000';

describe("a worker", () => {
  test("is healthy when it has lived for startup_grace, has no port and no host, and is followed by the next version", async () => {
    await using ten = await start(FOREVER, "startup_grace = 0.3");
    await ten.ok("deploy", "work:v1", "--promote", "--stop-old");
    const { "work:v1": before } = await ten.ps();
    expect(before).toMatchObject({ state: "healthy", port: null, share: 0 });
    expect((await ten.ok("logs", "work:v1")).stdout).toContain("v1 has PORT=\n");
    expect((await ten.get("work.localhost")).status).toBe(404);
    await ten.ok("deploy", "work", "--version", "v2", "--promote", "--stop-old");
    expect(await ten.ps()).toMatchObject({
      "work:v1": { state: "stopped" },
      "work:v2": { state: "healthy" },
    });
    expect(isAlive(before?.pid)).toBe(false);
    expect((await ten.ok("health", "work:v2")).stdout).toContain("check passed: it runs");
  });

  test("that ends before has failed its deploy, and the one before it works on", async () => {
    await using ten = await start(
      '[ "$TEN_VERSION" = bad ] && { echo "no queue" >&2; exit 3; }; exec sleep 1000',
      "startup_grace = 0.3",
    );
    await ten.ok("deploy", "work:v1");
    const { exit, stderr } = await ten.run("deploy", "work", "--version", "bad", "--promote", "--stop-old");
    expect([exit, stderr.includes("exited with code 3"), stderr.includes("no queue")]).toEqual([
      5,
      true,
      true,
    ]);
    expect((await ten.ps())["work:v1"]?.state).toBe("healthy");
  });

  test("is restarted when it is killed, never twice at once, and adopted by the next server", async () => {
    await using ten = await start(FOREVER, "startup_grace = 0.2");
    await ten.ok("deploy", "work:v1");
    const { pid } = (await ten.ps())["work:v1"] ?? {};
    await ten.ok("restart", "work:v1");
    expect(isAlive(pid)).toBe(false);
    const { pid: second } = (await ten.ps())["work:v1"] ?? {};
    process.kill(second ?? NO_PROCESS, "SIGKILL");
    await until("it runs again", async () => {
      const { "work:v1": now } = await ten.ps();
      return now?.state === "healthy" && now.pid !== second;
    });
    const { pid: third } = (await ten.ps())["work:v1"] ?? {};
    ten.kill("SIGKILL");
    await ten.exited;
    await ten.start();
    expect((await ten.ps())["work:v1"]).toMatchObject({ pid: third ?? 0, state: "healthy" });
  });

  test("with a health_command is as healthy as that says, and is told what it said", async () => {
    await using ten = await start(
      FOREVER,
      "health_command = \"sh -c 'test -e {data_dir}/_well || { echo no queue >&2; exit 1; }'\"",
    );
    const { exit, stderr } = await ten.run("deploy", "work:v1", "--timeout", "1");
    expect([exit, stderr.includes("was not healthy within 1 s")]).toEqual([5, true]);
    writeFileSync(`${ten.dataDir}/_well`, "");
    await ten.ok("deploy", "work:v1");
    rmSync(`${ten.dataDir}/_well`);
    await untilState(ten, "work:v1", "unhealthy");
    expect((await ten.ps())["work:v1"]?.reason).toContain("health_command ended with code 1: no queue");
  });
});

describe("a job", () => {
  test("is run at its times, one run after the other, by the version with weight", async () => {
    await using ten = await start("echo ran $TEN_VERSION; exit 0", 'schedule = "* * * * * *"');
    await ten.ok("deploy", "work:v1");
    expect((await ten.ok("ps")).stdout).toContain("work:v1: next run at ");
    const runs = async (id: string) => (await ten.ok("logs", `work:${id}`)).stdout.split("ran").length - 1;
    await until("it has run twice", async () => (await runs("v1")) >= 2);
    await until("it rests", async () => (await ten.ps())["work:v1"]?.pid === null);
    expect((await ten.ps())["work:v1"]).toMatchObject({ state: "healthy", restarts: 0 });
    await ten.ok("deploy", "work", "--version", "v2");
    const before = (await ten.ps())["work:v2"];
    expect(before).toMatchObject({ state: "healthy", weight: 0 });
    await ten.ok("route", "work", "--to", "v2");
    await until("the new version has run", async () => (await runs("v2")) >= 1);
  });

  test("that fails is an event, and runs at its next time all the same", async () => {
    await using ten = await start("echo broken >&2; exit 4", 'schedule = "* * * * * *"');
    await ten.ok("deploy", "work:v1");
    await until("it has failed twice", async () => {
      const { events } = await ten.json<Events>("events", "--limit", "100");
      return events.filter(({ kind }) => kind === "run_failed").length >= 2;
    });
    expect((await ten.ps())["work:v1"]).toMatchObject({
      state: "unhealthy",
      last_exit: "exited with code 4",
      restarts: 0,
    });
    expect((await ten.ok("logs", "work:v1")).stdout).toContain("broken");
  });

  test("is run by restart, which waits for its end, and not twice at once", async () => {
    await using ten = await start(
      "echo begins; until [ -e done ]; do sleep 0.1; done; [ ! -e broken ]",
      'schedule = "0 3 1 1 *"',
    );
    await ten.ok("deploy", "work:v1");
    const first = ten.begin("restart", "work:v1");
    await until("it runs", async () => (await ten.ps())["work:v1"]?.pid !== null);
    const second = await ten.run("restart", "work:v1");
    expect([second.exit, second.stderr.includes("runs already")]).toEqual([4, true]);
    writeFileSync(`${ten.dir}/done`, "");
    expect((await first.done).exit).toBe(0);
    writeFileSync(`${ten.dir}/broken`, "");
    const failed = await ten.run("restart", "work:v1");
    expect([failed.exit, failed.stderr.includes("exited with code 1")]).toEqual([5, true]);
  });

  test("that runs while the server is replaced is adopted, and rests when it has ended", async () => {
    await using ten = await start("until [ -e done ]; do sleep 0.1; done; exit 0", 'schedule = "0 3 1 1 *"');
    await ten.ok("deploy", "work:v1");
    ten.begin("restart", "work:v1");
    await until("it runs", async () => (await ten.ps())["work:v1"]?.pid !== null);
    ten.kill("SIGKILL");
    await ten.exited;
    await ten.start();
    expect((await ten.ps())["work:v1"]?.pid).not.toBeNull();
    writeFileSync(`${ten.dir}/done`, "");
    await until("it rests", async () => (await ten.ps())["work:v1"]?.pid === null);
  });
});
