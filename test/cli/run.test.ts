// How a line of words becomes a command, or a refusal that helps.
import { expect, test } from "bun:test";
import { runProgram } from "../../src/cli/run.ts";
import { createMemorySink } from "./memory-sink.ts";
import { zoo } from "./zoo.ts";

async function run(line: string | readonly string[], env: Record<string, string> = {}) {
  const stdout = createMemorySink();
  const stderr = createMemorySink();
  const argv = typeof line === "string" ? line.split(" ").filter((text) => text !== "") : line;
  const code = await runProgram({ program: zoo, argv, env, stdout, stderr });
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

async function understood(line: string | readonly string[], env: Record<string, string> = {}) {
  const { stdout, stderr } = await run(
    [...(typeof line === "string" ? line.split(" ") : line), "--json"],
    env,
  );
  return stderr === "" ? JSON.parse(stdout) : stderr;
}

const NOTHING = { others: [], force: false, limit: 10, stopOld: [] };

test.each<[string, Record<string, unknown>]>([
  ["echo", NOTHING],
  ["echo a b c", { ...NOTHING, first: "a", others: ["b", "c"] }],
  ["echo --force a", { ...NOTHING, first: "a", force: true }],
  ["echo -f -n 5 a", { ...NOTHING, first: "a", force: true, limit: 5 }],
  ["echo -fn5", { ...NOTHING, force: true, limit: 5 }],
  ["echo --limit=7 --version v2", { ...NOTHING, limit: 7, version: "v2" }],
  ["echo --version=--no-such", { ...NOTHING, version: "--no-such" }],
  ["echo --weight 12.25 --level stderr", { ...NOTHING, weight: 12.25, level: "stderr" }],
  ["echo --stop-old a,b --stop-old c", { ...NOTHING, stopOld: ["a", "b", "c"] }],
  ["echo -- --force -x", { ...NOTHING, first: "--force", others: ["-x"] }],
  ["server echo a", { ...NOTHING, first: "a" }],
])("%s is understood", async (line, args) => {
  // What comes after -- are words, so --json goes first there.
  const { stdout } = await run(`--json ${line}`);
  expect(JSON.parse(stdout).args).toEqual(args);
});

test("global flags work before, between and after the words of a command", async () => {
  const globals = { server: "http://a", token: "t", json: true };
  for (const line of [
    "--server http://a --token t server echo x",
    "server --server=http://a --token t echo x",
    "server echo x --server http://a --token=t",
    "server echo --server http://a x --token t",
  ]) {
    expect(await understood(line)).toMatchObject({ globals, args: { first: "x" } });
  }
});

test("a flag wins over the environment, and the environment over nothing", async () => {
  const env = { ZOO_SERVER: "http://env", ZOO_TOKEN: "env" };
  const { globals } = await understood("echo --token flag", env);
  expect(globals).toEqual({ server: "http://env", token: "flag", json: true });
});

test.each([
  ["echo --forse", 'zoo echo has no flag "--forse"', "did you mean --force? (zoo echo --help shows all)"],
  ["echo -x", 'zoo echo has no flag "-x"', "zoo echo --help shows all"],
  ["echo --limit", "--limit needs a value", "write --limit N"],
  ["echo --limit --force", "--limit needs a value", "write --limit N"],
  ["echo --version=", "--version needs a value", "write --version V"],
  ["echo --limit ten", '--limit is "ten"', "give a whole number from 1 to 100"],
  ["echo --limit 101", '--limit is "101"', "give a whole number from 1 to 100"],
  ["echo --limit -5", '--limit is "-5"', "give a whole number from 1 to 100"],
  ["echo --weight 0.125", '--weight is "0.125"', "give a number with at most 2 decimals from 0 to 100"],
  ["echo --level stder", '--level is "stder"', "did you mean stderr? (known: stdout, stderr)"],
  ["echo --version 1 --version 2", "--version is given twice", "give it once"],
  ["echo --force=yes", "--force takes no value", "write --force alone"],
  ["echo --stop-old a,,b", "--stop-old has an empty value", "separate values by single commas"],
  ["show", "zoo show needs service:id", "for example: zoo show api:v1; see zoo show --help"],
  ["fail", "zoo fail needs HOW", "for example: zoo fail defect; see zoo fail --help"],
  ["show api:v1 api:v2", 'zoo show takes one word, and "api:v2" is one too many', "see zoo show --help"],
  ["show api", '"api" is not an instance', "write service:id, for example api:v1"],
  ["shwo", 'zoo has no command "shwo"', "did you mean show? (zoo --help lists all)"],
  ["constructor", 'zoo has no command "constructor"', "zoo --help lists all"],
  ["server", "zoo server needs a command", "add, echo; see zoo server --help"],
  ["server remove", 'zoo server has no command "remove"', "zoo server --help lists all"],
  ["--verson", 'zoo has no flag "--verson"', "did you mean --version? (zoo --help shows all)"],
  ["server version", 'zoo server has no command "version"', "zoo server --help lists all"],
  ["comp", 'zoo has no command "comp"', "did you mean completion? (zoo --help lists all)"],
  ["--server", "--server needs a value", "write --server URL"],
])("%s is refused with advice", async (line, message, hint) => {
  expect(await run(line)).toEqual({ code: 2, stdout: "", stderr: `error: ${message}\nhint: ${hint}\n` });
});

test("an empty word is refused: most likely a variable was not set", async () => {
  const { code, stderr } = await run(["show", ""]);
  expect([code, stderr]).toEqual([
    2,
    "error: zoo show was given an empty word\nhint: is a shell variable unset?\n",
  ]);
});

test("--version is the program's only where no command is given", async () => {
  expect(await run("--version")).toEqual({ code: 0, stdout: "zoo 1.2.3\n", stderr: "" });
  expect((await run("--json --version")).stdout).toBe('{"schema":1,"name":"zoo","version":"1.2.3"}\n');
  expect((await run("show api:v1 --version")).code).toBe(2);
  expect((await understood("echo --version v2")).args.version).toBe("v2");
});

test("a fault is told on stderr with its facts, and as one JSON object on stdout with --json", async () => {
  expect(await run("fail fault")).toEqual({
    code: 5,
    stdout: "",
    stderr: [
      "error: api:v2 never got healthy",
      "  exit code: 137",
      "  last output:",
      "    one",
      "    two",
      "hint: look at its log\n",
    ].join("\n"),
  });
  const { code, stdout, stderr } = await run("--json fail fault");
  expect({ code, stderr, body: JSON.parse(stdout) }).toEqual({
    code: 5,
    stderr: "",
    body: {
      schema: 1,
      error: {
        code: "unhealthy",
        message: "api:v2 never got healthy",
        hint: "look at its log",
        details: { exit_code: 137, last_output: ["one", "two"] },
      },
    },
  });
});

test("a defect is one line and exit 1, with its stack for who asks", async () => {
  const plain = await run("fail defect");
  expect(plain).toEqual({
    code: 1,
    stdout: "",
    stderr: "error: x is not a function\nhint: this is a defect; DEBUG=1 shows where\n",
  });
  expect((await run("fail defect", { DEBUG: "1" })).stderr).toContain("zoo.ts");
});

test("a command may answer its own exit code", async () => {
  expect(await run("fail neither --exit 5")).toMatchObject({
    code: 5,
    stdout: "ends with its own exit code\n",
  });
});

test("help is the same text by every way, on stdout with exit 0", async () => {
  const byFlag = await run("echo --help");
  expect(byFlag).toMatchObject({ code: 0, stderr: "" });
  for (const line of ["help echo", "--help echo", "echo -h", "echo --bogus a b --help"]) {
    expect(await run(line)).toEqual(byFlag);
  }
  expect(byFlag.stdout).toMatchSnapshot();
});

test("the program's help groups its commands and tells all global flags", async () => {
  const help = await run("--help");
  expect(help).toMatchObject({ code: 0, stderr: "" });
  expect(help.stdout).toMatchSnapshot();
  expect(await run("")).toEqual(help);
  expect(await run("help")).toEqual(help);
  expect((await run("server --help")).stdout).toContain("  add    Exactly one instance\n");
});
