// A release carries its configuration: what an instance was deployed with stays with it, whatever the file says later.

import { describe, expect, test } from "bun:test";
import { chmodSync, renameSync, writeFileSync } from "node:fs";
import { writeOldRegistry } from "../support/old-registry.ts";
import { writeRelease } from "../support/releases.ts";
import { until } from "../support/until.ts";
import { NO_PROCESS } from "../support/workers.ts";
import { startTen, type Ten, untilState } from "./ten.ts";

const HOST = "api.localhost";

const APP = `
const { HOST: hostname, PORT, COLOUR, SECRET } = process.env;
if (COLOUR === "crash") process.exit(3);
Bun.serve({ port: Number(PORT), hostname, fetch: () => new Response(["VERSION", COLOUR, SECRET].join(" ").trim()) });
`;

const toml = (colour: string, more = "") => `
[settings]
backoff_base_ms = 50
[service.api]
command = "'${process.execPath}' app.ts"
workdir = "releases/{version}"
health = "/health"
startup_timeout = 15
drain_timeout = 5
${more}
[service.api.env]
COLOUR = "${colour}"
`;

async function start(colour = "red", more?: string, prepare?: (dir: string) => void): Promise<Ten> {
  return startTen({
    toml: toml(colour, more),
    prepare(dir) {
      prepare?.(dir);
      for (const version of ["v1", "v2", "v3"]) writeRelease(dir, version, "app.ts", APP);
      writeRelease(dir, "slow", "app.ts", `await Bun.sleep(1_000);${APP}`);
    },
  });
}

const write = (ten: Ten, colour: string, more?: string) =>
  writeFileSync(`${ten.dir}/tenement.toml`, toml(colour, more));

const said = async (ten: Ten, host = HOST) => (await ten.get(host)).body.trim();

async function killed(ten: Ten, id: string): Promise<void> {
  const { pid } = (await ten.ps())[id] ?? {};
  process.kill(pid ?? NO_PROCESS, "SIGKILL");
  await until("it is another process", async () => {
    const now = (await ten.ps())[id];
    return now?.state === "healthy" && now.pid !== pid;
  });
}

describe("a deploy", () => {
  test("takes the file as it is, and what was deployed before keeps what it had, through crash, restart and rollback", async () => {
    await using ten = await start();
    await ten.ok("deploy", "api:v1");
    write(ten, "blue");
    const { stderr } = await ten.ok("deploy", "api:v2", "--promote");
    expect(stderr).toContain("service.api.env.COLOUR");
    expect(stderr).not.toContain("blue");
    expect(await said(ten)).toBe("v2 blue");
    write(ten, "green");
    await killed(ten, "api:v1");
    expect(await said(ten, `v1.${HOST}`)).toBe("v1 red");
    await ten.ok("restart", "api:v2");
    expect(await said(ten)).toBe("v2 blue");
    await ten.ok("deploy", "api:v3", "--promote", "--stop-old");
    expect(await said(ten)).toBe("v3 green");
    await ten.ok("rollback", "api");
    expect(await said(ten)).toBe("v2 blue");
  });

  test("after a restart of the server is as it was", async () => {
    await using ten = await start();
    await ten.ok("deploy", "api:v1");
    write(ten, "blue");
    ten.kill("SIGTERM");
    await ten.exited;
    await ten.start();
    expect(await said(ten)).toBe("v1 red");
  });

  test("of a file with a mistake fails with the mistake, and changes nothing", async () => {
    await using ten = await start();
    await ten.ok("deploy", "api:v1");
    write(ten, "blue", 'helth = "/health"');
    const { exit, stderr } = await ten.run("deploy", "api:v2");
    expect(exit).toBe(2);
    expect(stderr).toContain("service.api.helth: unknown key");
    expect(Object.keys(await ten.ps())).toEqual(["api:v1"]);
    expect(await said(ten)).toBe("v1 red");
  });

  test("of a version that runs says when the file has changed; --replace applies it without a gap", async () => {
    await using ten = await start();
    await ten.ok("deploy", "api:v1");
    write(ten, "blue");
    const { stderr } = await ten.ok("deploy", "api:v1");
    expect(stderr).toContain("(env.COLOUR): --replace");
    expect(await said(ten)).toBe("v1 red");
    expect((await ten.ok("ps", "--all")).stdout).toContain(
      "api:v1: not as tenement.toml has it now (env.COLOUR)",
    );
    const { pid } = (await ten.ps())["api:v1"] ?? {};
    await ten.ok("deploy", "api:v1", "--replace");
    expect(await said(ten)).toBe("v1 blue");
    expect((await ten.ps())["api:v1"]).toMatchObject({ weight: 100, differs: [] });
    expect((await ten.ps())["api:v1"]?.pid).not.toBe(pid as number);
  });

  test("with --replace that fails leaves what ran, with what it had", async () => {
    await using ten = await start();
    await ten.ok("deploy", "api:v1");
    const { pid } = (await ten.ps())["api:v1"] ?? {};
    write(ten, "crash");
    const { exit, stderr } = await ten.run("deploy", "api:v1", "--replace");
    expect([exit, stderr]).toEqual([5, expect.stringContaining("exited with code 3")]);
    expect((await ten.ps())["api:v1"]).toMatchObject({ pid, weight: 100, state: "healthy" });
    expect(await said(ten)).toBe("v1 red");
    await ten.ok("restart", "api:v1");
    expect(await said(ten)).toBe("v1 red");
  });

  test("of a service that the file has got only now needs no reload", async () => {
    await using ten = await start();
    writeFileSync(
      `${ten.dir}/tenement.toml`,
      `${toml("red")}\n[service.web]\ncommand = "'${process.execPath}' releases/v1/app.ts"\n`,
    );
    await ten.ok("deploy", "web:v1");
    expect(await said(ten, "web.localhost")).toBe("v1");
  });
});

