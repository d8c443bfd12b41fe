// The wall clock jumps by an hour, either way: nothing expires, wakes, sleeps or falls because of it.
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { loadConfig } from "../../../src/ten/config/config.ts";
import { serve } from "../../../src/ten/serve.ts";
import { runTen, type Shown, tomlFor } from "../../e2e/ten.ts";
import { createTempDir } from "../../support/temp-dir.ts";
import { until } from "../../support/until.ts";

const HOUR_MS = 3_600_000;

test("a clock that jumps an hour forward, then two back, changes no state and restarts nothing", async () => {
  using dir = createTempDir();
  const service = "idle_timeout = 600\nhealth_check_interval = 0.1\nmax_restarts = 1\nrestart_window = 600";
  writeFileSync(dir.file("tenement.toml"), tomlFor("bun", service));
  const config = loadConfig(dir.path, undefined, { env: {}, dataDir: dir.file("tenement-data") });
  let ahead = 0;
  const told: string[] = [];
  const log = {
    info: () => {},
    warn: (text: string) => void told.push(text),
    error: () => {},
    reopen: () => {},
    dropped: 0,
  };
  const server = await serve({
    config,
    readConfig: () => config,
    host: "127.0.0.1",
    port: 0,
    domain: "localhost",
    admin: undefined,
    reach: undefined,
    version: "test",
    environment: { PATH: process.env.PATH },
    clock: { ...systemClock, now: () => Date.now() + ahead },
    log,
  });
  const ps = async () => {
    const { stdout } = await runTen(dir.path, ["ps", "--all", "--json"]);
    return (JSON.parse(stdout) as { instances: Shown[] }).instances;
  };
  const visit = () => fetch(server.url, { headers: { Host: "api.localhost" } }).then(({ status }) => status);
  try {
    for (const id of ["a", "b"]) await runTen(dir.path, ["deploy", `api:${id}`]);
    const lasting = async () =>
      (await ps()).map(({ id, pid, state, restarts }) => ({ id, pid, state, restarts }));
    const before = await lasting();
    for (const jump of [HOUR_MS, -2 * HOUR_MS]) {
      ahead += jump;
      // Both have been checked, and whoever sleeps or restarts when its time is up has had the time to.
      await Bun.sleep(1_200);
      expect(await lasting()).toEqual(before);
      expect(await visit()).toBe(200);
    }
    // The one restart that is allowed in ten minutes is not forgiven by an hour of the wall clock.
    for (const state of ["healthy", "failed"]) {
      const pid = (await ps())[0]?.pid ?? 0;
      process.kill(pid, "SIGKILL");
      await until("it is restarted or has failed", async () => {
        const [row] = await ps();
        return row?.pid !== pid && row?.state === state;
      });
      ahead += HOUR_MS;
    }
    // The end that makes it fail leads to no restart, so it counts as none.
    expect((await ps())[0]).toMatchObject({ state: "failed", restarts: 1 });
    expect(told.filter((text) => !text.startsWith("api:a: was killed"))).toEqual([]);
  } finally {
    await server.close("SIGTERM");
  }
});
