// What is left over and what goes: rm and prune ask before they remove what an app has written, and deploys tidy up after older ones.
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { canMountDisk } from "../support/small-disk.ts";
import { startFleet } from "./fleet.ts";
import { startTen } from "./ten.ts";

describe("ten stop", () => {
  test("does not let a canary become the release", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2", "--weight", "10");
    const refused = await ten.run("stop", "api:v1");
    expect([refused.exit, refused.stderr]).toEqual([
      4,
      expect.stringContaining("api:v2 would go from 10 to 100 % of api's traffic"),
    ]);
    expect(refused.stderr).toContain("ten weight api:v2 100, then stop; or say --force");
    expect(await ten.split("api.localhost", 10)).toEqual({ "api:v1": 9, "api:v2": 1 });
    await ten.ok("weight", "api:v2", "100");
    await ten.ok("stop", "api:v1");
    expect(await ten.split("api.localhost", 10)).toEqual({ "api:v2": 10 });
  });
});

describe("ten rm", () => {
  test("in a pipe needs --yes for a directory with something in it, and names what", async () => {
    await using ten = await startFleet();
    for (const id of ["v1", "v2", "v3"]) await ten.ok("deploy", `api:${id}`);
    await ten.ok("stop", "api:v2", "api:v3");
    const directory = `${ten.dataDir}/api/v2`;
    writeFileSync(`${directory}/app.db`, "rows");
    const refused = await ten.run("rm", "api:v3", "api:v2");
    expect([refused.exit, refused.stderr]).toEqual([
      4,
      expect.stringContaining("the directory of api:v2 is not empty"),
    ]);
    expect(refused.stderr).toContain(`${directory}: app.db`);
    // All or none.
    expect(Object.keys(await ten.ps())).toEqual(["api:v1", "api:v2", "api:v3"]);
    await ten.ok("rm", "api:v3");
    await ten.ok("rm", "api:v2", "--yes");
    expect(Object.keys(await ten.ps())).toEqual(["api:v1"]);
    expect(existsSync(directory)).toBe(false);
  });
});

test.skipIf(!canMountDisk())(
  "what cannot be removed is still there to be removed again (needs root)",
  async () => {
    await using ten = await startFleet();
    for (const id of ["v1", "v2"]) await ten.ok("deploy", `api:${id}`);
    await ten.ok("stop", "api:v2");
    const directory = `${ten.dataDir}/api/v2`;
    // Something that is mounted there cannot be removed, whoever one is.
    mkdirSync(directory, { recursive: true });
    Bun.spawnSync(["mount", "-t", "tmpfs", "tmpfs", directory]);
    try {
      const failed = await ten.run("rm", "api:v2", "--yes");
      expect([failed.exit, failed.stderr]).toEqual([
        4,
        expect.stringContaining("the instance is still there"),
      ]);
      expect(Object.keys(await ten.ps())).toEqual(["api:v1", "api:v2"]);
    } finally {
      Bun.spawnSync(["umount", directory]);
    }
    await ten.ok("rm", "api:v2", "--yes");
    expect(Object.keys(await ten.ps())).toEqual(["api:v1"]);
    expect(existsSync(directory)).toBe(false);
  },
);

test("ten prune leaves a directory with something in it, and says so", async () => {
  await using ten = await startFleet();
  for (const id of ["v1", "v2", "v3"]) await ten.ok("deploy", `api:${id}`);
  await ten.ok("stop", "api:v2", "api:v3");
  writeFileSync(`${ten.dataDir}/api/v2/app.db`, "rows");
  const { stdout, stderr } = await ten.ok("prune", "api", "--keep", "0");
  expect(stdout).toBe("removed api:v3\n");
  expect(stderr).toContain(
    "api:v2 stayed, as there is something in the directory; --yes removes that as well",
  );
  expect((await ten.ok("prune", "api", "--keep", "0", "--yes")).stdout).toBe("removed api:v2\n");
});

