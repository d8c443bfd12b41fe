import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import type { Fault } from "../../../src/core/fault.ts";
import { findConfig, loadConfig, parseConfig } from "../../../src/ten/config/config.ts";
import { createTempDir } from "../../support/temp-dir.ts";
import defaults from "./defaults.toml" with { type: "text" };

const FILE = "/srv/tenement.toml";
const EPHEMERAL = { range: { first: 32768, last: 60999 }, reserved: [] };

function faultOf(call: () => unknown): Fault {
  try {
    call();
  } catch (thrown) {
    return thrown as Fault;
  }
  throw new Error("nothing was thrown");
}

test("the defaults as documented are the defaults", () => {
  const written = parseConfig(defaults, FILE, { ephemeral: EPHEMERAL });
  const left = parseConfig('[service.api]\ncommand = "./releases/{version}/server --port {port}"', FILE);
  expect(left.settings).toEqual(written.settings);
  const withoutEnv = { env: undefined, release: undefined };
  expect({ ...left.services.get("api"), ...withoutEnv }).toEqual({
    ...written.services.get("api"),
    ...withoutEnv,
  });
});

test("a configuration becomes milliseconds, words and absolute paths", () => {
  const config = parseConfig(defaults, FILE);
  expect(config.path).toBe(FILE);
  expect(config.settings).toEqual({
    dataDir: "/srv/tenement-data",
    ports: { first: 20000, last: 29999 },
    workers: 1,
    releaseMaxMb: 1024,
    trustedProxies: ["127.0.0.0/8", "::1"],
    proxyProtocol: false,
    admin: undefined,
    certificates: [],
    http2: true,
    directFrom: [],
    maxClientRequests: 256,
    maxClientStreams: 256,
    maxClientConnections: 1024,
    minBodyRate: 240,
    minReadRate: 240,
    heldMemoryMb: 256,
    canaryForgottenMs: 86_400_000,
    accessLog: { to: "file", format: "json", query: false },
    selectorFrom: undefined,
    host: undefined,
    port: undefined,
    domain: "localhost",
  });
  expect([...config.instances]).toEqual([["api", ["v1"]]]);
  expect(config.routing).toEqual({ default: undefined });
  expect(config.services.get("api")).toEqual({
    name: "api",
    words: ["./releases/{version}/server", "--port", "{port}"],
    workdir: ".",
    env: { DATABASE_PATH: "{shared_dir}/app.db" },
    address: "127.0.0.1",
    onDemandIds: undefined,
    hasPort: true,
    schedule: undefined,
    beforeStart: undefined,
    afterStop: undefined,
    setup: undefined,
    keepReleases: 5,
    refreshMs: 0,
    envFile: undefined,
    release: {
      command: "./releases/{version}/server --port {port}",
      args: [],
      workdir: ".",
      env: { DATABASE_PATH: "{shared_dir}/app.db" },
      isolation: "process",
    },
    domains: [],
    health: {
      path: undefined,
      host: undefined,
      command: undefined,
      graceMs: 3_000,
      intervalMs: 10_000,
      timeoutMs: 2000,
    },
    restart: {
      mode: "on-failure",
      maxRestarts: 3,
      restartWindowMs: 300_000,
      backoffBaseMs: 1000,
      backoffMaxMs: 60_000,
      unhealthyMs: 60_000,
      failedRetryMs: 60_000,
    },
    overlap: true,
    startupTimeoutMs: 30_000,
    drainTimeoutMs: 30_000,
    stopGraceMs: 10_000,
    idleTimeoutMs: 0,
    maxInstances: 100,
    keep: 10,
    instances: 1,
    storagePersist: true,
    limits: {
      memoryBytes: undefined,
      cpuShares: undefined,
      openFiles: undefined,
      user: undefined,
      group: undefined,
    },
    rescue: undefined,
    shadowCookies: false,
    rollout: {},
    policy: {
      direct: "preview",
      requestTimeoutMs: 30_000,
      streamIdleTimeoutMs: 300_000,
      waitMs: 30_000,
      maxBodyBytes: 0,
      onDemand: false,
      redirect: true,
      stickySameSite: "lax",
      via: false,
      accessLog: undefined,
      trace: false,
    },
  });
});

