import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { loadConfig, parseConfig } from "../../../src/ten/config/config.ts";
import { planScaffold, scaffold } from "../../../src/ten/init/scaffold.ts";
import type { Survey } from "../../../src/ten/init/survey.ts";
import { processSpecOf } from "../../../src/ten/supervisor/process-spec.ts";
import { freePort } from "../../support/free-port.ts";
import { lacks } from "../../support/installed.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const PATH = process.env.PATH ?? "";
const OPTIONS = { path: PATH, own: "ten" };

function directory(): Disposable & { readonly path: string } {
  const parent = createTempDir();
  const path = parent.file("my_shop");
  mkdirSync(path);
  return { path, [Symbol.dispose]: () => parent[Symbol.dispose]() };
}

/** A directory as a survey sees it: file to text; `x:` before a name makes it executable. */
function survey(files: Readonly<Record<string, string>>, programs?: readonly string[]): Survey {
  const paths = new Map(Object.entries(files).map(([path, text]) => [path.replace(/^x:/, ""), text]));
  const names = (directory: string) => {
    const prefix = directory === "." ? "" : `${directory}/`;
    return [...paths.keys()]
      .filter((path) => path.startsWith(prefix))
      .map((path) => path.slice(prefix.length));
  };
  return {
    name: "shop",
    own: "ten",
    exists: (path) => paths.has(normalize(path)) || names(normalize(path)).length > 0,
    read: (path) => paths.get(normalize(path)) ?? "",
    list: (directory) =>
      [...new Set(names(directory).map((path) => path.split("/")[0] ?? ""))].sort().map((name) => ({
        name,
        isDirectory: !paths.has(directory === "." ? name : `${directory}/${name}`),
      })),
    isExecutable: (path) => Object.hasOwn(files, `x:${path}`),
    has: (program) => programs?.includes(program) ?? !["gunicorn", "uvicorn", "flask"].includes(program),
  };
}

