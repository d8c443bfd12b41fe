// ten backup and ten restore: a copy while the server runs, and a copy in the registry's place.
import { expect, test } from "bun:test";
import { copyFileSync, statSync } from "node:fs";
import { startTen, untilState } from "./ten.ts";

const split = (v1: number, v2: number) => ({ "api:v1": v1, "api:v2": v2 });

test("a backup while the server runs is its owner's alone, and a restore brings back what was then", async () => {
  await using ten = await startTen();
  await ten.ok("deploy", "api:v1");
  await ten.ok("deploy", "api:v2", "--weight", "20");
  const file = `${ten.dir}/backup.db`;
  expect((await ten.json<{ file: string }>("backup", file)).file).toBe(file);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await ten.ok("weight", "api:v2", "100");
  const running = await ten.run("restore", file);
  expect([running.exit, running.stderr]).toEqual([4, expect.stringContaining("another ten serve")]);
  ten.kill("SIGTERM");
  await ten.exited;
  const { before } = await ten.json<{ before: string }>("restore", file);
  expect(statSync(before).mode & 0o777).toBe(0o600);
  await ten.start();
  for (const id of ["api:v1", "api:v2"]) await untilState(ten, id, "healthy");
  expect(await ten.split("api.localhost", 10)).toEqual(split(8, 2));
});

test("a backup that was copied over the registry of a server that was killed is not undone: the start is refused with what to do", async () => {
  await using ten = await startTen();
  await ten.ok("deploy", "api:v1");
  await ten.ok("deploy", "api:v2", "--weight", "20");
  const file = `${ten.dir}/backup.db`;
  await ten.ok("backup", file);
  await ten.ok("weight", "api:v2", "90");
  ten.kill("SIGKILL");
  await ten.exited;
  const database = `${ten.dataDir}/ten.db`;
  copyFileSync(file, database);
  const refused = await ten.run("serve", "--port", "0");
  expect([refused.exit, refused.stderr]).toEqual([
    4,
    expect.stringContaining("is the log of another database"),
  ]);
  expect(refused.stderr).toContain(`rm ${database}-wal ${database}-shm`);
  await ten.ok("restore", file);
  await ten.start();
  for (const id of ["api:v1", "api:v2"]) await untilState(ten, id, "healthy");
  expect(await ten.split("api.localhost", 10)).toEqual(split(8, 2));
});