test("a service overrides how it is checked and restarted, in fractions of a second", () => {
  const config = parseConfig(
    `[settings]
     health_check_interval = 0.5
     max_restarts = 9
     [service.api]
     command = "x"
     health_check_timeout = 0.25
     max_restarts = 1
     request_timeout = 0.0001`,
    FILE,
  );
  const api = config.services.get("api");
  expect(api?.health).toMatchObject({ intervalMs: 500, timeoutMs: 250 });
  expect(api?.restart.maxRestarts).toBe(1);
  expect(api?.policy.requestTimeoutMs).toBe(1);
});

test("a $ in the middle of a value, as in a password or its hash, is text", () => {
  const hash = "$2b$10$N9qo8uLOickgx2ZMRZoMye";
  const config = parseConfig(`[service.api]\ncommand = "x"\nenv.A = "${hash}"\nenv.B = "5$"`, FILE);
  expect(config.services.get("api")?.env).toEqual({ A: hash, B: "5$" });
});

test("an error page is read once, from the file's directory, and every reason why not names its key", () => {
  using temp = createTempDir();
  const file = `${temp.path}/tenement.toml`;
  const load = (page: string) => {
    writeFileSync(file, `[service.api]\ncommand = "x"\nerror_page = "${page}"`);
    return loadConfig(temp.path, undefined, { env: {} });
  };
  writeFileSync(`${temp.path}/503.html`, "<h1>Bald zurück</h1>");
  writeFileSync(`${temp.path}/empty.html`, "");
  writeFileSync(`${temp.path}/large.html`, "x".repeat(262_145));
  writeFileSync(`${temp.path}/latin.html`, Buffer.from([0xe9, 0x20]));
  expect(load("./503.html").services.get("api")?.policy.errorPage).toBe("<h1>Bald zurück</h1>");
  const refused = (page: string) => faultOf(() => load(page)).message;
  const start = (page: string) => `${file}: service.api.error_page: cannot use ${temp.path}/${page}: `;
  expect(refused("404.html")).toBe(`${start("404.html")}there is no such file`);
  expect(refused("empty.html")).toBe(`${start("empty.html")}it is empty`);
  expect(refused("large.html")).toBe(`${start("large.html")}it is larger than 256 KB`);
  expect(refused("latin.html")).toBe(`${start("latin.html")}it is not UTF-8 text`);
  expect(refused("")).toBe(`${file}: service.api.error_page: is empty`);
  writeFileSync(file, `[service.api]\ncommand = "x"\nerror_page = "."`);
  expect(faultOf(() => loadConfig(temp.path, undefined, { env: {} })).message).toContain("it is not a file");
});

test("arguments that are given leave the command whole", () => {
  const config = parseConfig(`[service.api]\ncommand = "/opt/my app/run"\nargs = ["a b", "$PORT"]`, FILE);
  expect(config.services.get("api")?.words).toEqual(["/opt/my app/run", "a b", "$PORT"]);
});

test("--data-dir wins over the file", () => {
  expect(parseConfig("", FILE, { dataDir: "/var/lib/ten" }).settings.dataDir).toBe("/var/lib/ten");
});