test("a version that is stopped starts again from where its files were when it was deployed", async () => {
  await using ten = await start();
  await ten.ok("deploy", "api:v1");
  await ten.ok("deploy", "api:v2", "--promote", "--stop-old");
  renameSync(`${ten.dir}/releases/v3`, `${ten.dir}/v3`);
  writeFileSync(`${ten.dir}/tenement.toml`, toml("blue").replace("releases/{version}", "{version}"));
  await ten.ok("deploy", "api:v3", "--promote", "--stop-old");
  await ten.ok("rollback", "api");
  expect(await said(ten)).toBe("v2 red");
});

test("a reload names what differs, and --restart-changed moves it", async () => {
  await using ten = await start();
  await ten.ok("deploy", "api:v1");
  write(ten, "blue");
  const done = await ten.json<{ stale: string[]; differences: { key: string; after: string }[] }>("reload");
  expect(done.stale).toEqual(["api:v1"]);
  expect(done.differences).toEqual([
    expect.objectContaining({ key: "service.api.env.COLOUR", after: '"..."' }),
  ]);
  expect(await said(ten)).toBe("v1 red");
  await ten.ok("reload", "--restart-changed");
  expect(await said(ten)).toBe("v1 blue");
  expect((await ten.json<{ stale: string[] }>("reload")).stale).toEqual([]);
});

describe("an env_file", () => {
  const file = (ten: Ten) => `${ten.dir}/.env`;

  test("is read at each start, so that what was rotated is not revived, and lies in no registry", async () => {
    await using ten = await start("red", 'env_file = ".env"');
    writeFileSync(file(ten), '# one\nexport SECRET="first secret"\n', { mode: 0o600 });
    await ten.ok("deploy", "api:v1");
    expect(await said(ten)).toBe("v1 red first secret");
    writeFileSync(file(ten), "SECRET=second");
    await ten.ok("restart", "api:v1");
    expect(await said(ten)).toBe("v1 red second");
    for (const name of ["ten.db", "ten.db-wal"]) {
      expect(await Bun.file(`${ten.dataDir}/${name}`).text()).not.toContain("second");
    }
  });

  test("that others may read is refused, with what to do", async () => {
    await using ten = await start("red", 'env_file = ".env"');
    writeFileSync(file(ten), "SECRET=x");
    chmodSync(file(ten), 0o644);
    const { exit, stderr } = await ten.run("deploy", "api:v1");
    expect(exit).toBe(5);
    expect(stderr).toContain("others than its owner may read or write it");
    expect(stderr).toContain("chmod 600");
    expect((await ten.ps())["api:v1"]).toMatchObject({ state: "stopped", pid: null });
  });
});