describe("what a directory holds decides what is run", () => {
  const pkg = (more: object) => JSON.stringify(more);
  test.each<[holds: string, files: Record<string, string>, command: string]>([
    [
      "a start script",
      { "package.json": pkg({ scripts: { start: "node index.js" } }), "index.js": "" },
      "npm start",
    ],
    [
      "one and a lock file of bun's",
      { "package.json": pkg({ scripts: { start: "x" } }), "bun.lock": "" },
      "bun run start",
    ],
    [
      "one and a lock file of pnpm's",
      { "package.json": pkg({ scripts: { start: "x" } }), "pnpm-lock.yaml": "" },
      "pnpm run start",
    ],
    ["a package without a start script", { "package.json": "{}", "index.js": "" }, "node index.js"],
    [
      "Next.js",
      { "package.json": pkg({ dependencies: { next: "1" }, scripts: { start: "next start" } }) },
      "node_modules/.bin/next start --hostname 127.0.0.1 --port {port}",
    ],
    [
      "Vite",
      { "package.json": pkg({ devDependencies: { vite: "1" }, scripts: { dev: "vite" } }) },
      "ten static dist --port {port} --spa",
    ],
    [
      "Vite with a server of its own",
      { "package.json": pkg({ devDependencies: { vite: "1" }, scripts: { start: "node server.js" } }) },
      "npm start",
    ],
    ["a TypeScript app", { "server.ts": "" }, "bun server.ts"],
    [
      "a Deno app",
      { "deno.json": "{}", "main.ts": "Deno.serve(x)" },
      "deno run --allow-net --allow-env --allow-read main.ts",
    ],
    [
      "a Deno app that is served",
      { "deno.json": "{}", "main.ts": "export default { fetch() {} }" },
      "deno serve --host 127.0.0.1 --port {port} main.ts",
    ],
    ["a Deno task", { "deno.json": '{"tasks": {"start": "deno run x.ts"}}' }, "deno task start"],
    ["a Python app", { "requirements.txt": "", "main.py": "" }, "python3 main.py"],
    [
      "FastAPI",
      { "main.py": "from fastapi import FastAPI\napp = FastAPI()", "requirements.txt": "fastapi" },
      "python3 -m uvicorn main:app --host 127.0.0.1 --port {port}",
    ],
    [
      "ASGI by hand",
      { "main.py": "async def app(scope, receive, send):\n    pass\n", "requirements.txt": "uvicorn" },
      "python3 -m uvicorn main:app --host 127.0.0.1 --port {port}",
    ],
    [
      "WSGI by hand",
      { "app.py": "def application(environ, start_response):\n    pass\n", "requirements.txt": "gunicorn" },
      "python3 -m gunicorn --bind 127.0.0.1:{port} app:application",
    ],
    [
      "FastAPI with its own environment",
      { "app/main.py": "api: FastAPI = FastAPI()", ".venv/bin/uvicorn": "" },
      ".venv/bin/uvicorn app.main:api --host 127.0.0.1 --port {port}",
    ],
    [
      "FastAPI with uv",
      { "src/main.py": "app = FastAPI()", "uv.lock": "" },
      "uv run uvicorn --app-dir src main:app --host 127.0.0.1 --port {port}",
    ],
    [
      "Flask",
      { "app.py": "from flask import Flask\napp = Flask(__name__)" },
      "python3 -m flask --app app:app run --host 127.0.0.1 --port {port}",
    ],
    [
      "Flask with gunicorn",
      { "app.py": "from flask import Flask\napp = Flask(__name__)", "requirements.txt": "flask\ngunicorn" },
      "python3 -m gunicorn --bind 127.0.0.1:{port} app:app",
    ],
    [
      "Flask's factory",
      { "app/__init__.py": "", "wsgi.py": "import flask\ndef create_app():", "requirements.txt": "gunicorn" },
      "python3 -m gunicorn --bind 127.0.0.1:{port} 'wsgi:create_app()'",
    ],
    [
      "Django",
      { "manage.py": "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')" },
      "python3 manage.py runserver --noreload 127.0.0.1:{port}",
    ],
    [
      "Django with gunicorn",
      { "manage.py": "", "mysite/wsgi.py": "", "requirements.txt": "gunicorn==23" },
      "python3 -m gunicorn --bind 127.0.0.1:{port} mysite.wsgi",
    ],
    [
      "Rails",
      { Gemfile: 'gem "rails"\ngem "puma"', "config.ru": "", "config/application.rb": "" },
      "bundle exec puma -b tcp://127.0.0.1:{port}",
    ],
    ["Rack", { "config.ru": "" }, "rackup -o 127.0.0.1 -p {port}"],
    [
      "Laravel",
      { artisan: "", "public/index.php": "", "composer.json": "" },
      "php artisan serve --host=127.0.0.1 --port={port} --no-reload",
    ],
    ["PHP", { "index.php": "" }, "php -S 127.0.0.1:{port} -t ."],
    ["PHP in public", { "public/index.php": "" }, "php -S 127.0.0.1:{port} -t public"],
    ["Go", { "go.mod": "module example.com/shop", "main.go": "" }, "go run ."],
    ["Go, built", { "go.mod": "module example.com/shop", "x:shop": "" }, "./shop"],
    ["Go with cmd", { "go.mod": "module example.com/x", "cmd/api/main.go": "" }, "go run ./cmd/api"],
    ["Rust", { "Cargo.toml": '[package]\nname = "shop"' }, "cargo run --release --quiet"],
    [
      "Rust, built",
      { "Cargo.toml": '[package]\nname = "shop"', "x:target/release/shop": "" },
      "./target/release/shop",
    ],
    [
      "a jar",
      { "pom.xml": "spring-boot", "target/shop-1.jar": "", "target/shop-1-sources.jar": "" },
      "java -jar target/shop-1.jar",
    ],
    [".NET", { "Shop.csproj": "" }, "dotnet run --configuration Release --no-launch-profile"],
    ["a static site", { "index.html": "", "style.css": "" }, "ten static . --port {port}"],
    ["a static site in public", { "public/index.html": "" }, "ten static public --port {port}"],
    [
      "a page with a script",
      { "index.html": '<script src="app.js">', "app.js": "" },
      "ten static . --port {port}",
    ],
    [
      "a Dockerfile",
      { Dockerfile: 'FROM x\nEXPOSE 80\nCMD ["caddy", "run", "--port", "80"]' },
      "caddy run --port {port}",
    ],
    [
      "a Dockerfile's shell form",
      { Dockerfile: "CMD caddy --bind 0.0.0.0:$PORT" },
      "caddy --bind 127.0.0.1:{port}",
    ],
    [
      "pm2",
      { "ecosystem.config.js": 'module.exports = { apps: [{ name: "api", script: "src/api.js" }] }' },
      "node src/api.js",
    ],
    [
      "a jar with blanks and braces in its name",
      { "target/my {port} app.jar": "" },
      "java -jar 'target/my {{port}} app.jar'",
    ],
    ["one executable", { "x:shop": "" }, "./shop"],
  ])("%s", (_, files, command) => {
    const plan = planScaffold(survey(files));
    expect([...plan.files.keys()]).toEqual(["tenement.toml"]);
    const config = parseConfig(plan.files.get("tenement.toml") ?? "", "/srv/shop/tenement.toml");
    expect(plan.services[0]?.found.command).toBe(command);
    expect(config.services.size).toBe(1);
  });

  test.each<[Record<string, string>, string]>([
    [{ "package.json": "{}" }, "node app.mjs"],
    [{ "package.json": "{}", "bunfig.toml": "" }, "bun app.mjs"],
    [{ "requirements.txt": "" }, "python3 app.py"],
    [{ "README.md": "", ".git/HEAD": "" }, "node app.mjs"],
    [{}, "node app.mjs"],
  ])("no app, and nothing that is in the way: %j", (files, command) => {
    const plan = planScaffold(survey(files));
    expect(plan.services[0]?.found.command).toBe(command);
    expect([...plan.files.keys()]).toEqual([command.split(" ")[1] ?? "", "tenement.toml"]);
  });

  test.each<[Record<string, string>]>([
    [{ "notes.txt": "" }],
    [{ "x:a": "", "x:b": "" }],
    [{ "x:a b": "" }],
    [{ "lib/x.py": "" }],
  ])("no app that is known among other files is said, and nothing is written: %j", (files) => {
    expect(() => planScaffold(survey(files))).toThrow('no app that ten knows is in "shop"');
  });

  test.each([
    ["web: gunicorn app:app --bind 127.0.0.1:$PORT\n", "gunicorn app:app --bind 127.0.0.1:{port}", undefined],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a shell's.
    ["web:  ./server -p ${PORT:-3000}  \r\n", "./server -p {port}", undefined],
    ["web: node -e 'log({it})' -p $PORT\n", "node -e 'log({{it}})' -p {port}", undefined],
    ["web: uvicorn main:app --host 0.0.0.0\n", "uvicorn main:app --host 127.0.0.1", undefined],
    ["web: cd src && ./server $PORT\n", "sh", ["-c", "cd src && ./server $PORT"]],
    ["web: ./server --name $NAME\n", "sh", ["-c", "exec ./server --name $NAME"]],
  ])("a Procfile's web process: %j", (Procfile, command, args) => {
    const plan = planScaffold(survey({ Procfile }));
    expect(plan.services[0]?.found).toMatchObject({ command, ...(args && { args }) });
    parseConfig(plan.files.get("tenement.toml") ?? "", "/srv/tenement.toml");
  });

  test("a Procfile's release runs before each start, and what has no port is a worker", () => {
    const plan = planScaffold(
      survey({ Procfile: "web: x\nrelease: rake db:migrate\nworker: sidekiq -c 5" }),
      { name: "api" },
    );
    expect(plan.services.map(({ name, found }) => [name, found.command, found.isWorker])).toEqual([
      ["api", "x", undefined],
      ["worker", "sidekiq -c 5", true],
    ]);
    const config = parseConfig(plan.files.get("tenement.toml") ?? "", "/srv/tenement.toml");
    expect(config.document.service.api?.before_start).toBe("rake db:migrate");
    expect(config.document.service.worker?.port).toBe("none");
    expect(Object.fromEntries(config.instances)).toEqual({ api: ["v1"], worker: ["v1"] });
  });

  test("pm2 and directories below name several apps", () => {
    const pm2 = `module.exports = { apps: [
      { name: "api", script: "./api.js", env: { NODE_ENV: "x" } }, { name: "Web", script: "serve", args: "-l 1" }] }`;
    const names = (files: Record<string, string>) =>
      planScaffold(survey(files)).services.map(({ name, workdir, found }) => [name, workdir, found.command]);
    expect(names({ "ecosystem.config.js": pm2 })).toEqual([
      ["api", undefined, "node ./api.js"],
      ["web", undefined, "serve -l 1"],
    ]);
    expect(names({ "api/main.py": "", "web/index.html": "", "docs/a.md": "" })).toEqual([
      ["api", "api", "python3 main.py"],
      ["web", "web", "ten static . --port {port}"],
    ]);
  });

  test("a directory with a site is this app's own, unless others hold apps too", () => {
    const names = (files: Record<string, string>) =>
      planScaffold(survey(files)).services.map(({ name }) => name);
    expect(names({ "public/index.html": "" })).toEqual(["shop"]);
    expect(names({ "public/index.html": "", "api/main.py": "" })).toEqual(["api", "public"]);
  });

  test("the health path of the source is taken", () => {
    const [one] = planScaffold(survey({ "main.py": "app = FastAPI()\n@app.get('/healthz')" })).services;
    expect(one?.found.health).toBe("/healthz");
  });

  test("what the person says wins", () => {
    const wishes = { name: "api", command: "npx serve -l 3000", port: 3000, health: "/ok" };
    const [one] = planScaffold(survey({ "notes.txt": "" }), wishes).services;
    expect(one).toMatchObject({
      name: "api",
      found: { command: "npx serve -l {port}", health: "/ok", notes: [] },
    });
  });
});

