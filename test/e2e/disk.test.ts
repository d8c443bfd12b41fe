// A disk that takes nothing more, and a registry that somebody else holds: traffic goes on, commands say why they cannot.
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { startTen } from "./ten.ts";

const HOST = "api.localhost";

describe("a registry that another process holds", () => {
  test("keeps no crashed instance down, and commands say what is in the way", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    const { instances } = await ten.json<{ instances: { pid: number }[] }>("ps");
    using database = new Database(join(ten.dataDir, "ten.db"));
    database.run("BEGIN IMMEDIATE");
    process.kill(instances[0]?.pid ?? 0, "SIGKILL");
    const command = ten.run("weight", "api:v1", "100");
    await until("the instance serves again", async () => (await ten.get(HOST)).status === 200, 15_000);
    const { exit, stderr } = await command;
    expect([exit, stderr]).toEqual([
      4,
      expect.stringContaining("is locked by another process; nothing was changed"),
    ]);
    database.run("ROLLBACK");
    await ten.ok("deploy", "api:v2", "--weight", "50");
  });
});

const temp = createTempDir();
const disk = temp.file("disk");
mkdirSync(disk, { mode: 0o700 });
const mounted =
  Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", disk]).exitCode === 0;

describe("a full disk", () => {
  test.skipIf(!mounted)(
    "stops no traffic and no restart; writes fail clearly, and work again when there is room",
    async () => {
      try {
        await using ten = await startTen({ serve: ["--data-dir", disk] });
        await ten.ok("deploy", "api:v1", "--data-dir", disk);
        writeFileSync(join(disk, "filler"), "");
        const dd = Bun.spawnSync(["dd", "if=/dev/zero", `of=${join(disk, "filler")}`, "bs=1k", "count=5000"]);
        expect(dd.exitCode).not.toBe(0);
        const refused = await ten.run("spawn", "api:v2", "--data-dir", disk);
        expect([refused.exit, refused.stderr]).toEqual([1, expect.stringContaining("cannot be written")]);
        expect((await ten.get(HOST)).status).toBe(200);
        const { instances } = await ten.json<{ instances: { pid: number }[] }>("ps", "--data-dir", disk);
        process.kill(instances[0]?.pid ?? 0, "SIGKILL");
        await until("it serves again", async () => (await ten.get(HOST)).status === 200, 15_000);
        rmSync(join(disk, "filler"));
        await ten.ok("deploy", "api:v2", "--weight", "50", "--data-dir", disk);
        expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 5, "api:v2": 5 });
      } finally {
        Bun.spawnSync(["umount", "-l", disk]);
        temp[Symbol.dispose]();
      }
    },
  );
});
