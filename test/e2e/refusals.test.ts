// What ten refuses: the exit code, what it says and advises, for people and for programs, and that nothing was changed.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { createTempDir } from "../support/temp-dir.ts";
import { startFleet } from "./fleet.ts";
import { runTen, type Ten } from "./ten.ts";

const LONG = "x".repeat(200);

type Refusal = readonly [line: string, exit: number, message: string, hint: string];

/** A server with v1 at 100 %, v2 at 0, v3 stopped. */
let ten: Ten;
beforeAll(async () => {
  ten = await startFleet();
  for (const id of ["v1", "v2", "v3"]) await ten.ok("deploy", `api:${id}`);
  await ten.ok("stop", "api:v3");
});
afterAll(() => ten[Symbol.asyncDispose]());

/** All that a refused command could have changed. */
async function state() {
  const rows = await ten.ps();
  return Object.fromEntries(
    Object.entries(rows).map(([id, { version, state, reason, weight, port, pid, restarts }]) => [
      id,
      { version, state, reason, weight, port, pid, restarts },
    ]),
  );
}

async function expectRefusal(line: string, exit: number, message: string, hint: string): Promise<void> {
  const words = line.split(" ").map((word) => (word === "''" ? "" : word.replaceAll("_SPACE_", " ")));
  const before = await state();
  const [plain, json] = await Promise.all([ten.run(...words), ten.run(...words, "--json")]);
  expect({ exit: plain.exit, stdout: plain.stdout }).toEqual({ exit, stdout: "" });
  const [error = "", ...rest] = plain.stderr.trimEnd().split("\n");
  expect(error).toStartWith("error: ");
  expect(error).toContain(message);
  expect(rest.join("\n")).toContain(hint);
  expect(json.exit).toBe(exit);
  const said = JSON.parse(json.stdout);
  expect(said.schema).toBe(1);
  expect(said.error.message).toContain(message);
  expect(said.error.hint ?? "").toContain(hint);
  expect(await state()).toEqual(before);
}

describe("traffic that", () => {
  test.each<Refusal>([
    ["weight api:v1 50", 4, "no other instance of api takes traffic", "ten weight api:v2=50 api:v1=50"],
    ["weight api:v1 0", 4, "would leave api without an instance that takes traffic", "--force"],
    ["weight api:v1=0", 4, "would leave api without an instance", "--force"],
    ["stop api:v1", 4, "would leave api without an instance that takes traffic", "ten route api --to v2"],
    ["route api --to v3", 4, "api:v3 is stopped", "ten spawn api:v3"],
    ["weight api:v3 50", 4, "api:v3 is stopped", "ten spawn api:v3"],
    ["weight api:v1=50 api:v3=50", 4, "api:v3 is stopped", "ten spawn api:v3"],
    ["rollback api", 4, "nothing older than v1", "ten route"],
    ["route api --from v1 --to v1", 2, "name the same instance", "two instances"],
    ["weight api:v1=50 web:v1=50", 2, "two services", "one at a time"],
    ["weight api:v1=50 api:v1=40", 2, "named twice", "once"],
    ["weight api:v1 50 60", 2, "too many words", "api:v1=50"],
    ["deploy api:v2 --promote --weight 10", 2, "exclude each other", "all of the traffic"],
    ["deploy api:v2 --stop-old", 2, "--stop-old needs --promote", "traffic"],
  ])("would be lost is refused: ten %s", expectRefusal);

  test("would go to one that is not healthy is refused, but for --force", async () => {
    await ten.ok("spawn", "api:sick", "--weight", "0");
    const { exit, stderr } = await ten.run("route", "api", "--to", "sick");
    expect(exit).toBe(5);
    expect(stderr).toContain("api:sick is not healthy, so nothing was changed");
    expect(stderr).toContain("--force");
    expect(await ten.split("api.localhost", 5)).toEqual({ "api:v1": 5 });
    await ten.ok("stop", "api:sick");
    await ten.ok("rm", "api:sick");
  });
});