test("an example is in a language that the machine has", () => {
  const command = (...programs: string[]) => planScaffold(survey({}, programs)).services[0]?.found.command;
  expect(command("python3")).toBe("python3 app.py");
  expect(command("bun")).toBe("bun app.mjs");
  expect(planScaffold({ ...survey({}), name: "Über" }).services[0]?.name).toBe("app");
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
    expect(scaffold(at.path, OPTIONS).services[0]?.name).toBe("my-shop");
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
  expect(scaffold(at.path, OPTIONS).services[0]?.found.command).toBe("./run");
  expect(readdirSync(at.path).sort()).toEqual(["run", "tenement.toml"]);
  expect(loadConfig(at.path, undefined, { env: {} }).services.get("my-shop")?.words).toEqual(["./run"]);
});

test("a directory that is missing is made", () => {
  using at = directory();
  const below = join(at.path, "new");
  scaffold(below, OPTIONS);
  expect(loadConfig(below, undefined, { env: {} }).services.has("new")).toBe(true);
});

test("below another tenement.toml the app is added to that, whole or not at all", () => {
  using at = directory();
  const file = join(at.path, "tenement.toml");
  const first = "[service.api]\ncommand = 'x'\n\n[instances]\napi = ['v1']\n\n[routing]\ndefault = 'api'";
  writeFileSync(file, first, { mode: 0o600 });
  mkdirSync(join(at.path, "apps/web"), { recursive: true });
  writeFileSync(join(at.path, "apps/web/index.html"), "");
  const done = scaffold(join(at.path, "apps/web"), OPTIONS);
  expect([done.config, done.files, done.changed]).toEqual([file, [], ["../../tenement.toml"]]);
  const config = loadConfig(at.path, undefined, { env: {} });
  expect(config.services.get("web")).toMatchObject({ workdir: "apps/web" });
  expect(Object.fromEntries(config.instances)).toEqual({ api: ["v1"], web: ["v1"] });
  expect([config.routing.default, statSync(file).mode & 0o777]).toEqual(["api", 0o600]);
  const whole = readFileSync(file, "utf8");
  expect(() => scaffold(join(at.path, "apps/web"), OPTIONS)).toThrow("cannot add to");
  expect(readFileSync(file, "utf8")).toBe(whole);
});

test("an .env is taken, and kept out of the repository", () => {
  using at = directory();
  writeFileSync(join(at.path, "app.py"), "");
  writeFileSync(join(at.path, ".env"), "A=1");
  writeFileSync(join(at.path, ".gitignore"), "node_modules");
  expect(scaffold(at.path, OPTIONS).changed).toEqual([".gitignore"]);
  expect(readFileSync(join(at.path, ".gitignore"), "utf8")).toBe("node_modules\n.env\n");
  expect(loadConfig(at.path, undefined, { env: {} }).services.get("my-shop")?.envFile).toBe(".env");
});

test("nothing is ever overwritten", () => {
  using at = directory();
  const file = join(at.path, "tenement.toml");
  writeFileSync(file, "mine");
  expect(() => scaffold(at.path, OPTIONS)).toThrow(`${file} exists already`);
  expect(readFileSync(file, "utf8")).toBe("mine");
  expect(readdirSync(at.path)).toEqual(["tenement.toml"]);
});