describe("keep", () => {
  const deploy = (id: string) => ["deploy", `api:${id}`, "--promote", "--stop-old"] as const;

  test("leaves the newest, and what rollback would need, and removes the others with their logs", async () => {
    await using ten = await startTen({ service: "keep = 1" });
    for (const id of ["v1", "v2", "v3"]) await ten.ok(...deploy(id));
    // v2 is one to keep; v1 goes.
    const { stdout, stderr } = await ten.ok(...deploy("v4"));
    expect(Object.keys(await ten.ps())).toEqual(["api:v3", "api:v4"]);
    expect(stderr).toContain("removed what older deploys had left (keep, in tenement.toml): api:v2");
    expect(readdirSync(`${ten.dataDir}/api/_logs`).sort()).toEqual(["v3", "v4"]);
    expect(stdout).toContain("api:v4");
    expect((await ten.ok("rollback", "api")).stderr).toContain("rolled back to v3");
  });

  test("never removes a directory with something in it, a tenant's, or one that a deploy did not make", async () => {
    await using ten = await startTen({ service: "keep = 0" });
    await ten.ok("spawn", "api:spawned");
    for (const id of ["acme", "v1", "v2"]) await ten.ok("deploy", `api:${id}`);
    await ten.ok("token-gen", "--tenant", "acme");
    writeFileSync(`${ten.dataDir}/api/v1/app.db`, "rows");
    await ten.ok("stop", "api:acme", "api:v1", "api:v2");
    await ten.ok(...deploy("v3"));
    await ten.ok(...deploy("v4"));
    await ten.ok(...deploy("v5"));
    expect(Object.keys(await ten.ps()).sort()).toEqual([
      "api:acme",
      "api:spawned",
      "api:v1",
      "api:v4",
      "api:v5",
    ]);
  });
});

test("a deploy of a second version with the very files of the first says so, once, when they have changed", async () => {
  await using ten = await startTen();
  mkdirSync(`${ten.dir}/src`);
  writeFileSync(`${ten.dir}/src/app.js`, "1");
  const old = new Date(Date.now() - 3_600_000);
  for (const file of ["src/app.js", "tenement.toml"]) utimesSync(`${ten.dir}/${file}`, old, old);
  await ten.ok("deploy", "api:v1");
  // What the app itself writes is no change of it.
  writeFileSync(`${ten.dir}/app.db`, "rows");
  writeFileSync(`${ten.dir}/serve.log.1`, "");
  utimesSync(`${ten.dir}/serve.log.1`, old, old);
  writeFileSync(`${ten.dir}/src/app.js`, "2");
  const second = await ten.ok("deploy", "api:v2");
  expect(second.stderr).toContain("api:v1 and api:v2 run the same files, and src/app.js has changed since");
  expect(second.stderr).toContain('workdir = "releases/{version}"');
  expect((await ten.ok("deploy", "api:v3")).stderr).not.toContain("the same files");
});

test("nothing of that is said where versions have files of their own", async () => {
  await using ten = await startFleet();
  await ten.ok("deploy", "api:v1");
  expect((await ten.ok("deploy", "api:v2")).stderr).not.toContain("the same files");
});

test("a rollback or a spawn of a stopped version says when its files have changed since it was deployed", async () => {
  await using ten = await startTen();
  mkdirSync(`${ten.dir}/src`);
  writeFileSync(`${ten.dir}/src/app.js`, "1");
  const old = new Date(Date.now() - 3_600_000);
  for (const file of ["src/app.js", "tenement.toml"]) utimesSync(`${ten.dir}/${file}`, old, old);
  const { stderr } = await ten.ok("deploy", "api:v1");
  expect(stderr).not.toContain("since it was deployed");
  await ten.ok("deploy", "api:v2", "--promote", "--stop-old");
  // What was not touched is what it was.
  expect((await ten.ok("rollback", "api")).stderr).not.toContain("since it was deployed");
  await ten.ok("stop", "api:v2");
  writeFileSync(`${ten.dir}/src/app.js`, "3");
  await ten.ok("deploy", "api:v3", "--promote", "--stop-old");
  const back = await ten.ok("rollback", "api");
  expect(back.stderr).toContain(
    "api:v1 runs the files that are there now, and src/app.js has changed since it was deployed: it may not be the v1 that it was",
  );
  expect(back.stderr).toContain('workdir = "releases/{version}"');
  const spawned = JSON.parse((await ten.ok("spawn", "api:v2", "--weight", "0", "--json")).stdout);
  expect(spawned.warnings).toEqual([expect.stringContaining("api:v2 runs the files that are there now")]);
  // Deployed anew it is what is there now.
  await ten.ok("stop", "api:v3");
  await ten.ok("deploy", "api:v3", "--promote", "--stop-old");
  await ten.ok("stop", "api:v3", "--force");
  expect((await ten.ok("spawn", "api:v3")).stderr).not.toContain("since it was deployed");
});