describe("what does not exist", () => {
  test.each<Refusal>([
    ["deploy nosuch --version v1", 3, "there is no service nosuch", "it has api, web"],
    ["deploy nosuch --version v1 --timeout 2", 3, "there is no service nosuch", "it has api, web"],
    ["spawn nosuch:v1", 3, "there is no service nosuch", "it has api, web"],
    ["weight nosuch", 3, "there is no service nosuch", "it has api, web"],
    ["weight nosuch:v1 50", 3, "there is no service nosuch", "it has api, web"],
    ["weight nosuch:v1=50", 3, "there is no service nosuch", "it has api, web"],
    ["route nosuch --to v1", 3, "there is no service nosuch", "it has api, web"],
    ["rollback nosuch", 3, "there is no service nosuch", "it has api, web"],
    ["stop nosuch:v1", 3, "there is no service nosuch", "it has api, web"],
    ["logs nosuch:v1", 3, "there is no service nosuch", "it has api, web"],
    ["logs nosuch", 3, "there is no service nosuch", "it has api, web"],
    ["prune nosuch", 3, "there is no service nosuch", "it has api, web"],
    ["weight api:v9 50", 3, "there is no instance api:v9", "api has v1, v2, v3"],
    ["weight api:v1=50 api:v9=50", 3, "there is no instance api:v9", "api has v1, v2, v3"],
    ["route api --to v9", 3, "there is no instance api:v9", "api has v1, v2, v3"],
    ["route api --from v9 --to v2", 3, "there is no instance api:v9", "api has v1, v2, v3"],
    ["stop api:v9", 3, "there is no instance api:v9", "api has v1, v2, v3"],
    ["stop api:v2 api:v9", 3, "there is no instance api:v9", "api has v1, v2, v3"],
    ["restart api:v9", 3, "there is no instance api:v9", "api has v1, v2, v3"],
    ["health api:v9", 3, "there is no instance api:v9", "api has v1, v2, v3"],
    ["rm api:v9", 3, "there is no instance api:v9", "api has v1, v2, v3"],
    ["rm api:v3 api:v9", 3, "there is no instance api:v9", "api has v1, v2, v3"],
    ["logs api:v9", 3, "there is no instance api:v9", "api has v1, v2, v3"],
    ["logs web:v1", 3, "there is no instance web:v1", "ten deploy web --version v1"],
  ])("is said, with what does: ten %s", expectRefusal);
});

describe("what is in the way", () => {
  test.each<Refusal>([
    ["spawn api:v1", 4, "api:v1 runs already (healthy)", "ten restart api:v1"],
    ["rm api:v1", 4, "api:v1 runs (healthy)", "ten stop api:v1"],
    ["rm api:v3 api:v1", 4, "api:v1 runs (healthy)", "ten stop api:v1"],
  ])("is said: ten %s", expectRefusal);
});

describe("a name that is none", () => {
  test.each<Refusal>([
    ["deploy api --version a/b", 2, '"a/b" is not a valid name', "allowed: a-z, 0-9"],
    ["deploy api --version ..", 2, '".." is not a valid name', "allowed: a-z, 0-9"],
    ["deploy api --version v1..2", 2, '"v1..2" is not a valid name', "single dots"],
    ["deploy api --version a_SPACE_b", 2, '"a b" is not a valid name', "allowed: a-z, 0-9"],
    ["deploy api --version V2", 2, '"V2" is not a valid name', 'write "v2"'],
    [`deploy api --version ${LONG}`, 2, "is not a valid name", "at most 63 characters"],
    ["deploy API:v2", 2, '"API" is not a valid name', 'write "api"'],
    ["deploy api:../../etc", 2, '"../../etc" is not a valid name', "allowed: a-z, 0-9"],
    ["deploy ten:v1", 2, '"ten"', ""],
    ["spawn api:v1:v2", 2, '"v1:v2" is not a valid name', "allowed"],
    ["spawn api", 2, "which instance of api?", "write api:v1"],
    ["spawn api:v1 --id v2", 2, "name different instances", "give one"],
    ["stop api", 2, "which instance of api?", "write api:v1, or api --all"],
    ["stop v2", 2, '"v2" is not an instance', "did you mean api:v2?"],
    ["stop nosuch", 2, "which instance of nosuch?", "nosuch --all"],
    ["stop api:-x", 2, '"-x" is not a valid name', "allowed"],
    ["route api --to api:v1", 2, '"api:v1" is an instance, and here belongs its id alone', 'write "v1"'],
    ["rollback api:v2", 2, '"api:v2" is an instance, and here belongs its service alone', 'write "api"'],
    ["rollback api:V2", 2, '"V2" is not a valid name', 'write "v2"'],
    ["deploy api --version v1;rm", 2, '"v1;rm" is not a valid name', "allowed"],
    ["deploy api --version $(id)", 2, '"$(id)" is not a valid name', "allowed"],
    ["stop ''", 2, "empty word", "unset"],
  ])("is refused: ten %s", expectRefusal);
});

