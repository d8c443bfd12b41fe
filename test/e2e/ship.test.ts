// Shipping a build with a deploy: over the socket and over HTTP, once and again, set up, cut, killed and refused.
import { afterEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { packTar } from "modern-tar";
import { canMountDisk, mountSmallDisk } from "../support/small-disk.ts";
import { until } from "../support/until.ts";
import { startTen, type Ten, type TenOptions } from "./ten.ts";

const SERVER = `
const said = require("node:fs").readFileSync("says.txt", "utf8");
require("node:http")
  .createServer((_, response) => response.end(process.env.TEN_VERSION + " " + said))
  .listen(process.env.PORT, "127.0.0.1");
`;

let ten: Ten;
afterEach(() => ten[Symbol.asyncDispose]());

const toml = (more = "", settings = "") => `
[settings]
health_check_interval = 1
${settings}
[service.api]
command = "node server.js"
workdir = "{release_dir}"
startup_timeout = 20
stop_grace_period_secs = 2
${more}
[service.other]
command = "sleep 1000"
`;

async function start(more = "", options: TenOptions = {}): Promise<Ten> {
  ten = await startTen({ toml: toml(more), ...options });
  return ten;
}

/** A directory with the app, and what it says. */
function build(says: string, more: Record<string, string> = {}): string {
  const path = join(ten.dir, `build-${says}`);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "server.js"), SERVER);
  writeFileSync(join(path, "says.txt"), says);
  for (const [name, text] of Object.entries(more)) writeFileSync(join(path, name), text);
  return path;
}

const here = () => join(ten.dataDir, "_releases/api");
/** What lies where builds are. */
const kept = () => (existsSync(here()) ? readdirSync(here()).sort() : []);

interface Listed {
  readonly releases: readonly {
    readonly version: string;
    readonly digest: string;
    readonly by: string | null;
    readonly in_use: readonly string[];
  }[];
}
const versions = async () => (await ten.json<Listed>("releases", "api")).releases.map((one) => one.version);

async function tokenFor(service: string): Promise<string> {
  const made = await ten.json<{ token: string }>(
    "token",
    "create",
    `ci-${service}`,
    "--scope",
    "deploy",
    "--service",
    service,
  );
  return made.token;
}

/** An upload by hand: as much of it as the test lets go. */
function uploadBy(token: string, version: string, query = "") {
  let feed!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      feed = controller;
    },
  });
  const gone = new AbortController();
  const answer = fetch(`http://127.0.0.1:${ten.port}/api/services/api/releases/${version}${query}`, {
    method: "POST",
    headers: { Host: "localhost", Authorization: `Bearer ${token}` },
    body,
    signal: gone.signal,
  }).then((response) => response.text());
  answer.catch(() => {});
  return {
    send: (bytes: Uint8Array) => feed.enqueue(bytes),
    end: () => feed.close(),
    leave: () => gone.abort(),
    /** Its last line. */
    async last() {
      return JSON.parse((await answer).trim().split("\n").at(-1) ?? "") as {
        type: string;
        result?: Record<string, unknown>;
        error?: { code: string; message: string };
      };
    },
  };
}

const tar = (files: Record<string, string>) =>
  packTar(
    Object.entries(files).map(([name, body]) => ({
      header: { name, size: Buffer.byteLength(body), type: "file" as const },
      body,
    })),
  );

