// Tokens as people make and use them, who did what, and who may not use the socket.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../support/until.ts";
import { startFleet } from "./fleet.ts";
import { startTen, type Ten } from "./ten.ts";

const BINARY = join(import.meta.dir, "../../dist/ten");

interface Event {
  readonly kind: string;
  readonly service: string;
  readonly instance: string | null;
  readonly detail: string;
  readonly by: string | null;
  readonly from: string | null;
  readonly operation: string | null;
  readonly before: Record<string, number> | null;
  readonly after: Record<string, number> | null;
}

let ten: Ten;
let home = "";
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "ten-test-home-"));
  ten = await startFleet({ env: { HOME: home, XDG_CONFIG_HOME: join(home, ".config") } });
  await ten.ok("deploy", "api:v1");
});
afterAll(async () => {
  await ten?.[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

const url = () => `http://127.0.0.1:${ten.port}`;
const server = () => ["--server", url()];
const create = async (...words: string[]) =>
  (await ten.json<{ token: string }>("token", "create", ...words)).token;
const events = async (...words: string[]) => (await ten.json<{ events: Event[] }>("events", ...words)).events;
const me = `${process.getuid?.() === 0 ? "root" : process.env.USER} (uid ${process.getuid?.()})`;

describe("a token", () => {
  test("is made, listed without itself, used, and taken back", async () => {
    const made = await ten.ok(
      "token",
      "create",
      "ci",
      "--scope",
      "deploy",
      "--service",
      "api",
      "--expires",
      "90d",
    );
    expect(made.stdout).toMatch(
      /^Token ci \(deploy, for api\), until \S+ \S+, shown once:\n\n {2}ten_\w{49}\n$/,
    );
    expect(made.stderr).toContain("as good as admin here");
    const token = made.stdout.trim().split(/\s+/).at(-1) ?? "";
    await ten.ok("ps", ...server(), "--token", token);
    const { stdout } = await ten.ok("token", "list");
    expect(stdout).toMatch(
      /^ci +deploy +api +\d{4}-\d\d-\d\d +\d{4}-\d\d-\d\d +\d{4}-\d\d-\d\d 127\.0\.0\.1$/m,
    );
    expect(stdout).not.toContain(token);
    const twice = await ten.run("token", "create", "ci");
    expect([twice.exit, twice.stderr]).toEqual([4, expect.stringContaining("ten token rotate ci")]);
    await ten.ok("token", "revoke", "ci");
    const gone = await ten.run("ps", ...server(), "--token", token);
    expect([gone.exit, gone.stderr]).toEqual([8, expect.stringContaining("the token ci was revoked at ")]);
  });

  test("that is taken back ends the stream that it has open", async () => {
    const token = await create("follower");
    const follow = ten.begin("events", "-f", ...server(), "--token", token);
    await follow.said("token.created");
    await ten.ok("token", "revoke", "follower");
    const { exit, stderr } = await follow.done;
    expect([exit, stderr]).toEqual([8, expect.stringContaining("the token follower was revoked at ")]);
  });

  test("says for one service what it says of another: no, and why", async () => {
    const token = await create("api-only", "--scope", "deploy", "--service", "api");
    const own = await ten.run("deploy", "api:v1", ...server(), "--token", token);
    expect(own.exit).toBe(0);
    const other = await ten.run("deploy", "web:v1", ...server(), "--token", token);
    expect([other.exit, other.stderr]).toEqual([
      8,
      expect.stringContaining("api-only may use api, and not web"),
    ]);
    expect(
      (await ten.json<{ instances: unknown[] }>("ps", ...server(), "--token", token)).instances.length,
    ).toBe(1);
  });

  test("is replaced by another of its name, and counts for the overlap", async () => {
    const old = await create("rotated");
    const { token } = await ten.json<{ token: string }>("token", "rotate", "rotated", "--overlap", "0");
    expect((await ten.run("ps", ...server(), "--token", old)).stderr).toContain("has expired");
    await ten.ok("ps", ...server(), "--token", token);
  });

  test.each([
    [
      "mistyped",
      (token: string) => `${token.slice(0, -1)}${token.endsWith("a") ? "b" : "a"}`,
      "mistyped or cut",
    ],
    ["cut", (token: string) => token.slice(0, -5), "mistyped or cut"],
    ["of slum", () => "slum_0000000000000000000000000000000000000000000000000", "mistyped or cut"],
  ])("that is %s says so", async (_, change, message) => {
    const token = await create(`wrong-${crypto.randomUUID().slice(0, 8)}`);
    const { exit, stderr } = await ten.run("ps", ...server(), "--token", change(token));
    expect([exit, stderr]).toEqual([8, expect.stringContaining(message)]);
  });

  test("comes from the environment, from a file with a line end, or with a warning from the command line", async () => {
    const token = await create("env", "--scope", "read");
    const file = join(ten.dir, "token.txt");
    writeFileSync(file, `\uFEFF${token} \r\n`);
    const asked = [
      ["ps", ...server(), "--token-file", file],
      ["ps", "--token-file", file, ...server()],
    ];
    for (const words of asked) expect((await ten.ok(...words)).stderr).toBe("");
    const said = await ten.ok("ps", ...server(), "--token", token);
    expect(said.stderr).toContain("--token is seen by every user of this machine");
    const missing = await ten.run("ps", ...server(), "--token-file", `${file}.none`);
    expect([missing.exit, missing.stderr]).toEqual([2, expect.stringContaining("cannot be read")]);
  });
});

describe("ten login", () => {
  test("keeps a token that is right, for this user alone, and commands find it", async () => {
    const token = await create("laptop", "--scope", "admin");
    const file = join(ten.dir, "laptop.txt");
    writeFileSync(file, token);
    const { stdout } = await ten.ok("login", url(), "--token-file", file);
    expect(stdout).toBe(`laptop (admin) at ${url()}\n`);
    const kept = join(home, ".config", "ten", "credentials.toml");
    expect(statSync(kept).mode & 0o777).toBe(0o600);
    expect((await ten.ok("ps", ...server())).stderr).toBe("");
    chmodSync(kept, 0o644);
    const open = await ten.run("ps", ...server());
    expect([open.exit, open.stderr]).toEqual([2, expect.stringContaining(`chmod 600 ${kept}`)]);
    chmodSync(kept, 0o600);
    await ten.ok("token", "revoke", "laptop");
    expect((await ten.run("ps", ...server())).stderr).toContain("was revoked");
    rmSync(kept);
  });

  test("refuses a wrong token and keeps nothing", async () => {
    const file = join(ten.dir, "wrong.txt");
    writeFileSync(file, "ten_wrong");
    expect((await ten.run("login", url(), "--token-file", file)).exit).toBe(8);
    expect(existsSync(join(home, ".config", "ten", "credentials.toml"))).toBe(false);
  });

  test("does not send a token in clear over a network", async () => {
    const { exit, stderr } = await ten.run("login", "http://192.0.2.1:8080");
    expect([exit, stderr]).toEqual([2, expect.stringContaining("plain http")]);
  });
});

describe("who did it", () => {
  test("is told of each change, with what was before and after", async () => {
    const token = await create("releaser", "--scope", "deploy", "--service", "api");
    await ten.ok("deploy", "api:v2", "--weight", "10", ...server(), "--token", token);
    await ten.ok("weight", "api:v2", "50");
    const { changes } = await ten.json<{ changes: object[] }>("history", "api");
    expect(changes.slice(0, 2)).toMatchObject([
      { by: me, command: "weight api:v2 50", before: { v1: 90, v2: 10 }, after: { v1: 50, v2: 50 } },
      { by: "releaser", command: "deploy api:v2", before: { v1: 100, v2: 0 }, after: { v1: 90, v2: 10 } },
    ]);
    expect(await events("--by", "releaser", "--kind", "traffic")).toMatchObject([
      {
        service: "api",
        from: "127.0.0.1",
        operation: "deploy",
        before: { v1: 100, v2: 0 },
        after: { v1: 90, v2: 10 },
      },
    ]);
    expect((await events("api", "--by", me, "--limit", "1"))[0]).toMatchObject({
      ...{ kind: "traffic", from: "socket", operation: "setShare", detail: "weight api:v2 50" },
    });
    expect((await ten.ok("history", "api")).stdout).toContain("v1 90 -> 50, v2 10 -> 50");
    expect((await ten.ok("events", "--by", "releaser")).stdout).toContain("releaser (127.0.0.1)");
  });

  test("is told of stops, restarts, maintenance and tokens, and of nobody when ten did it by itself", async () => {
    await ten.ok("restart", "api:v2");
    await ten.ok("maintenance", "api", "on");
    await ten.ok("maintenance", "api", "off");
    await ten.ok("weight", "api:v1", "100");
    await ten.ok("stop", "api:v2");
    const kinds = (await events("--by", me, "--limit", "1000")).map(({ kind }) => kind);
    for (const kind of ["restart", "maintenance", "traffic", "stop", "token.created", "token.revoked"])
      expect(kinds).toContain(kind);
    const own = await events("api", "--kind", "healthy");
    expect([own.length > 0, new Set(own.map(({ by }) => by))]).toEqual([true, new Set([null])]);
  });

  test("is told of what failed and was refused", async () => {
    const { exit } = await ten.run("deploy", "api:crash");
    expect(exit).toBe(5);
    // Once: what its processes went through is told besides, by nobody.
    const told = (await events("--limit", "1000")).filter(
      ({ kind, operation }) => operation === "deploy" && kind.endsWith("failed"),
    );
    expect(told).toMatchObject([
      {
        ...{ kind: "deploy.failed", by: me, operation: "deploy", instance: "api:crash" },
        detail: expect.stringContaining("the deploy failed: "),
      },
    ]);
    expect((await ten.run("deploy", "api:v9", "--if-current", "v7")).exit).toBe(4);
    expect((await events("--kind", "failed", "--limit", "1"))[0]).toMatchObject({
      ...{ by: me, operation: "deploy", detail: expect.stringContaining("not v7") },
    });
  });

  test("can be followed, and asked for by time", async () => {
    const follow = ten.begin("events", "-f", "--kind", "maintenance", "--limit", "0", "--json");
    // When it follows is seen by what it says.
    await until("it follows", async () => {
      await ten.ok("maintenance", "api", "on");
      await ten.ok("maintenance", "api", "off");
      return follow.output().includes('"kind":"maintenance"');
    });
    follow.kill("SIGINT");
    await follow.done;
    expect(await events("--since", "2030-01-01")).toEqual([]);
    expect((await events("--since", "1h", "--kind", "maintenance")).length).toBeGreaterThanOrEqual(2);
    expect((await ten.run("events", "--since", "yesterday")).exit).toBe(2);
  });
});

test("a token is made where no server runs, and counts when one does", async () => {
  await using other = await startFleet();
  other.kill("SIGTERM");
  await other.exited;
  const { token } = await other.json<{ token: string }>("token", "create", "early", "--scope", "admin");
  await other.start();
  await other.ok("ps", "--server", `http://127.0.0.1:${other.port}`, "--token", token);
});

describe("the file of an earlier version's token", () => {
  const OLD = "b".repeat(43);

  test("goes on to count, as old-admin, and can be taken back", async () => {
    await using other = await startFleet();
    other.kill("SIGTERM");
    await other.exited;
    writeFileSync(join(other.dataDir, "api_token"), `${OLD}\n`);
    await other.start();
    const there = ["--server", `http://127.0.0.1:${other.port}`, "--token", OLD];
    await other.ok("ps", ...there);
    expect((await other.ok("token", "list")).stdout).toMatch(/^old-admin +admin/m);
    await other.ok("token", "revoke", "old-admin");
    expect((await other.run("ps", ...there)).stderr).toContain("old-admin was revoked");
  });

  test("counts no more where an app may have served it", async () => {
    await using other = await startTen({ service: 'workdir = "."' });
    other.kill("SIGTERM");
    await other.exited;
    const file = join(other.dataDir, "api_token");
    writeFileSync(file, `${OLD}\n`);
    await other.start();
    expect(await other.log()).toContain("the workdir of api contains it");
    expect([
      existsSync(file),
      (await other.run("ps", "--server", `http://127.0.0.1:${other.port}`, "--token", OLD)).exit,
    ]).toEqual([...[false, 8]]);
  });

  test("is none when it is no token", async () => {
    await using other = await startFleet();
    other.kill("SIGTERM");
    await other.exited;
    writeFileSync(join(other.dataDir, "api_token"), "x\n");
    await other.start();
    expect((await other.run("ps", "--server", `http://127.0.0.1:${other.port}`, "--token", "x")).exit).toBe(
      8,
    );
    await until("it is logged", async () => (await other.log()).includes("holds no token of this server"));
  });
});

test("an instance may not use the socket, though it runs as the same user", async () => {
  const command = JSON.stringify(`'${BINARY}' ps --data-dir {data_dir}`);
  await using other = await startTen({
    toml: `[service.peek]\ncommand = ${command}\nrestart = "never"\n`,
  });
  await other.run("spawn", "peek:a");
  await until("it was refused", async () =>
    readFileSync(join(other.dataDir, "peek", "_logs", "a", "stderr.log"), "utf8").includes(
      "the socket is not for instances",
    ),
  );
});
