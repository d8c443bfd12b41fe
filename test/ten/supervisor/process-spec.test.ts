import { expect, test } from "bun:test";
import { type Config, parseConfig } from "../../../src/ten/config/config.ts";
import { processSpecOf } from "../../../src/ten/supervisor/process-spec.ts";

const instance = { id: "v2", version: "1.2", port: 20_001, nonce: "secret" };
const nothing = () => false;

function commandFor(service: string, exists: (path: string) => boolean = nothing, base = {}) {
  const config: Config = parseConfig(`[service.api]\n${service}`, "/srv/tenement.toml");
  const api = config.services.get("api");
  if (!api) throw new Error("no service");
  return processSpecOf(config, api, instance, base, exists);
}

test("placeholders are filled in everywhere, after the command is split", () => {
  const command = commandFor(`
    command = "./releases/{version}/run --port={port} '{name} {id}' {data_dir} {instance_dir} {shared_dir}"
    workdir = "{instance_dir}/work"
    env = { DATABASE = "{shared_dir}/app.db", LITERAL = "{{port}}" }`);
  expect(command.argv).toEqual([
    "/srv/releases/1.2/run",
    "--port=20001",
    "api v2",
    "/srv/tenement-data",
    "/srv/tenement-data/api/v2",
    "/srv/tenement-data/api/_shared",
  ]);
  expect(command.cwd).toBe("/srv/tenement-data/api/v2/work");
  expect(command.env).toMatchObject({ DATABASE: "/srv/tenement-data/api/_shared/app.db", LITERAL: "{port}" });
});

test("the environment is the server's without its own business, then ours, then the service's", () => {
  const base = {
    PATH: "/bin",
    HOST: "0.0.0.0",
    PORT: "1",
    TENEMENT_TOKEN: "t",
    SLUM_DB: "d",
    TEN_NONCE: "other",
    BUN_OPTIONS: "--smol",
    WATCHDOG_USEC: "1",
    LISTEN_FDS: "1",
    NOTIFY_SOCKET: "/n",
    INVOCATION_ID: "i",
    JOURNAL_STREAM: "j",
    LISTEN_PID: "1",
    BUN_BE_BUN: "1",
    BUN_INSPECT_NOTIFY: "x",
    TENANT: "kept",
    // Of others, however much they look like ours.
    LISTEN_ADDR: "0.0.0.0",
    WATCHDOG_INTERVAL: "5",
    BUN_INSTALL: "/opt/bun",
    UNSET: undefined,
  };
  expect(commandFor(`command = "x"\nenv = { HOST = "127.0.0.2" }`, nothing, base).env).toEqual({
    PATH: "/bin",
    TENANT: "kept",
    LISTEN_ADDR: "0.0.0.0",
    WATCHDOG_INTERVAL: "5",
    BUN_INSTALL: "/opt/bun",
    PYTHONUNBUFFERED: "1",
    HOST: "127.0.0.2",
    PORT: "20001",
    TEN_SERVICE: "api",
    TEN_INSTANCE: "api:v2",
    TEN_VERSION: "1.2",
    TEN_NONCE: "secret",
  });
});

test("variables of the server's are taken by {env.NAME}, and apps write without a buffer unless told otherwise", () => {
  const service = `command = "x {env.PATH}"\nenv = { PATH = "/opt:{env.PATH}", PYTHONUNBUFFERED = "" }`;
  const { argv, env } = commandFor(service, nothing, { PATH: "/bin" });
  expect([argv[1], env.PATH, env.PYTHONUNBUFFERED]).toEqual(["/bin", "/opt:/bin", ""]);
});

test("a bare program is left to PATH, an absolute one as it is", () => {
  expect(commandFor(`command = "python3 app.py"`).argv).toEqual(["python3", "app.py"]);
  expect(commandFor(`command = "/bin/app"`).argv).toEqual(["/bin/app"]);
});

test("a program with a slash is looked for from the configuration, then from the working directory", () => {
  const service = `command = "./run"\nworkdir = "releases/{version}"`;
  const has = (...paths: string[]) => commandFor(service, (path) => paths.includes(path)).argv[0];
  expect(has("/srv/run", "/srv/releases/1.2/run")).toBe("/srv/run");
  expect(has("/srv/releases/1.2/run")).toBe("/srv/releases/1.2/run");
  expect(has()).toBe("/srv/run");
});
