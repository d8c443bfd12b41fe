// What shells are offered by the compiled binary beside real servers: names that these know, and nothing when none answers.
import { expect, test } from "bun:test";
import { type Commands, isGroup, type Program } from "../../src/cli/command.ts";
import { slum as slumProgram } from "../../src/slum/program.ts";
import { ten as tenProgram } from "../../src/ten/program.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { startSlum } from "./slum.ts";
import { runTen, startTen, tomlFor } from "./ten.ts";

/** The words that are offered, of a line that is not yet complete. */
function texts(stdout: string): string {
  return stdout.replace(/\t.*\n/g, " ").trim();
}

test("ten knows its services and instances, and slum its servers and tenants", async () => {
  const toml = `${tomlFor("bun")}[service.web]\ncommand = "true"\n`;
  await using ten = await startTen({ toml });
  await using slum = await startSlum();
  await ten.ok("deploy", "api:v1");
  await ten.ok("deploy", "api:v2");
  await ten.ok("deploy", "api:v3");
  await ten.ok("stop", "api:v3");
  await slum.ok("server", "add", "iad", `http://127.0.0.1:${ten.port}`);
  await slum.ok("server", "add", "fra", `http://127.0.0.1:${ten.port + 1}`);
  await slum.ok("tenant", "add", "acme", "acme.example.com", "iad", "api");
  const cases: [line: string, words: string][] = [
    ["deploy ", "api web"],
    ["weight ", "api:v1 api:v2"],
    ["weight api:v1=50 ", "api:v1 api:v2"],
    ["stop api:v1 ", "api:v2"],
    ["rm ", "api:v3"],
    ["logs api", "api api:v1 api:v2 api:v3"],
    ["route api --from v1 --to ", "v1 v2"],
    ["route web --to ", ""],
    ["sl", "slum"],
    [`slum --data-dir ${slum.dataDir} server drain `, "iad fra"],
    [`slum --data-dir ${slum.dataDir} tenant add beta beta.example.com f`, "fra"],
    [`slum --data-dir ${slum.dataDir} tenant move acme `, "iad fra"],
    [`slum --data-dir ${slum.dataDir} tenant add beta b.example.com iad api --failover iad,`, "iad,fra"],
    [`slum --data-dir ${slum.dataDir} route `, "acme.example.com"],
  ];
  for (const [line, words] of cases) {
    // On a busy machine the server may not answer within the moment that it is given.
    await until(`ten ${line}<Tab> offers ${words}`, async () => {
      const { exit, stdout, stderr } = await ten.run("__complete", ...line.split(" "));
      return exit === 0 && stderr === "" && texts(stdout) === words;
    });
  }
});

test("without a server, or without anything, services are those of the file and nothing is said", async () => {
  using dir = createTempDir();
  expect(await runTen(dir.path, ["__complete", "weight", ""])).toEqual({ exit: 0, stdout: "", stderr: "" });
  expect(await runTen(dir.path, ["__complete", "deploy", ""])).toEqual({ exit: 0, stdout: "", stderr: "" });
  await Bun.write(dir.file("tenement.toml"), tomlFor("bun"));
  expect(texts((await runTen(dir.path, ["__complete", "deploy", ""])).stdout)).toBe("api");
  expect(texts((await runTen(dir.path, ["__complete", "weight", ""])).stdout)).toBe("");
});

test.each([tenProgram, slumProgram])(
  "$name can look up every kind of name that its commands ask for",
  async (program: Program) => {
    const asked = new Set<string>();
    const visit = async (commands: Commands): Promise<void> => {
      for (const load of Object.values(commands)) {
        const entry = (await load()).default;
        if (isGroup(entry)) await visit(entry.commands);
        else for (const { names } of Object.values(entry.args)) if (names !== undefined) asked.add(names);
      }
    };
    for (const commands of Object.values(program.sections)) await visit(commands);
    expect([...asked].sort()).toEqual(Object.keys((await program.names?.())?.names ?? {}).sort());
  },
);