describe("one wrong thing is told in one line", () => {
  const api = (lines: string) => `[service.api]\ncommand = "x"\n${lines}`;
  const refused: [toml: string, problem: string][] = [
    // Keys.
    ["[setings]", 'setings: unknown key, did you mean "settings"?'],
    ["[settings]\nmax_restart = 3", 'settings.max_restart: unknown key, did you mean "max_restarts"?'],
    ["[settings]\ncolour = 1", "settings.colour: unknown key, ten config shows all keys"],
    [api("comand = 1"), 'service.api.comand: unknown key, did you mean "command"?'],
    [api('"a b".c = 1'), 'service.api."a b": unknown key, ten config shows all keys'],
    ["[routing]\ndefalt = 'api'", 'routing.defalt: unknown key, did you mean "default"?'],
    // Kinds and ranges.
    ["service = 3", "service: expected a table, got 3"],
    ["[service]\napi = 'x'", 'service.api: expected a table, got "x"'],
    ["settings = 1979-05-27", "settings: expected a table, got a date"],
    ["instances = 1979-05-27", "instances: expected a table, got a date"],
    [
      api('startup_timeout = "soon"'),
      'service.api.startup_timeout: expected a number of seconds from 1 to 86400, got "soon"',
    ],
    [
      api("startup_timeout = 0"),
      "service.api.startup_timeout: expected a number of seconds from 1 to 86400, got 0",
    ],
    [
      api("drain_timeout = -1"),
      "service.api.drain_timeout: expected a number of seconds from 0 to 86400, got -1",
    ],
    [
      api("drain_timeout = inf"),
      "service.api.drain_timeout: expected a number of seconds from 0 to 86400, got Infinity",
    ],
    [
      api('port = "none"\nidle_timeout = 5'),
      'service.api.idle_timeout: does not go with port = "none": it gets no traffic',
    ],
    [api('port = "none"\nargs = ["{port}"]'), 'service.api.args: {port} does not go with port = "none"'],
    [
      api("port = 80"),
      'service.api.port: each instance gets a free port: write {port} in command, or read PORT; visitors come to ten serve --port. "none" is for what listens nowhere',
    ],
    [
      api('schedule = "0 3 * * *"'),
      'service.api.schedule: needs port = "none", which says that it listens nowhere',
    ],
    [
      api('port = "none"\nschedule = "61 3 * * *"'),
      'service.api.schedule: expected a cron expression such as "0 3 * * *": Invalid value for minute: 61',
    ],
    [
      api('port = "none"\nschedule = "0 3 * * *"\nrefresh = 5'),
      "service.api.refresh: does not go with schedule: it runs and ends",
    ],
    [
      api('address = "0.0.0.0"'),
      'service.api.address: expected a loopback address, "127.0.0.1" or "::1", got "0.0.0.0"',
    ],
    [api('on_demand_ids = "("'), "service.api.on_demand_ids: Invalid regular expression: missing )"],
    [api("max_restarts = 1.5"), "service.api.max_restarts: expected a whole number from 0 to 1000, got 1.5"],
    [api("storage_persist = 1"), "service.api.storage_persist: expected true or false, got 1"],
    [api("domains = 'a.com'"), 'service.api.domains: expected a list of domains, got "a.com"'],
    [api("args = [1]"), "service.api.args[0]: expected an argument, got 1"],
    [
      api("direct = 'on'"),
      'service.api.direct: expected "preview" or "open" or "trusted" or "off", got "on"',
    ],
    [api("sticky = 'yes'"), 'service.api.sticky: expected true or false, got "yes"'],
    [
      api("restart = true"),
      'service.api.restart: expected "on-failure" or "always" or "never", got true: here that is always',
    ],
    [
      api("restart = 'unless-stopped'"),
      'service.api.restart: expected "on-failure" or "always" or "never", got "unless-stopped": here that is always',
    ],
    [api("cmd = 'x'"), 'service.api.cmd: unknown key, write command = "..."'],
    [
      api("port = 3000"),
      'service.api.port: each instance gets a free port: write {port} in command, or read PORT; visitors come to ten serve --port. "none" is for what listens nowhere',
    ],
    ["[services.api]", "services: unknown key, write [service.NAME], one table for each"],
    [api("health = 'health'"), 'service.api.health: expected a path such as "/health", got "health"'],
    [
      api("isolation = 'docker'"),
      'service.api.isolation: expected "process", the only one for now, got "docker"',
    ],
    ["[settings]\nworkers = 0", 'settings.workers: expected a whole number from 1 to 256 or "auto", got 0'],
    [
      "[settings]\ntrusted_proxies = ['10.0.0.0/33']",
      'settings.trusted_proxies[0]: "10.0.0.0/33" is not a network; write 10.0.0.0/8, 192.0.2.7 or fd00::/8',
    ],
    [
      "[settings]\nports = '80-90'",
      'settings.ports: expected two ports from 1024 to 65535 such as "20000-29999", got "80-90"',
    ],
    [
      "[settings]\nports = '40000-41000'",
      "settings.ports: the system gives all of 40000-41000 to outgoing connections; choose others, or reserve them: sysctl -w net.ipv4.ip_local_reserved_ports=40000-41000",
    ],
    [
      "[settings]\nworkers = 2\naccess_log_to = 'stdout'",
      'settings.access_log_to: workers have an output of their own, and there are to be several; write access_log_to = "file", or workers = 1',
    ],
    [
      "[settings]\nbackoff_max_ms = 10",
      "settings.backoff_max_ms: expected at least backoff_base_ms, 1000, got 10",
    ],
    [
      api("backoff_base_ms = 90000"),
      "service.api.backoff_max_ms: expected at least backoff_base_ms, 90000, got 60000",
    ],
    // Commands and templates.
    ["[service.api]", 'service.api.command: missing, expected a command such as "./server --port {port}"'],
    ["[service.api]\ncommand = ' '", "service.api.command: is empty"],
    ["[service.api]\ncommand = 'x $PORT'", "service.api.command: $PORT is not expanded; write {port}"],
    [
      "[service.api]\ncommand = 'x && y'",
      "service.api.command: the shell operator && is not quoted; no shell runs the command; where one is needed, write sh -c '...'",
    ],
    [
      "[service.api]\ncommand = 'x {prot}'",
      "service.api.command: {prot} is not a placeholder; did you mean {port}? For the text itself write {{prot}}",
    ],
    [
      api("workdir = 'r/{verson}'"),
      "service.api.workdir: {verson} is not a placeholder; did you mean {version}? For the text itself write {{verson}}",
    ],
    // The environment.
    [
      api("env.PORT = '1'"),
      'service.api.env.PORT: ten sets PORT itself; where the app wants another name, write NAME = "{port}"',
    ],
    [api("env.TEN_X = '1'"), "service.api.env.TEN_X: names that begin with TEN_ are set by ten itself"],
    [
      api("env.'a b' = '1'"),
      'service.api.env."a b": not the name of a variable, allowed: A-Z, a-z, 0-9 and _',
    ],
    [
      api("env.__proto__ = '1'"),
      "service.api.env.__proto__: not the name of a variable, allowed: A-Z, a-z, 0-9 and _",
    ],
    [
      api("env.P = '$PATH:/opt'"),
      "service.api.env.P: $PATH is not expanded; write {env.PATH}, or keep a value that is meant so in env_file",
    ],
    [
      api("env.P = 'x$PORT/'"),
      "service.api.env.P: $PORT is not expanded; write {port}, or keep a value that is meant so in env_file",
    ],
    [api("env.N = [5]"), "service.api.env.N: expected a string, got a list"],
    [api('env.N = "a\\u0000"'), "service.api.env.N: contains a NUL character"],
    // Names.
    [
      "[service.Api]\ncommand = 'x'",
      'service.Api: service "Api" is not a valid name; names are lower case: write "api"',
    ],
    ["[service.ten]\ncommand = 'x'", 'service.ten: service "ten" is reserved; choose another name'],
    [
      `${api("")}[instances]\napi = ["V1"]`,
      'instances.api[0]: id "V1" is not a valid name; names are lower case: write "v1"',
    ],
    [`${api("")}[instances]\napi = ["v1", "v1"]`, 'instances.api: "v1" is listed twice'],
    [`${api("")}[instances]\napo = ["v1"]`, 'instances.apo: there is no service "apo", did you mean "api"?'],
    ["[routing]\ndefault = 'api'", 'routing.default: there is no service "api", the file has no services'],
    // Domains.
    [
      api("domains = ['https://App.example.com/']"),
      'service.api.domains[0]: "https://App.example.com/" is not a plain domain; write "app.example.com"',
    ],
    [
      api("domains = ['x.example.com']"),
      'service.api.domains[0]: "x.example.com" is the server\'s own, as all of example.com is',
    ],
    [
      api("domains = ['localhost']"),
      'service.api.domains[0]: "localhost" is the server\'s own, as all of localhost is',
    ],
    [api("domains = ['a.com', 'a.com']"), 'service.api.domains[1]: "a.com" is listed twice'],
    [
      `${api("domains = ['a.com']")}\n[service.web]\ncommand = "y"\ndomains = ["a.com"]`,
      'service.web.domains[0]: "a.com" is already a domain of api',
    ],
    // Limits.
    [
      api("memory_limit_mb = 0"),
      "service.api.memory_limit_mb: expected a number of megabytes from 1 to 1000000000, got 0",
    ],
    [api("cpu_shares = 1"), "service.api.cpu_shares: expected a whole number from 2 to 262144, got 1"],
    [api("open_files = 3"), "service.api.open_files: expected a whole number from 16 to 1048576, got 3"],
    [api('user = ""'), "service.api.user: is empty"],
  ];
  test.each(refused)("%j", (toml, problem) => {
    const fault = faultOf(() => parseConfig(toml, FILE, { domain: "example.com", ephemeral: EPHEMERAL }));
    expect(fault.message).toBe(`${FILE}: ${problem}`);
    expect(fault).toMatchObject({ code: "usage", hint: "correct the file" });
  });
});