describe("a number that is none", () => {
  test.each<Refusal>([
    ["weight api:v2 -1", 2, '"-1"', "from 0 to 100"],
    ["weight api:v2 101", 2, '"101" is not a weight', "from 0 to 100"],
    ["weight api:v2 ten", 2, '"ten" is not a weight', "from 0 to 100"],
    ["weight api:v2 33.333", 2, '"33.333" is not a weight', "two decimals"],
    ["weight api:v2 1e1", 2, '"1e1" is not a weight', "from 0 to 100"],
    ["weight api:v2=101", 2, '"101" is not a weight', "from 0 to 100"],
    ["weight api:v2=", 2, '"" is not a weight', "from 0 to 100"],
    ["spawn api:v9 --weight 101", 2, '"101" is not a weight', "from 0 to 100"],
    ["deploy api:v9 --weight -1", 2, '"-1" is not a weight', "from 0 to 100"],
    ["deploy api:v9 --timeout 0", 2, '--timeout is "0"', "from 0.1"],
    ["deploy api:v9 --timeout soon", 2, '--timeout is "soon"', "number"],
    ["logs api --limit many", 2, '--limit is "many"', "whole number"],
    ["prune api --keep -1", 2, '--keep is "-1"', "whole number"],
  ])("is refused: ten %s", expectRefusal);
});

describe("a line that cannot be read", () => {
  test.each<Refusal>([
    ["deplyo api:v1", 2, 'ten has no command "deplyo"', "deploy"],
    ["statsu", 2, 'ten has no command "statsu"', "ten --help"],
    ["deploy api:v2 --wieght 10", 2, 'ten deploy has no flag "--wieght"', "--weight"],
    ["stop api:v2 --now", 2, 'ten stop has no flag "--now"', "ten stop --help"],
    ["deploy", 2, "ten deploy needs service[:id]", "ten deploy --help"],
    ["route api", 2, "--to", ""],
    ["route api v1 v2 --to v2", 2, "one too many", "ten route api --from v1 --to v2"],
    ["rollback api v1", 2, "one too many", "ten route api --to v1"],
    ["rollback api --to v1 --last", 2, "--last and --to exclude each other", "give one of them"],
    ["status", 2, "no command", "ten ps --all"],
    ["kill api:v1", 2, "no command", "ten stop api:v1"],
    ["logs api --tail 5", 2, "no flag", "-n 50"],
    ["serve -d", 2, "no flag", "ten install"],
    ["serve --https-port 8443", 2, "--https-port says how https is served, and it is not", "add --https"],
    [
      "install --print --https-port 0",
      2,
      "--https-port says how https is served, and it is not",
      "add --https",
    ],
    ["deploy api:v2 --weight", 2, "--weight needs a value", "write --weight N"],
    ["deploy api:v2 --promote=yes", 2, "--promote takes no value", "alone"],
    ["deploy api:v2 --version v2 --version v3", 2, "given twice", "once"],
    ["logs --level loud", 2, '--level is "loud"', "stdout, stderr"],
    ["ps --server nowhere", 2, '"nowhere" is not the URL of a server', "http://host:port"],
  ])("is refused with advice: ten %s", expectRefusal);
});