describe("a rollback", () => {
  test("takes from the version that was deployed last, also when it had run before", async () => {
    await using ten = await start();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2", "--promote", "--stop-old");
    await ten.ok("deploy", "api:v1", "--weight", "10");
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 1, "api:v2": 9 });
    await ten.ok("rollback", "api");
    expect(await ten.split(HOST, 10)).toEqual({ "api:v2": 10 });
  });

  test("after --replace still knows what there was before the version", async () => {
    await using ten = await start();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2", "--promote");
    await ten.ok("deploy", "api:v2", "--replace");
    await ten.ok("rollback", "api");
    expect(await ten.split(HOST, 5)).toEqual({ "api:v1": 5 });
  });
});

describe("--if-current", () => {
  test("refuses when another version takes traffic than the caller thinks", async () => {
    await using ten = await start();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2", "--promote", "--if-current", "v1");
    const { exit, stderr } = await ten.run("deploy", "api:v3", "--promote", "--if-current", "v1");
    expect([exit, stderr]).toEqual([4, expect.stringContaining("v2 takes traffic of api, not v1")]);
    expect(Object.keys(await ten.ps())).toEqual(["api:v1", "api:v2"]);
  });
});

test("a deploy that was overtaken while it waited says by whom", async () => {
  await using ten = await start();
  await ten.ok("deploy", "api:v1");
  const first = ten.begin("deploy", "api:slow", "--promote");
  await first.said("waiting until it is healthy");
  const second = await ten.ok("deploy", "api:v3", "--promote");
  expect((await first.done).exit).toBe(0);
  expect(second.stderr).toContain("api:slow was deployed while it waited");
});

test("what the command line refuses is refused at the API as well", async () => {
  await using ten = await start();
  const post = async (body: object) => {
    const answer = await fetch("http://localhost/api/deploy", {
      unix: `${ten.dataDir}/ten.sock`,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ process: "api", version: "v1", ...body }),
    } as RequestInit);
    return answer.text();
  };
  expect(await post({ stop_old: true })).toContain("stop_old needs promote");
  expect(await post({ promote: true, weight: 10 })).toContain("promote and weight exclude each other");
  expect(await ten.ps()).toEqual({});
});

test("a server that was stopped while a version was healthy brings it back as it was", async () => {
  await using ten = await start();
  await ten.ok("deploy", "api:v1");
  write(ten, "blue");
  ten.kill("SIGKILL");
  await ten.exited;
  await ten.start();
  await untilState(ten, "api:v1", "healthy");
  await ten.ok("restart", "api:v1");
  expect(await said(ten)).toBe("v1 red");
});

test("a registry of the version before goes on: its instances start, with their weights, and from then on carry releases", async () => {
  await using ten = await start("red", "", (dir) => writeOldRegistry(`${dir}/tenement-data`));
  await untilState(ten, "api:v1", "healthy");
  await untilState(ten, "api:v2", "healthy");
  expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 8, "api:v2": 2 });
  write(ten, "blue");
  await ten.ok("restart", "api:v1");
  expect(await said(ten, `v1.${HOST}`)).toBe("v1 red");
  await ten.ok("rollback", "api");
  expect(await ten.split(HOST, 5)).toEqual({ "api:v1": 5 });
  // It was stopped before there were releases: what is configured when it is started is what it gets.
  await ten.ok("reload");
  await ten.ok("spawn", "api:old", "--version", "v1", "--weight", "0");
  await untilState(ten, "api:old", "healthy");
  expect(await said(ten, `old.${HOST}`)).toBe("v1 blue");
});
