import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../../../src/ten/config/config.ts";
import { planScaffold, scaffold } from "../../../src/ten/config/scaffold.ts";
import { processSpecOf } from "../../../src/ten/supervisor/process-spec.ts";
import { freePort } from "../../support/free-port.ts";
import { lacks } from "../../support/installed.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const PATH = process.env.PATH ?? "";

function directory(): Disposable & { readonly path: string } {
  const parent = createTempDir();
  const path = parent.file("my_shop");
  mkdirSync(path);
  return { path, [Symbol.dispose]: () => parent[Symbol.dispose]() };
}

describe("what a directory holds decides what is run", () => {
  type Case = [
    holds: string,
    files: string[],
    executables: string[],
    start: string | undefined,
    command: string,
  ];
  const cases: Case[] = [
    ["a start script", ["package.json", "index.js"], [], "node index.js", "npm start"],
    ["a start script and bun's lock file", ["package.json", "bun.lock"], [], "bun x.ts", "bun run start"],
    ["a package without a start script", ["package.json", "index.js"], [], undefined, "node index.js"],
    ["a Python app", ["requirements.txt", "main.py"], [], undefined, "python3 main.py"],
    ["a TypeScript app", ["server.ts"], [], undefined, "bun server.ts"],
    ["one executable", ["shop"], ["shop"], undefined, "./shop"],
    ["two executables", ["a", "b"], ["a", "b"], undefined, "node app.mjs"],
    ["an executable with a strange name", ["a b"], ["a b"], undefined, "node app.mjs"],
    ["a package alone", ["package.json"], [], undefined, "node app.mjs"],
    ["a package of bun's alone", ["package.json", "bunfig.toml"], [], undefined, "bun app.mjs"],
    ["Python requirements alone", ["requirements.txt"], [], undefined, "python3 app.py"],
    ["nothing", [], [], undefined, "node app.mjs"],
  ];
  test.each(cases)("%s", (_, files, executables, startScript, command) => {
    const plan = planScaffold({
      name: "shop",
      files: new Set(files),
      executables,
      startScript,
      procfile: undefined,
      has: () => true,
    });
    expect(plan.command).toBe(command);
    expect(plan.service).toBe("shop");
    const written = [...plan.files.keys()];
    const file = command.split(" ").at(-1) ?? "";
    const wasThere = startScript !== undefined || files.includes(file.replace("./", ""));
    expect(written).toEqual(wasThere ? ["tenement.toml"] : [file, "tenement.toml"]);
    expect(plan.unrecognised).toBe(!wasThere && files.length > 0);
  });

  test.each([
    ["web: gunicorn app:app --bind 127.0.0.1:$PORT\nworker: x\n", "gunicorn app:app --bind 127.0.0.1:{port}"],
    ["release: x\nweb:  ./server -p $PORT  \r\n", "./server -p {port}"],
    ["web: node -e 'log({it})' -p $PORT\n", "node -e 'log({{it}})' -p {port}"],
    ["web: cd src && ./server\n", "node app.mjs"],
    ["worker: x\n", "node app.mjs"],
  ])("a Procfile's web process: %j", (procfile, command) => {
    const survey = { name: "shop", files: new Set(["Procfile"]), executables: [], startScript: undefined };
    const plan = planScaffold({ ...survey, procfile, has: () => true });
    expect([plan.command, plan.unrecognised]).toEqual([command, command === "node app.mjs"]);
  });
});

test("an example is in a language that the machine has", () => {
  const survey = {
    name: "Über",
    files: new Set<string>(),
    executables: [],
    startScript: undefined,
    procfile: undefined,
  };
  expect(planScaffold({ ...survey, has: (program) => program === "python3" }).command).toBe("python3 app.py");
  expect(planScaffold({ ...survey, has: (program) => program === "bun" }).command).toBe("bun app.mjs");
  expect(planScaffold({ ...survey, has: () => false }).service).toBe("app");
});

describe.each([
  ["requirements.txt", "python3"],
  ["package.json", "node"],
  ["bun.lock", "bun"],
])("in a directory with %s", (hint, runtime) => {
  test.skipIf(lacks(runtime))("what is written runs as it is", async () => {
    using at = directory();
    writeFileSync(join(at.path, hint), "");
    if (hint === "bun.lock") writeFileSync(join(at.path, "package.json"), "{}");
    expect(scaffold(at.path, PATH).service).toBe("my-shop");
    const config = loadConfig(at.path, undefined, { env: {} });
    const service = config.services.get("my-shop");
    if (!service) throw new Error("no service");
    expect(service.health.path).toBe("/health");
    expect([...config.instances]).toEqual([["my-shop", ["v1"]]]);

    const port = await freePort();
    const { argv, env, cwd } = processSpecOf(
      config,
      service,
      { id: "v1", version: "v1", port, nonce: "n" },
      { PATH },
    );
    await using child = Bun.spawn([...argv], {
      env,
      cwd,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    await child.stdout.getReader().read(); // it listens
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
    const hello = await fetch(`http://127.0.0.1:${port}/`, { keepalive: false });
    expect(await hello.text()).toBe("Hello from my-shop:v1, version v1\n");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });
});

test("an executable is found, and nothing beside the configuration is written", () => {
  using at = directory();
  const run = join(at.path, "run");
  writeFileSync(run, "#!/bin/sh\n");
  chmodSync(run, 0o755);
  expect(scaffold(at.path, PATH).command).toBe("./run");
  expect(readdirSync(at.path).sort()).toEqual(["run", "tenement.toml"]);
  expect(loadConfig(at.path, undefined, { env: {} }).services.get("my-shop")?.words).toEqual(["./run"]);
});

test("a directory that is missing is made", () => {
  using at = directory();
  const below = join(at.path, "new");
  scaffold(below, PATH);
  expect(loadConfig(below, undefined, { env: {} }).services.has("new")).toBe(true);
});

test("nothing is ever overwritten", () => {
  using at = directory();
  const file = join(at.path, "tenement.toml");
  writeFileSync(file, "mine");
  expect(() => scaffold(at.path, PATH)).toThrow(`${file} exists already`);
  expect(readFileSync(file, "utf8")).toBe("mine");
  expect(readdirSync(at.path)).toEqual(["tenement.toml"]);
});
