// The Caddyfile of `ten caddy`: what is in it, that Caddy takes it, and what visitors see through Caddy (where it is installed).
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { createTempDir, type TempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { startSlum } from "./slum.ts";
import { runTen, startTen, type Ten } from "./ten.ts";

const HOST = "api.localhost";
const CADDY = Bun.which("caddy");

/** Echoes requests and WebSocket messages, and opens event streams that never end. */
const APP = `
Bun.serve({
  port: Number(process.env.PORT), hostname: "127.0.0.1",
  fetch(request, server) {
    if (server.upgrade(request)) return;
    const { pathname } = new URL(request.url);
    if (pathname !== "/events") return Response.json(Object.fromEntries(request.headers));
    return new Response(new ReadableStream({ start(stream) { stream.enqueue("data: first\\n\\n"); } }),
      { headers: { "content-type": "text/event-stream" } });
  },
  websocket: { message: (socket, message) => void socket.send("echo " + message) },
});`;

const TOML = `
[service.api]
command = ${JSON.stringify(process.execPath)}
args = ["app.ts"]
domains = ["shop.example.org"]
[service.admin]
command = "true"
direct = "trusted"
`;

/** /etc/caddy/Caddyfile of Debian's package. */
const SAMPLE = `# The Caddyfile is an easy way to configure your Caddy web server.

:80 {
	# Set this path to your site's directory.
	root * /usr/share/caddy

	# Enable the static file server.
	file_server

	# Another common task is to set up a reverse proxy:
	# reverse_proxy localhost:8080
}

# Refer to the Caddy docs for more information:
`;

interface Caddy extends AsyncDisposable {
  readonly port: number;
  /** What a visitor's TLS needs. */
  readonly tls: { readonly serverName: string; readonly ca: string };
  get(path: string, init?: RequestInit): Promise<Response>;
}

/** Caddy with what \`ten caddy\` prints, on ports of its own and with its own authority. */
async function startCaddy(ten: Ten): Promise<Caddy> {
  const temp = createTempDir();
  const port = await freePort();
  const options = `{\nhttp_port ${await freePort()}\nhttps_port ${port}\nadmin off\nskip_install_trust\n}\n`;
  const { stdout } = await ten.ok("caddy");
  // The domains that only a public authority could vouch for.
  writeFileSync(temp.file("Caddyfile"), options + stdout.replace(", shop.example.org", ""));
  const child = Bun.spawn(["caddy", "run", "--config", temp.file("Caddyfile"), "--adapter", "caddyfile"], {
    env: {
      PATH: process.env.PATH ?? "",
      HOME: temp.path,
      XDG_DATA_HOME: temp.path,
      XDG_CONFIG_HOME: temp.path,
    },
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(temp.file("log")),
  });
  const root = temp.file("caddy/pki/authorities/local/root.crt");
  await until("Caddy has its authority", () => existsSync(root), 60_000);
  const tls = { serverName: HOST, ca: readFileSync(root, "utf8") };
  const get = (path: string, init: RequestInit = {}) =>
    fetch(`https://127.0.0.1:${port}${path}`, {
      ...init,
      headers: { ...init.headers, Host: HOST },
      tls,
    } as RequestInit);
  await until(`Caddy answers`, async () => (await get("/").catch(() => undefined))?.status === 200, 60_000);
  return {
    port,
    tls,
    get,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
      temp[Symbol.dispose]();
    },
  };
}