describe("text that is not TOML is refused with line and column", () => {
  const refused: [toml: string, message: string, hint: string][] = [
    ["a = 1\nb = \n", "2:5: invalid value", "look at line 2: b ="],
    ["a = node x.mjs\n", "1:5: invalid value", "look at line 1, where text needs quotes: a = node x.mjs"],
    ["a = [x.org]\n", "1:6: invalid value", "look at line 1, where text needs quotes: a = [x.org]"],
    [
      '[service.api]\ncommand = "x" y\n',
      "2:15: each key-value declaration must be followed by an end-of-line",
      'look at line 2: command = "x" y',
    ],
    [
      "[service.api]\ncommand = 'x'\n[service.api]\n",
      "3:2: trying to redefine an already defined table or value",
      "look at line 3: [service.api]",
    ],
  ];
  test.each(refused)("%j", (toml, message, hint) => {
    const fault = faultOf(() => parseConfig(toml, FILE));
    expect(fault.message).toBe(`${FILE}:${message}`);
    expect(fault).toMatchObject({ code: "usage", hint });
  });
});

test("all problems are told at once", () => {
  const fault = faultOf(() =>
    parseConfig(
      '[service.api]\ncomand = "x"\nhealth = 1\ndomains = ["A.com"]\n[routing]\ndefault = "app"',
      FILE,
    ),
  );
  expect(fault.message).toBe(
    [
      `${FILE} has 5 problems:`,
      'service.api.command: missing, expected a command such as "./server --port {port}"',
      'service.api.health: expected a path such as "/health", got 1',
      'service.api.domains[0]: "A.com" is not a plain domain; write "a.com"',
      'service.api.comand: unknown key, did you mean "command"?',
      'routing.default: there is no service "app", did you mean "api"?',
    ].join("\n  "),
  );
});

