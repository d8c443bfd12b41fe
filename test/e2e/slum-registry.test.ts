// slum while its registry cannot be used: gone from its place, or on a disk that is full.
import { expect, test } from "bun:test";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { startOrigin } from "../support/origin.ts";
import { canMountDisk, mountSmallDisk } from "../support/small-disk.ts";
import { until } from "../support/until.ts";
import { type Slum, startSlum, startSlumWith } from "./slum.ts";

const HOST = "acme.example.com";

/** Two servers, of which the home server may be taken away. */
async function register(slum: Slum, iad: { readonly url: string }, fra: { readonly url: string }) {
  await slum.ok("server", "add", "iad", iad.url);
  await slum.ok("server", "add", "fra", fra.url);
  await slum.ok("tenant", "add", "acme", HOST, "iad", "api");
}

/** Checks and failover go on, `ps` says what is wrong, and a command that writes changes nothing. */
async function goesOnWithout(slum: Slum, iad: ReturnType<typeof startOrigin>, said: string) {
  const refused = await slum.run("tenant", "add", "beta", "beta.example.com", "iad", "api");
  expect([refused.exit, refused.stderr]).toEqual([1, expect.stringContaining(said)]);
  expect((await slum.get("beta.example.com")).status).toBe(404);
  expect(await slum.get(HOST)).toMatchObject({ status: 200, server: "iad" });
  await iad.stop();
  expect(await slum.get(HOST)).toMatchObject({ status: 200, server: "fra" });
  await until("iad is offline", async () => (await slum.status("iad")) === "offline");
  expect((await slum.ok("ps")).stdout).toContain(said);
}

test("a registry that is gone stops neither routing nor failover, and is taken again when it is back", async () => {
  await using iad = startOrigin(() => new Response("iad"));
  await using fra = startOrigin(() => new Response("fra"));
  await using slum = await startSlum();
  await register(slum, iad, fra);
  const file = join(slum.dataDir, "slum.db");
  renameSync(file, `${file}.away`);
  await goesOnWithout(slum, iad, "is gone from its place");
  await until("the log tells", async () => (await slum.log()).includes("is gone from its place"));
  renameSync(`${file}.away`, file);
  await slum.ok("tenant", "add", "beta", "beta.example.com", "fra", "api");
  expect((await slum.get("beta.example.com")).server).toBe("fra");
});

test.skipIf(!canMountDisk())(
  "a full disk (needs root) stops neither routing nor failover, and writes work again when there is room",
  async () => {
    using disk = mountSmallDisk(2);
    await using iad = startOrigin(() => new Response("iad"));
    await using fra = startOrigin(() => new Response("fra"));
    await using slum = await startSlumWith({ words: ["--db", join(disk.path, "slum.db")] });
    await register(slum, iad, fra);
    disk.fill();
    await goesOnWithout(slum, iad, "cannot be written");
    disk.makeRoom();
    await slum.ok("tenant", "add", "beta", "beta.example.com", "fra", "api");
    expect((await slum.get("beta.example.com")).server).toBe("fra");
    await until("ps is content", async () => !(await slum.ok("ps")).stdout.includes("cannot be"));
  },
  180_000,
);