describe("ten caddy", () => {
  test("prints what tenement.toml says when no server runs, and to a file only once and never over another's", async () => {
    using dir = createTempDir();
    writeFileSync(dir.file("tenement.toml"), `${TOML}[routing]\ndefault = "api"\n`);
    const words = ["caddy", "--domain", "example.com", "--upstream", "127.0.0.1:9000"];
    const { stdout, stderr } = await runTen(dir.path, words);
    expect(stderr).toBe("");
    const hosts = [
      "example.com",
      "ten.example.com",
      "api.example.com",
      "shop.example.org",
      "admin.example.com",
    ];
    expect(stdout).toContain(`\n${hosts.join(", ")} {\n\timport ten\n}\n`);
    expect(stdout).toContain("\n# *.api.example.com {\n");
    const wild = JSON.parse((await runTen(dir.path, [...words, "--dns", "cloudflare", "--json"])).stdout);
    expect(wild).toMatchObject({ schema: 1, hosts, upstream: "127.0.0.1:9000", file: null });
    expect(wild.caddyfile).toContain(
      "\n*.api.example.com {\n\ttls {\n\t\tdns cloudflare {env.DNS_API_TOKEN}\n",
    );

    const out = [...words, "--out", "Caddyfile"];
    expect((await runTen(dir.path, out)).stderr).toContain("hint: put it into force: caddy reload --config");
    expect(readFileSync(dir.file("Caddyfile"), "utf8")).toBe(stdout);
    expect((await runTen(dir.path, out)).stderr).toContain("nothing to do");
    for (const field of ["X-Tenement-Instance", "X-Real-IP", "Forwarded", "True-Client-IP", "X-Original-URL"])
      expect(stdout).toContain(`\trequest_header -${field}\n`);
    expect(stdout).not.toContain("on_demand");
    writeFileSync(dir.file("Caddyfile"), "example.com {\n}\n");
    const refused = await runTen(dir.path, out);
    expect([refused.exit, refused.stderr]).toEqual([
      4,
      expect.stringContaining("was not written by ten caddy"),
    ]);
    expect((await runTen(dir.path, [...out, "--force"])).exit).toBe(0);
  });

  test("takes the place of the sample that comes with Caddy's packages, but not of one that somebody has changed", async () => {
    using dir = createTempDir();
    writeFileSync(dir.file("tenement.toml"), TOML);
    const out = ["caddy", "--domain", "example.com", "--out", "Caddyfile"];
    writeFileSync(dir.file("Caddyfile"), SAMPLE.replace("/usr/share/caddy", "/srv/mine"));
    expect((await runTen(dir.path, out)).exit).toBe(4);
    writeFileSync(dir.file("Caddyfile"), SAMPLE);
    const { stderr, exit } = await runTen(dir.path, out);
    expect([exit, stderr]).toEqual([
      0,
      expect.stringContaining("over the untouched sample of Caddy's package"),
    ]);
    expect(readFileSync(dir.file("Caddyfile"), "utf8")).toStartWith("# Written by `ten caddy`");
  });

  test.each([
    [["--upstream", "127.0.0.1:443"], "warning: Caddy needs port 443 itself"],
    [["--upstream", "10.0.0.1:8080"], "hint: add Caddy's address to trusted_proxies"],
    [[], "hint: these hosts are local; name your domain: --domain example.com"],
    [["--email", "a b"], "error: --email is"],
    [["--upstream", "8080"], "error: --upstream is"],
    [
      ["--upstream", "10.0.0.1:8080", "--on-demand"],
      "warning: ten answers Caddy's question for a host on loopback only",
    ],
  ])("says what would not work: %j", async (words, said) => {
    using dir = createTempDir();
    writeFileSync(dir.file("tenement.toml"), TOML);
    expect((await runTen(dir.path, ["caddy", ...words])).stderr).toContain(said);
  });

  test.skipIf(!CADDY)("prints what Caddy finds valid and well-formed (needs caddy)", async () => {
    using dir = createTempDir();
    writeFileSync(dir.file("tenement.toml"), TOML);
    const words = ["caddy", "--domain", "example.com", "--email", "me@example.com", "--on-demand"];
    await runTen(dir.path, [...words, "--out", "Caddyfile"]);
    expectValid(dir);
  });
});

describe("slum caddy", () => {
  test("prints a site for its own host and one on demand for every tenant, and needs no running slum", async () => {
    using dir = createTempDir();
    const slum = (...words: string[]) =>
      Bun.spawnSync([join(import.meta.dir, "../../dist/slum"), ...words], {
        cwd: dir.path,
        env: { PATH: process.env.PATH ?? "", SLUM_DATA_DIR: dir.file("data") },
      });
    const words = ["caddy", "--domain", "slum.example.com", "--out", "Caddyfile"];
    expect(slum(...words).exitCode).toBe(0);
    const text = readFileSync(dir.file("Caddyfile"), "utf8");
    expect(text).toContain("\nslum.example.com {\n\timport slum\n}\n");
    expect(text).toContain("\task http://127.0.0.1:8080/internal/tls-check\n");
    expect(text).toContain("\nhttps:// {\n\ttls {\n\t\ton_demand\n\t}\n\timport slum\n}\n");
    if (CADDY) expectValid(dir);
    expect(slum(...words).stderr.toString()).toContain("nothing to do");
  });
});

