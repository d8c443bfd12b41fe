// What runs before each start of an instance, and instances that are started afresh by the clock: no visitor notices.
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { until } from "../support/until.ts";
import { startTen, type Ten } from "./ten.ts";

const HOST = "api.localhost";

/** Says what it found at its start. */
const APP = `
import { readFileSync } from "node:fs";
const { HOST: hostname, PORT, COPY = "" } = process.env;
const copy = readFileSync(COPY, "utf8");
Bun.serve({ port: Number(PORT), hostname, fetch: () => new Response(copy) });
`;
/** Fetches the copy, as a restore does; where there is nothing to fetch it fails. */
const FETCH = "set -e\necho fetching for $TEN_INSTANCE\ntest -e ../source\ncp ../source $COPY\n";

function startReader(service = ""): Promise<Ten> {
  return startTen({
    toml: `[settings]
health_check_interval = 0.2
[service.api]
command = "'${process.execPath}' app.ts"
before_start = "/bin/sh ./fetch.sh"
workdir = "app"
health = "/"
${service}
[service.api.env]
COPY = "copy-{port}"
`,
    prepare(dir) {
      for (const [name, text] of [
        ["app/app.ts", APP],
        ["app/fetch.sh", FETCH],
        ["source", "one"],
      ] as const)
        void Bun.write(`${dir}/${name}`, text);
    },
  });
}

describe("before_start", () => {
  test("runs before each start, in its place and with its environment, and its output is in the instance's log", async () => {
    await using ten = await startReader();
    await ten.ok("deploy", "api:v1");
    expect((await ten.get(HOST)).body).toBe("one");
    writeFileSync(`${ten.dir}/source`, "two");
    await ten.ok("restart", "api:v1");
    expect((await ten.get(HOST)).body).toBe("two");
    const { stdout } = await ten.ok("logs", "api:v1");
    expect(stdout.match(/fetching for api:v1/g)).toHaveLength(2);
  }, 120_000);

  test("that fails is a failed deploy, with its words, and nothing of the one before is touched", async () => {
    await using ten = await startReader();
    await ten.ok("deploy", "api:v1");
    Bun.spawnSync(["rm", `${ten.dir}/source`]);
    const failed = await ten.run("deploy", "api:v2");
    expect(failed.exit).toBe(5);
    expect(failed.stderr).toContain("before_start failed: exit code 1");
    expect((await ten.get(HOST)).body).toBe("one");
  }, 120_000);
});

describe("refresh", () => {
  test("starts instances afresh again and again, and no visitor notices", async () => {
    await using ten = await startReader("refresh = 1");
    await ten.ok("deploy", "api:v1");
    let isOver = false;
    const failed: number[] = [];
    const visiting = (async () => {
      while (!isOver) {
        const { status } = await ten.get(HOST).catch(() => ({ status: 0 }));
        if (status !== 200) failed.push(status);
      }
    })();
    for (const copy of ["two", "three"]) {
      writeFileSync(`${ten.dir}/source`, copy);
      await until(`it serves ${copy}`, async () => (await ten.get(HOST)).body === copy);
    }
    isOver = true;
    await visiting;
    expect(failed).toEqual([]);
    const { instances } = await ten.json<{ instances: { restarts: number; state: string }[] }>("ps");
    expect(instances).toMatchObject([{ state: "healthy" }]);
  }, 120_000);

  test("leaves the one before in its place while a fresh copy cannot be had, and says so", async () => {
    await using ten = await startReader("refresh = 1");
    await ten.ok("deploy", "api:v1");
    Bun.spawnSync(["rm", `${ten.dir}/source`]);
    await until("it has been tried in vain", async () =>
      (await ten.log()).includes("api:v1 could not be refreshed, and serves on as it is"),
    );
    expect((await ten.get(HOST)).body).toBe("one");
    expect(existsSync(`${ten.dir}/source`)).toBe(false);
    writeFileSync(`${ten.dir}/source`, "four");
    await until("it is fresh again", async () => (await ten.get(HOST)).body === "four");
  }, 120_000);

  test("is refused for a service that cannot run twice", async () => {
    await using ten = await startReader();
    writeFileSync(
      `${ten.dir}/tenement.toml`,
      readFileSync(`${ten.dir}/tenement.toml`, "utf8").replace(
        "workdir",
        "refresh = 5\noverlap = false\nworkdir",
      ),
    );
    const refused = await ten.run("reload");
    expect([refused.exit, refused.stderr]).toEqual([2, expect.stringContaining("needs overlap")]);
  }, 120_000);
});