test("a thousand problems are counted, and twenty of them shown", () => {
  const lines = Array.from({ length: 1000 }, (_, index) => `k${index} = 1`);
  const fault = faultOf(() => parseConfig(lines.join("\n"), FILE));
  expect(fault.message.split("\n")).toHaveLength(22);
  expect(fault.message).toStartWith(`${FILE} has 1000 problems:`);
  expect(fault.message).toEndWith("and 980 more");
});

test("ports of which the system takes some are warned about", () => {
  const config = parseConfig('[settings]\nports = "30000-61000"', FILE, { ephemeral: EPHEMERAL });
  expect(config.settings.ports).toEqual({ first: 30000, last: 61000 });
  expect(config.warnings).toEqual([
    "settings.ports: the system gives some of 30000-61000 to outgoing connections, 2769 are left",
  ]);
});

describe("the file", () => {
  test("is missed with a hint", () => {
    using root = createTempDir();
    expect(faultOf(() => findConfig(root.path, undefined))).toMatchObject({
      code: "not_found",
      message: `there is no tenement.toml in "${root.path}" or above it`,
      hint: "write one with: ten init, or name it with --config",
    });
    expect(faultOf(() => findConfig(root.path, "x.toml"))).toMatchObject({
      code: "not_found",
      message: `there is no configuration "${root.file("x.toml")}"`,
    });
  });

  test("is found here or in the nearest parent, and its paths start where it lies", () => {
    using root = createTempDir();
    const below = root.file("a/b");
    mkdirSync(below, { recursive: true });
    const file = root.file("tenement.toml");
    writeFileSync(file, "[service.api]\ncommand = 'x'");
    expect(findConfig(below, undefined)).toBe(file);
    expect(findConfig(below, "../../tenement.toml")).toBe(file);
    const options = { env: {}, defaultDataDir: root.file("data") };
    expect(loadConfig(below, undefined, options).settings.dataDir).toBe(root.file("data"));
  });

  test("that is no text is refused", () => {
    using root = createTempDir();
    const file = root.file("tenement.toml");
    writeFileSync(file, new Uint8Array([0x61, 0xff]));
    expect(faultOf(() => loadConfig(root.path, undefined, { env: {} })).message).toBe(
      `${file} is not UTF-8 text`,
    );
    writeFileSync(file, "#".repeat(1_048_577));
    expect(faultOf(() => loadConfig(root.path, undefined, { env: {} })).message).toBe(
      `${file} is larger than 1 MB`,
    );
    expect(faultOf(() => loadConfig(root.path, ".", { env: {} })).message).toStartWith(
      `cannot read ${root.path}: `,
    );
  });
});