/** For Caddy itself. */
function expectValid(dir: TempDir): void {
  const env = { PATH: process.env.PATH ?? "", HOME: dir.path };
  const run = (...words: string[]) => Bun.spawnSync(["caddy", ...words], { cwd: dir.path, env });
  expect(run("validate", "--config", "Caddyfile", "--adapter", "caddyfile").exitCode).toBe(0);
  expect(run("fmt", "Caddyfile").stdout.toString()).toBe(readFileSync(dir.file("Caddyfile"), "utf8"));
}

describe("the question for a host", () => {
  test("is answered for what is served, to programs on this machine and nobody who comes through a proxy", async () => {
    await using ten = await startTen({ toml: TOML });
    await ten.ok("spawn", "api:v1");
    const ask = async (domain: string, headers: Record<string, string> = {}) =>
      (await ten.get("127.0.0.1", `/internal/tls-check?domain=${domain}`, { headers })).status;
    for (const host of [
      "localhost",
      "api.localhost",
      "API.localhost.",
      "shop.example.org",
      "v1.api.localhost",
    ])
      expect([host, await ask(host)]).toEqual([host, 200]);
    for (const host of [
      "example.org",
      "v2.api.localhost",
      "x.v1.api.localhost",
      "",
      "a b",
      "v1.admin.localhost",
    ])
      expect([host, await ask(encodeURIComponent(host))]).toEqual([host, 404]);
    expect(await ask("api.localhost", { "X-Forwarded-For": "203.0.113.9" })).toBe(403);
  });

  test("is answered by slum for its tenants", async () => {
    await using slum = await startSlum();
    await slum.ok("server", "add", "iad", "http://127.0.0.1:1");
    await slum.ok("tenant", "add", "acme", "acme.example.com", "iad", "api");
    await slum.ok("tenant", "add", "wide", "*.wide.example.com", "iad", "api");
    const ask = async (domain: string) =>
      (await slum.get("127.0.0.1", `/internal/tls-check?domain=${domain}`)).status;
    expect(await Promise.all(["acme.example.com", "a.wide.example.com", "localhost"].map(ask))).toEqual([
      200, 200, 200,
    ]);
    expect(await Promise.all(["other.example.com", "a.b.wide.example.com", "127.0.0.1"].map(ask))).toEqual([
      404, 404, 404,
    ]);
  });
});

describe.skipIf(!CADDY)("through Caddy (needs caddy)", () => {
  test("visitors keep their address, WebSockets and event streams pass, and a restart of ten loses nothing", async () => {
    const prepare = (dir: string) => writeFileSync(`${dir}/app.ts`, APP);
    await using ten = await startTen({ toml: TOML, prepare, port: await freePort() });
    await ten.ok("deploy", "api:v1");
    await using caddy = await startCaddy(ten);

    const headers = await (await caddy.get("/", { headers: { "X-Forwarded-For": "203.0.113.9" } })).json();
    expect(headers).toMatchObject({
      "x-forwarded-for": "127.0.0.1, 127.0.0.1",
      "x-forwarded-proto": "https",
    });
    expect(headers).toMatchObject({ host: HOST, "x-forwarded-host": HOST });
    const claims = {
      "X-Tenement-Instance": "admin",
      "True-Client-IP": "203.0.113.9",
      "X-Original-URL": "/admin",
    };
    const passed = (await (await caddy.get("/", { headers: { ...claims, "X-Own": "1" } })).json()) as Record<
      string,
      string
    >;
    expect(passed["x-own"]).toBe("1");
    for (const name of Object.keys(claims)) expect(passed[name.toLowerCase()]).toBeUndefined();

    const events = await caddy.get("/events");
    const reader = events.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("data: first\n\n");
    await reader?.cancel();

    const socket = new WebSocket(`wss://127.0.0.1:${caddy.port}/`, {
      headers: { Host: HOST },
      tls: caddy.tls,
    });
    const heard = new Promise((done, fail) => {
      socket.onerror = fail;
      socket.onopen = () => socket.send("hello");
      socket.onmessage = ({ data }) => done(data);
    });
    expect(await heard).toBe("echo hello");
    socket.close();

    // With a body they would fail: caddyserver/caddy#7546.
    let served = 0;
    let going = true;
    const visitor = async () => {
      while (going) {
        expect((await caddy.get("/")).status).toBe(200);
        served += 1;
      }
    };
    const visitors = Promise.all([visitor(), visitor(), visitor(), visitor()]);
    await until("visitors come", () => served > 20);
    ten.kill("SIGQUIT");
    await ten.exited;
    await ten.start();
    const before = served;
    await until("visitors still come", () => served > before + 20);
    going = false;
    await visitors;
  });
});
