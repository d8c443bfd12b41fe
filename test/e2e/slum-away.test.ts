// slum while its PostgreSQL hangs, is stopped, or is not there yet: routing goes on, writes say why not, nobody restarts anything.
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startOrigin } from "../support/origin.ts";
import { hasPostgres, NEEDS_POSTGRES, startPostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";
import { type Slum, startSlumWith } from "./slum.ts";

const HOST = "acme.example.com";
/** Longer than any write may take that the database does not answer. */
const BOUND_MS = 40_000;

function add(slum: Slum, id: string) {
  return slum.run("tenant", "add", id, `${id}.example.com`, "fra", "api");
}

/** The write fails in time and says why, while a thousand visitors notice nothing. */
async function goesOnWithout(slum: Slum, id: string): Promise<void> {
  const began = performance.now();
  const refused = add(slum, id);
  for (let turn = 0; turn < 10; turn += 1) {
    const answers = await Promise.all(Array.from({ length: 100 }, () => slum.get(HOST)));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  }
  // None of the ten turns waited for it.
  expect(performance.now() - began).toBeLessThan(BOUND_MS);
  const { exit, stderr } = await refused;
  expect(performance.now() - began).toBeLessThan(BOUND_MS);
  expect([exit, stderr]).toEqual([
    1,
    expect.stringMatching(/^error: the registry postgres:\/\/slum@\S+ cannot be reached: /),
  ]);
  expect(stderr).not.toContain("not-asked-for");
  expect((await slum.ok("ps")).stdout).toContain("the registry cannot be used, routing goes on without it");
}

async function worksAgain(slum: Slum, other: Slum, id: string): Promise<void> {
  await until("writes work again", async () => (await add(slum, id)).exit === 0);
  await until("the other sees it", async () => (await other.get(`${id}.example.com`)).status === 200);
  await until("ps is content", async () => !(await slum.ok("ps")).stdout.includes("cannot be"));
}

test.skipIf(!hasPostgres)(
  `a PostgreSQL that hangs or is stopped stops neither routing nor failover ${NEEDS_POSTGRES}`,
  async () => {
    await using postgres = await startPostgres();
    await using iad = startOrigin(() => new Response("iad"));
    await using fra = startOrigin(() => new Response("fra"));
    const database = await postgres.createDatabase();
    await using slum = await startSlumWith({ words: ["--db", database] });
    await using other = await startSlumWith({ env: { SLUM_DB: database } });
    if (existsSync("/proc/self/cmdline"))
      expect(readFileSync(`/proc/${slum.pid}/cmdline`, "utf8")).not.toContain("not-asked-for");
    await slum.ok("server", "add", "iad", iad.url);
    await slum.ok("server", "add", "fra", fra.url);
    await slum.ok("tenant", "add", "acme", HOST, "iad", "api");

    const { token } = await slum.json<{ token: string }>("token-gen");
    postgres.signalAll("SIGSTOP");
    await goesOnWithout(slum, "beta");
    const { body } = await slum.get("localhost", "/metrics", {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(Number(/^slum_registry_age_seconds (\S+)$/m.exec(body)?.[1])).toBeGreaterThan(1);
    expect(body).toContain("slum_registry_ok 0");
    postgres.signalAll("SIGCONT");
    await worksAgain(slum, other, "beta");

    await until("the snapshot is written", () =>
      readFileSync(join(slum.dataDir, "snapshot.json"), "utf8").includes("beta"),
    );
    await postgres.stop();
    await goesOnWithout(slum, "gamma");
    await iad.stop();
    expect(await slum.get(HOST)).toMatchObject({ status: 200, server: "fra" });
    slum.kill("SIGKILL");
    await slum.exited;
    await slum.start();
    expect(await slum.log()).toContain("starting with the snapshot of");
    expect(await slum.get(HOST)).toMatchObject({ status: 200, server: "fra" });
    expect((await slum.get("gamma.example.com")).status).toBe(404);
    await postgres.start();
    await worksAgain(slum, other, "gamma");
    await until("it is logged", async () => (await slum.log()).includes("the registry is back"));
  },
  180_000,
);