describe("a build", () => {
  test("is shipped, started and served; again nothing is sent; another content of it is refused", async () => {
    await start();
    const never = await ten.run("deploy", "api:v1");
    expect(never.exit).toBe(3);
    expect(never.stderr).toContain("v1 was never shipped");
    expect(never.stderr).toContain("--dir DIRECTORY, or --file ARCHIVE");

    const from = build("one");
    const first = await ten.json<{ shipped: { bytes_sent: number; digest: string } }>(
      "deploy",
      "api",
      "--version",
      "v1",
      "--dir",
      from,
      "--promote",
    );
    expect(first.shipped.bytes_sent).toBeGreaterThan(0);
    expect(Object.keys(first.shipped).filter((key) => key.endsWith("_secs"))).toEqual([
      "survey_secs",
      "upload_secs",
      "setup_secs",
    ]);
    expect((await ten.get("api.localhost")).body).toBe("v1 one");

    // Another run of the same commit: other times, the same content.
    writeFileSync(join(from, "says.txt"), "one");
    const again = await ten.json<{ shipped: { bytes_sent: number; digest: string }; changed: boolean }>(
      "deploy",
      "api",
      "--version",
      "v1",
      "--dir",
      from,
      "--promote",
    );
    expect(again).toMatchObject({ changed: false, shipped: { bytes_sent: 0, digest: first.shipped.digest } });

    writeFileSync(join(from, "says.txt"), "two");
    const other = await ten.run("deploy", "api", "--version", "v1", "--dir", from, "--promote");
    expect(other.exit).toBe(4);
    expect(other.stderr).toContain("v1 of api was shipped before with another content");
    expect((await ten.get("api.localhost")).body).toBe("v1 one");

    await ten.ok("deploy", "api", "--version", "v2", "--dir", from, "--promote", "--stop-old");
    expect((await ten.get("api.localhost")).body).toBe("v2 two");
    await ten.ok("rollback", "api");
    expect((await ten.get("api.localhost")).body).toBe("v1 one");
    const { releases } = await ten.json<Listed>("releases", "api");
    expect(releases.map(({ version, in_use }) => [version, in_use])).toEqual([
      ["v2", ["api:v2"]],
      ["v1", ["api:v1"]],
    ]);
    expect(kept()).toEqual(["v1", "v2"]);
  });

  test("goes over HTTP with a token for its service, as an archive too, and with none for another", async () => {
    await start();
    const server = ["--server", `http://127.0.0.1:${ten.port}`, "--token"];
    const own = await tokenFor("api");
    const archive = join(ten.dir, "app.tar.gz");
    expect(Bun.spawnSync(["tar", "czf", archive, "-C", build("one"), "."]).exitCode).toBe(0);
    await ten.ok("deploy", "api", "--version", "v1", "--file", archive, ...server, own);
    expect((await ten.get("api.localhost")).body).toBe("v1 one");
    const foreign = await ten.run(
      "deploy",
      "api",
      "--version",
      "v2",
      "--dir",
      build("two"),
      ...server,
      await tokenFor("other"),
    );
    expect(foreign.exit).toBe(8);
    expect(foreign.stderr).toContain("ci-other may use other, and not api");
    const clear = await ten.run(
      "deploy",
      "api",
      "--version",
      "v2",
      "--dir",
      build("two"),
      "--server",
      "http://10.9.8.7:1",
      "--token",
      own,
    );
    expect(clear.exit).toBe(2);
    expect(clear.stderr).toContain("the token and the build would go in clear over the network");
    const [shipped] = (await ten.json<Listed>("releases", "api")).releases;
    expect(shipped?.by).toBe("ci-api");
    const useless = await ten.run("deploy", "other", "--version", "v2", "--dir", build("two"));
    expect(useless.exit).toBe(2);
    expect(useless.stderr).toContain("other does not use {release_dir}");
  });

  test("is set up once, with its output shown; when that fails nothing of it is left", async () => {
    await start(
      `setup = "sh ./setup.sh"\nsetup_timeout = 20\nafter_stop = "sh -c 'echo {version} >> {shared_dir}/stopped'"`,
    );
    const good = build("good", { "setup.sh": "echo preparing; echo done > made; echo $TEN_VERSION" });
    const first = await ten.ok("deploy", "api", "--version", "v1", "--dir", good, "--promote");
    expect(first.stderr).toContain("setup: preparing");
    expect(first.stderr).toContain("setup: v1");
    expect(existsSync(join(here(), "v1/made"))).toBe(true);
    expect(kept()).toEqual(["_setup-v1.log", "v1"]);
    const again = await ten.ok("deploy", "api", "--version", "v1", "--dir", good, "--promote");
    expect(again.stderr).not.toContain("setup: preparing");

    const bad = build("bad", { "setup.sh": "echo trying; echo no package >&2; exit 3" });
    const failed = await ten.run("deploy", "api", "--version", "v2", "--dir", bad, "--promote");
    expect(failed.exit).toBe(5);
    expect(failed.stderr).toContain("the setup of api:v2 exited with code 3");
    expect(failed.stderr).toContain("no package");
    expect(kept()).toEqual(["_setup-v1.log", "v1"]);
    expect((await ten.get("api.localhost")).body).toBe("v1 good");

    await ten.ok(
      "deploy",
      "api",
      "--version",
      "v3",
      "--dir",
      build("three", { "setup.sh": "true" }),
      "--promote",
      "--stop-old",
    );
    const stopped = join(ten.dataDir, "api/_shared/stopped");
    await until("the hook has run", () => existsSync(stopped) && readFileSync(stopped, "utf8") === "v1\n");
  });

  test("stays while an instance is of it; of the others the newest stay", async () => {
    await start("keep_releases = 1");
    for (const says of ["v1", "v2", "v3", "v4"])
      await ten.ok("deploy", "api", "--version", says, "--dir", build(says), "--promote", "--stop-old");
    expect(await versions()).toEqual(["v4", "v3", "v2", "v1"]);
    const pruned = await ten.json<{ removed: string[]; releases: string[] }>("prune", "api", "--keep", "0");
    expect(pruned).toMatchObject({ removed: ["v3", "v2", "v1"], releases: ["v1", "v2"] });
    expect(await versions()).toEqual(["v4", "v3"]);
    expect(kept()).toEqual(["v3", "v4"]);
    // What is kept can be started without being sent again.
    const foreseen = await ten.ok("rollback", "api", "--to", "v3", "--dry-run");
    expect(foreseen.stderr).toContain("would start v3 of api from its build that was kept");
    await ten.ok("rollback", "api", "--to", "v3");
    expect((await ten.get("api.localhost")).body).toBe("v3 v3");
    await ten.ok("stop", "api:v4");
    await ten.ok("rollback", "api", "--to", "v4");
    expect((await ten.get("api.localhost")).body).toBe("v4 v4");
    const gone = await ten.run("rollback", "api", "--to", "v1");
    expect(gone.exit).toBe(3);
    expect(gone.stderr).toContain("neither an instance nor a build of it is kept");
  });

  test.skipIf(process.getuid?.() !== 0)(
    "belongs to the user of its service, and nobody else gets in",
    async () => {
      await start(`user = "nobody"\nsetup = "sh -c 'id -un > by; echo $HOME'"`);
      chmodSync(ten.dir, 0o755);
      const from = build("one", { secret: "s" });
      chmodSync(join(from, "secret"), 0o600);
      await ten.ok("deploy", "api", "--version", "v1", "--dir", from, "--promote");
      expect((await ten.get("api.localhost")).body).toBe("v1 one");
      const { uid } = statSync(join(here(), "v1"));
      expect(uid).toBeGreaterThan(0);
      for (const name of ["server.js", "secret", "by"])
        expect(statSync(join(here(), "v1", name)).uid).toBe(uid);
      expect(statSync(join(here(), "v1")).mode & 0o777).toBe(0o700);
      expect(statSync(join(here(), "v1/secret")).mode & 0o777).toBe(0o600);
      expect(readFileSync(join(here(), "v1/by"), "utf8")).toBe("nobody\n");
    },
  );

  test("is what instances on demand are of", async () => {
    await start("on_demand = true\ndirect = 'open'");
    expect((await ten.get("acme.api.localhost")).status).toBe(503);
    await ten.ok("deploy", "api", "--version", "v1", "--dir", build("one"));
    // An address creates at most one a second.
    await until("it is made", async () => (await ten.get("acme.api.localhost")).body === "v1 one");
    expect((await ten.ps())["api:acme"]?.version).toBe("v1");
  });
});

