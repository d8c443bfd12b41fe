// A disk that takes nothing more, and a registry that somebody else holds: traffic goes on, commands say why they cannot.

import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { canMountDisk, mountSmallDisk } from "../support/small-disk.ts";
import { until } from "../support/until.ts";
import { NO_PROCESS } from "../support/workers.ts";
import { startTen } from "./ten.ts";

const HOST = "api.localhost";

describe("a registry that another process holds", () => {
  test("keeps no crashed instance down, and commands say what is in the way", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    const { instances } = await ten.json<{ instances: { pid: number }[] }>("ps");
    using database = new Database(join(ten.dataDir, "ten.db"));
    database.run("BEGIN IMMEDIATE");
    process.kill(instances[0]?.pid ?? NO_PROCESS, "SIGKILL");
    const command = ten.run("weight", "api:v1", "100");
    await until("the instance serves again", async () => (await ten.get(HOST)).status === 200);
    const { exit, stderr } = await command;
    expect([exit, stderr]).toEqual([
      4,
      expect.stringContaining("is locked by another process; nothing was changed"),
    ]);
    database.run("ROLLBACK");
    await ten.ok("deploy", "api:v2", "--weight", "50");
  });
});

const DELAY_MS = 3_000;

/** Makes every wait of a process for its disk last `DELAY_MS`, until it is disposed. */
async function slowDisk(pid: number) {
  const what = `inject=fsync,fdatasync:delay_enter=${DELAY_MS * 1000}`;
  const words = [
    "strace",
    "-f",
    "-p",
    String(pid),
    "-o",
    "/dev/null",
    "-e",
    "trace=fsync,fdatasync",
    "-e",
    what,
  ];
  const tracer = Bun.spawn(words, { stdout: "ignore", stderr: "pipe" });
  // It says when it is there; without the right to trace it ends.
  const { value } = await tracer.stderr.getReader().read();
  return {
    isThere: new TextDecoder().decode(value).includes("attached"),
    async [Symbol.asyncDispose]() {
      tracer.kill("SIGINT");
      await tracer.exited;
    },
  };
}

test.skipIf(!Bun.which("strace"))(
  "a disk that takes seconds holds up who changes something, and no visitor (needs strace)",
  async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2");
    const { pid } = ten;
    await using slow = await slowDisk(pid);
    if (!slow.isThere) return;
    let answered = 0;
    let isDone = false;
    const begunMs = performance.now();
    const command = ten.ok("weight", "api:v2", "50").finally(() => {
      isDone = true;
    });
    while (!isDone) {
      expect((await ten.get(HOST)).status).toBe(200);
      answered += 1;
    }
    await command;
    expect(performance.now() - begunMs).toBeGreaterThanOrEqual(DELAY_MS);
    // It would be one for each wait if the event loop waited.
    expect(answered).toBeGreaterThan(5);
  },
  180_000,
);

test.skipIf(!canMountDisk())(
  "a full disk (needs root) stops no traffic and no restart; writes fail clearly, and work again when there is room",
  async () => {
    using disk = mountSmallDisk(3);
    await using ten = await startTen({ env: { TENEMENT_DATA_DIR: disk.path } });
    await ten.ok("deploy", "api:v1");
    disk.fill();
    const refused = await ten.run("spawn", "api:v2");
    expect([refused.exit, refused.stderr]).toEqual([1, expect.stringContaining("cannot be written")]);
    expect((await ten.get(HOST)).status).toBe(200);
    const { instances } = await ten.json<{ instances: { pid: number }[] }>("ps");
    process.kill(instances[0]?.pid ?? NO_PROCESS, "SIGKILL");
    await until("it serves again", async () => (await ten.get(HOST)).status === 200);
    disk.makeRoom();
    await ten.ok("deploy", "api:v2", "--weight", "50");
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 5, "api:v2": 5 });
  },
);