describe("a server that is not there", () => {
  test("is said with where it was looked for and how to start one", async () => {
    using dir = createTempDir();
    writeFileSync(dir.file("tenement.toml"), '[service.api]\ncommand = "true"\n');
    const { exit, stdout, stderr } = await runTen(dir.path, ["ps"]);
    expect([exit, stdout]).toEqual([6, ""]);
    expect(stderr).toContain(`no server at ${dir.path}/tenement-data/ten.sock: there is no such socket`);
    expect(stderr).toContain("hint: start one where tenement.toml is: ten serve");
    const json = await runTen(dir.path, ["ps", "--json"]);
    expect(json.exit).toBe(6);
    expect(JSON.parse(json.stdout)).toMatchObject({ schema: 1, error: { code: "unreachable" } });
  });

  test("that died without a word is told apart from one that never was", async () => {
    await using dead = await startFleet();
    dead.kill("SIGKILL");
    await dead.exited;
    const { exit, stderr } = await dead.run("ps");
    expect([exit, stderr]).toEqual([6, expect.stringContaining("ten.sock: nothing listens there")]);
  });

  test("is said of a URL as well", async () => {
    using dir = createTempDir();
    const { exit, stderr } = await runTen(dir.path, ["ps", "--server", "http://127.0.0.1:1", "--token", "x"]);
    expect([exit, stderr]).toEqual([
      6,
      expect.stringContaining("no answer from http://127.0.0.1:1: nothing listens there"),
    ]);
  });

  test("is not looked for where there is no configuration", async () => {
    using dir = createTempDir();
    const { exit, stderr } = await runTen(dir.path, ["ps"]);
    expect(exit).toBe(6);
    expect(stderr).toContain(`there is no tenement.toml in "${dir.path}" or above it`);
    expect(stderr).toContain("ten init");
  });
});

describe("a second server", () => {
  test("on the same data directory exits 4 with one line that names the first", async () => {
    const { exit, stdout, stderr } = await ten.run("serve", "--port", "0");
    expect([exit, stdout]).toEqual([4, ""]);
    expect(stderr).toStartWith(
      `error: another ten serve (pid ${ten.pid}) runs on the data directory "${ten.dataDir}"\n`,
    );
    expect((await ten.get("api.localhost")).status).toBe(200);
  });

  test("on the same port exits 4 and names who has it", async () => {
    using dir = createTempDir();
    writeFileSync(dir.file("tenement.toml"), '[service.api]\ncommand = "true"\n');
    const { exit, stderr } = await runTen(dir.path, ["serve", "--port", String(ten.port)]);
    expect(exit).toBe(4);
    expect(stderr).toContain(`error: port ${ten.port} is taken by ten (pid ${ten.pid})`);
    expect(stderr).toContain("--port");
    expect((await ten.get("api.localhost")).status).toBe(200);
  });

  test.skipIf(process.platform !== "linux")("on a port that an outgoing connection has says so", async () => {
    using listening = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const socket = await Bun.connect({ hostname: "127.0.0.1", port: listening.port, socket: { data() {} } });
    using dir = createTempDir();
    writeFileSync(dir.file("tenement.toml"), '[service.api]\ncommand = "true"\n');
    const { exit, stderr } = await runTen(dir.path, ["serve", "--port", String(socket.localPort)]);
    socket.terminate();
    expect([exit, stderr]).toEqual([4, expect.stringContaining("by a connection that goes out from it")]);
    expect(stderr).toContain("choose a port below");
  });

  test("on the same admin address exits 4 and leaves nothing open", async () => {
    using dir = createTempDir();
    writeFileSync(dir.file("tenement.toml"), '[service.api]\ncommand = "true"\n');
    const { exit, stderr } = await runTen(dir.path, [
      "serve",
      "--port",
      "0",
      "--admin",
      `127.0.0.1:${ten.port}`,
    ]);
    expect(exit).toBe(4);
    expect(stderr).toContain(`port ${ten.port} is taken`);
    expect(stderr).toContain("choose another with --admin");
  });
});