describe("an upload", () => {
  test("that breaks off leaves nothing, and begins anew", async () => {
    await start();
    const token = await tokenFor("api");
    const bytes = await tar({ "server.js": SERVER, "says.txt": "one", filler: "x".repeat(500_000) });
    const cut = uploadBy(token, "v1");
    cut.send(bytes.subarray(0, 300_000));
    await until("the upload has begun", () => kept().some((name) => name.startsWith(".incoming-")));
    cut.leave();
    await until("nothing is left of it", () => kept().length === 0);
    const short = uploadBy(token, "v1");
    short.send(bytes.subarray(0, 300_000));
    short.end();
    expect((await short.last()).error?.message).toContain("it ends in the middle");
    expect(kept()).toEqual([]);
    const whole = uploadBy(token, "v1");
    whole.send(bytes);
    whole.end();
    expect((await whole.last()).result).toMatchObject({ version: "v1", new: true });
    expect(kept()).toEqual(["v1"]);
  });

  test("of a token that is revoked meanwhile ends, and leaves nothing", async () => {
    await start();
    const token = await tokenFor("api");
    const begun = uploadBy(token, "v1");
    begun.send((await tar({ filler: "x".repeat(500_000) })).subarray(0, 100_000));
    await until("the upload has begun", () => kept().length === 1);
    await ten.ok("token", "revoke", "ci-api");
    expect((await begun.last()).error?.code).toBe("unauthorised");
    expect(kept()).toEqual([]);
  });

  test("of a version that comes already waits for it, and finds it there", async () => {
    await start();
    const token = await tokenFor("api");
    const says = { "server.js": SERVER, "says.txt": "one" };
    const bytes = await tar(says);
    const first = uploadBy(token, "v1");
    first.send(bytes.subarray(0, 600));
    await until("the upload has begun", () => kept().length === 1);
    const second = ten.begin("deploy", "api", "--version", "v1", "--dir", build("one"), "--promote");
    await second.said("waiting for the shipping of api:v1");
    first.send(bytes.subarray(600));
    first.end();
    expect((await first.last()).result).toMatchObject({ new: true });
    const { exit, stderr } = await second.done;
    expect([exit, stderr]).toEqual([0, expect.stringContaining("api:v1 takes traffic")]);
    const { events } = await ten.json<{ events: { by: string }[] }>("events", "--kind", "shipped");
    expect(events.map(({ by }) => by)).toEqual(["ci-api"]);
  });

  test("in whose middle the server is killed is swept at the next start, with what has no row", async () => {
    await start();
    await ten.ok("deploy", "api", "--version", "v1", "--dir", build("one"));
    const begun = uploadBy(await tokenFor("api"), "v2");
    begun.send((await tar({ filler: "x".repeat(500_000) })).subarray(0, 100_000));
    await until("the upload has begun", () => kept().length === 2);
    ten.kill("SIGKILL");
    await ten.exited;
    mkdirSync(join(here(), "v3"));
    writeFileSync(join(here(), "_setup-v3.log"), "half");
    await ten.start();
    await until("the leftovers are swept", () => kept().length === 1);
    expect(kept()).toEqual(["v1"]);
    expect(await versions()).toEqual(["v1"]);
    expect((await ten.get("api.localhost")).body).toBe("v1 one");
  });

  test("whose server is killed in the middle ends, and says that nobody answers", async () => {
    await start();
    const large = build("large");
    writeFileSync(join(large, "noise"), crypto.getRandomValues(new Uint8Array(65_536)).toHex().repeat(400));
    const token = await tokenFor("api");
    const server = ["--server", `http://127.0.0.1:${ten.port}`, "--token", token];
    // While this one comes the server reads nothing of the other, which is in the middle for as long.
    const before = uploadBy(token, "v1");
    before.send(await tar({ a: "x" }).then((bytes) => bytes.subarray(0, 600)));
    await until("it has begun", () => kept().length === 1);
    const second = ten.begin("deploy", "api", "--version", "v1", "--dir", large, ...server);
    await second.said("waiting for the shipping of api:v1");
    ten.kill("SIGKILL");
    await ten.exited;
    const { exit, stderr } = await second.done;
    expect([exit, stderr]).toEqual([6, expect.stringContaining("no answer from")]);
    await ten.start();
    await until("the leftovers are swept", () => kept().length === 0);
  });

  test("in whose set-up the server is killed leaves no build, and no process", async () => {
    await start(`setup = "sh ./setup.sh"`);
    const slow = build("slow", { "setup.sh": `echo $$ > ${ten.dir}/setup.pid; exec sleep 1000` });
    const begun = ten.begin("deploy", "api", "--version", "v1", "--dir", slow);
    const pidFile = join(ten.dir, "setup.pid");
    await until("the set-up runs", () => existsSync(pidFile) && readFileSync(pidFile, "utf8") !== "");
    ten.kill("SIGKILL");
    await ten.exited;
    expect((await begun.done).exit).toBe(6);
    await ten.start();
    await until("nothing is left of it", () => kept().length === 0);
    const pid = Number(readFileSync(pidFile, "utf8"));
    await until(
      "the set-up has ended",
      () => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z "),
    );
  });

  test("of a client that is interrupted in the set-up leaves nothing either", async () => {
    await start(`setup = "sh -c 'echo begun; sleep 1000'"`);
    const begun = ten.begin("deploy", "api", "--version", "v1", "--dir", build("slow"));
    await begun.said("setup: begun");
    begun.kill("SIGINT");
    expect((await begun.done).exit).toBe(7);
    await until("nothing is left of it", () => kept().length === 0);
  });

  test("with another content than was announced is refused", async () => {
    await start();
    const wrong = uploadBy(await tokenFor("api"), "v1", `?digest=sha256:${"0".repeat(64)}`);
    wrong.send(await tar({ a: "x" }));
    wrong.end();
    expect((await wrong.last()).error).toMatchObject({
      code: "usage",
      message: expect.stringContaining(`and not sha256:${"0".repeat(64)} as was announced`),
    });
    expect(kept()).toEqual([]);
  });

  test("that is bad is refused by the client before it is sent, and by the server whoever sends it", async () => {
    await start("", { toml: toml("", "release_max_mb = 1") });
    const bad = build("bad");
    symlinkSync("/etc/passwd", join(bad, "passwd"));
    const refused = await ten.run("deploy", "api", "--version", "v1", "--dir", bad);
    expect(refused.exit).toBe(2);
    expect(refused.stderr).toContain('the link "passwd" leads out of it');
    const token = await tokenFor("api");
    for (const [name, says] of [
      ["../x", "leads out"],
      ["/x", "is an absolute path"],
    ] as const) {
      const sent = uploadBy(token, "v1");
      sent.send(await tar({ [name]: "x" }));
      sent.end();
      expect((await sent.last()).error?.message).toContain(says);
    }
    const large = uploadBy(token, "v1");
    large.send(await tar({ large: "x".repeat(2_000_000) }));
    large.end();
    expect((await large.last()).error?.message).toContain("more than 1 MB unpacked");
    expect(kept()).toEqual([]);
    expect(readdirSync(ten.dataDir)).not.toContain("x");
  });

  test.skipIf(!canMountDisk())("that does not fit, or fills the disk, leaves nothing", async () => {
    using disk = mountSmallDisk(30);
    await start("", { serve: ["--data-dir", disk.path] });
    const words = ["--data-dir", disk.path];
    const here = join(disk.path, "_releases/api");
    const { token } = await ten.json<{ token: string }>(
      "token",
      "create",
      "ci",
      "--scope",
      "deploy",
      ...words,
    );
    const announced = uploadBy(token, "v1", `?bytes=${28 * 1_048_576}`);
    expect((await announced.last()).error?.message).toMatch(/^no room for it: \d+ MB of 30 MB are free/);
    const lying = uploadBy(token, "v1");
    for (let part = 0; part < 10; part += 1) {
      const bytes = await tar({ [`part-${part}`]: "x".repeat(4 * 1_048_576) });
      // Without the two blocks at the end of each: one archive of all.
      lying.send(bytes.subarray(0, -1_024));
    }
    lying.end();
    expect((await lying.last()).error?.message).toMatch(/no room for it|the disk is full/);
    expect(readdirSync(here)).toEqual([]);
  });
});
