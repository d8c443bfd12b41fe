// The listening socket outlives who serves on it: a connection for each request, through upgrades, restarts and changes of workers, and not one is refused.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type ConstantLoad, startLoad } from "../support/constant-load.ts";
import { until } from "../support/until.ts";
import { openGate, startFleet } from "./fleet.ts";
import { moreAnswered, restart as restartUnder, setWorkers, workersOf } from "./hand-over.ts";
import { isAlive, type Ten } from "./ten.ts";

setDefaultTimeout(180_000);

const HOST = "api.localhost";
const BINARY = join(import.meta.dir, "../../dist/ten");
/** Starts a binary called `other` in the directory instead, where there is one. */
const PERHAPS_OTHER = ["sh", "-c", '[ -f other ] && { shift; exec ./other "$@"; }; exec "$@"', "sh"];
/** How much load each step sees before the next one; HANDOVER_PER_STEP for the figure of the documentation. */
const PER_STEP = Number(process.env.HANDOVER_PER_STEP ?? 200);

const isLinux = process.platform === "linux";

async function begin(workers: number): Promise<{ ten: Ten; load: ConstantLoad } & AsyncDisposable> {
  const ten = await startFleet({ settings: `workers = ${workers}`, within: PERHAPS_OTHER });
  await ten.ok("deploy", "api:v1");
  const load = await startLoad(ten.port, { host: HOST, connections: 8, method: "GET", each: true }, () =>
    Promise.resolve(0),
  );
  return {
    ten,
    load,
    async [Symbol.asyncDispose]() {
      await load[Symbol.asyncDispose]();
      await ten[Symbol.asyncDispose]();
    },
  };
}

const more = (ten: Ten) => moreAnswered(ten, PER_STEP);

async function restart(ten: Ten, signal?: NodeJS.Signals): Promise<void> {
  const { port } = ten;
  await restartUnder(ten, PER_STEP, signal);
  expect(ten.port).toBe(port);
}

async function nothingFailed(load: ConstantLoad): Promise<void> {
  const { ok, failed } = await load.end();
  if (process.env.HANDOVER_PER_STEP !== undefined)
    process.stderr.write(`${JSON.stringify({ ok, failed })}\n`);
  expect(failed).toEqual({});
  expect(ok).toBeGreaterThan(PER_STEP);
}

describe.skipIf(!isLinux)("a connection for each request", () => {
  test.each([1, 2])("through SIGQUIT and a start, with workers = %i", async (workers) => {
    await using all = await begin(workers);
    await restart(all.ten);
    await restart(all.ten);
    await nothingFailed(all.load);
    const wanted = workers === 1 ? 0 : workers;
    await until("those before have finished", () => workersOf(all.ten).length === wanted, 60_000);
  });

  test.each([1, 2])("through another binary, with workers = %i", async (workers) => {
    await using all = await begin(workers);
    copyFileSync(BINARY, join(all.ten.dir, "other"));
    await restart(all.ten);
    await nothingFailed(all.load);
  });

  test("from 1 worker to 4 and back", async () => {
    await using all = await begin(1);
    for (const count of [4, 1]) {
      setWorkers(all.ten, count);
      await restart(all.ten);
    }
    await nothingFailed(all.load);
    await until("the others have ended", () => workersOf(all.ten).length === 0);
  });

  test("through SIGTERM to each worker in turn", async () => {
    await using all = await begin(2);
    for (const pid of workersOf(all.ten)) {
      await more(all.ten);
      process.kill(pid, "SIGTERM");
      await until("it has ended", () => !isAlive(pid));
    }
    await more(all.ten);
    await nothingFailed(all.load);
    expect(workersOf(all.ten)).toHaveLength(2);
  });

  test("through kill -9 of ten serve with two workers", async () => {
    await using all = await begin(2);
    await restart(all.ten, "SIGKILL");
    await nothingFailed(all.load);
  });
});

describe.skipIf(!isLinux)("--replace", () => {
  test.each([1, 2])("takes the place of the server that runs, with workers = %i", async (workers) => {
    await using all = await begin(workers);
    const { ten, load } = all;
    await more(ten);
    const first = ten.exited;
    const { port, pid } = ten;
    await ten.start("--replace");
    expect(await first).toBe(0);
    expect([ten.port, ten.pid === pid]).toEqual([port, false]);
    await more(ten);
    await nothingFailed(load);
  });

  test("without it a second server is refused, and nothing changes", async () => {
    await using all = await begin(1);
    const { exit, stderr } = await all.ten.run("serve", "--port", "0");
    expect({ exit, stderr }).toEqual({ exit: 4, stderr: expect.stringContaining("another ten serve (pid ") });
    await more(all.ten);
    await all.load.end();
  });

  test("where nobody runs it is a start like any other", async () => {
    await using ten = await startFleet();
    ten.kill("SIGTERM");
    await ten.exited;
    await ten.start("--replace");
    expect(Object.keys(await ten.ps())).toEqual([]);
  });

  test("the one before finishes what it has in flight beside the next, whose drains wait for that", async () => {
    await using all = await begin(1);
    const { ten } = all;
    await more(ten);
    await all.load.end();
    const first = ten.exited;
    const held = ten.get(HOST, "/held");
    await until("the request is in flight", async () => (await ten.ps())["api:v1"]?.requests);
    await ten.start("--replace");
    await ten.ok("deploy", "api:v2", "--promote");
    let isStopped = false;
    const stop = ten.ok("stop", "api:v1").then(() => {
      isStopped = true;
    });
    await until("it drains", async () => (await ten.ps())["api:v1"]?.state === "draining");
    expect(isStopped).toBe(false);
    await openGate(ten);
    // Answered, not cut, which is what a stop that did not wait would do.
    expect((await held).status).toBe(200);
    await stop;
    expect(await first).toBe(0);
  });
});

test.skipIf(!isLinux)("nothing of a hand-over is left in the data directory", async () => {
  await using all = await begin(1);
  await restart(all.ten);
  await all.load.end();
  const ours = () => readdirSync(all.ten.dataDir).filter((name) => /^(?:w_|listen_)/.test(name));
  await until(
    "only the socket of who serves is offered",
    () => ours().join() === `listen_${all.ten.pid}.sock`,
  );
});