describe("a configuration", () => {
  const GOOD = '[service.api]\ncommand = "./server"\n';
  const served = async (toml: string | undefined, command: readonly string[] = ["serve", "--port", "0"]) => {
    using dir = createTempDir();
    if (toml !== undefined) writeFileSync(dir.file("tenement.toml"), toml);
    return await runTen(dir.path, command);
  };

  test("that is missing stops the server with exit 3 and the way to one", async () => {
    for (const command of [["serve"], ["config"]]) {
      const { exit, stderr } = await served(undefined, command);
      expect(exit).toBe(3);
      expect(stderr).toContain("there is no tenement.toml in ");
      expect(stderr).toContain("ten init");
    }
  });

  test.each([
    ['[service.api]\ncomand = "./server"\n', "service.api.comand: unknown key", "command"],
    ["[setings]\n", "setings: unknown key", "settings"],
    ["[service.api]\n", "service.api.command: missing", ""],
    ['[service.API]\ncommand = "x"\n', 'service "API" is not a valid name', ""],
    [`${GOOD}drain_timeout = "soon"\n`, "service.api.drain_timeout: expected a number of seconds", ""],
    [`${GOOD}health = "health"\n`, "service.api.health: ", '"/health"'],
    ['[service.api]\ncommand = "./server $PORT"\n', "service.api.command: ", "{port}"],
    ['[service.api]\ncommand = "./server {prot}"\n', "service.api.command: ", "{port}"],
    [`${GOOD}[service.api.env]\nPORT = "80"\n`, "service.api.env.PORT: ten sets PORT itself", ""],
    [`${GOOD}[routing]\ndefault = "apy"\n`, 'routing.default: there is no service "apy"', "api"],
    [`${GOOD}[instances]\nweb = ["v1"]\n`, 'instances.web: there is no service "web"', "api"],
    [`${GOOD}[instances]\napi = ["V1"]\n`, "instances.api[0]: ", '"v1"'],
  ])(
    "with a mistake is refused with the path of the key and the nearest known one: %j",
    async (toml, message, near) => {
      for (const command of [["serve", "--port", "0"], ["config"]]) {
        const { exit, stdout, stderr } = await served(toml, command);
        expect([exit, stdout]).toEqual([2, ""]);
        expect(stderr).toContain(message);
        expect(stderr).toContain(near);
        expect(stderr).toEndWith("hint: correct the file\n");
      }
    },
  );

  test("that is no TOML is refused with line and column", async () => {
    const { exit, stderr } = await served('[service.api]\ncommand = "./server\n');
    expect(exit).toBe(2);
    expect(stderr).toMatch(/tenement\.toml:2:\d+: /);
  });

  test("that is broken does not keep commands from a server that runs", async () => {
    await using other = await startFleet();
    await Bun.write(`${other.dir}/tenement.toml`, "[service.api\n");
    const unsaid = { TENEMENT_DATA_DIR: "", XDG_RUNTIME_DIR: "", XDG_STATE_HOME: other.dir };
    expect((await runTen(other.dir, ["ps"])).exit).toBe(0);
    using dir = createTempDir();
    writeFileSync(dir.file("tenement.toml"), "[service.api\n");
    const { exit, stderr } = await runTen(dir.path, ["ps"], unsaid);
    expect([exit, stderr]).toEqual([2, expect.stringContaining("tenement.toml:1:")]);
    expect(stderr).toContain("until then name the server's directory: --data-dir DIR");
  });

  test("is found in a parent directory", async () => {
    mkdirSync(`${ten.dir}/some/where`, { recursive: true });
    expect((await runTen(`${ten.dir}/some/where`, ["ps"])).stdout).toContain("api:v1");
  });
});
